"""OPM: on-the-fly prediction modulation (Wei et al., T-PAMI 2024).

On-the-fly Modulation for Balanced Multimodal Learning. The feature of the sense that answers better
alone is dropped, example by example, with the chance

    q_m = min(1, base (1 + lambda tanh(rho_m - 1)))   where rho_m > 1, else 0,

features are divided by 1 - theta, theta = sum_m d_m q_m / sum_m d_m (widths d), and the answer is
read from what is left. An example without any sense is not learned from. rho_m is in
`layers.sense_balance`; it is that of the step before ("paper") or of this one ("released").

Where we differ: neither says how the ratio is taken with a question, nor with which values
MUSIC-AVQA was trained; here the question stays in both answers and is never dropped, and the values
are those of the release for Kinetics-Sounds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from musicavqa.methods.layers.sense_balance import dominance
from musicavqa.methods.plugins import contract
from musicavqa.records import SENSES, Batch, Output


@dataclass(frozen=True)
class Options:
    base: float = 0.5
    """q_base: the chance of dropping a sense that is barely stronger."""
    swing: float = 0.5
    """lambda: how much of it is added for one that is much stronger."""
    executed: float = 0.7
    """Share of the steps in which anything is dropped."""
    warmup_epochs: int = 5
    """So many epochs before it begins."""
    compat: Literal["paper", "released"] = "paper"


def chances(ratios: torch.Tensor, options: Options) -> torch.Tensor:
    """Chances q (..., M) of dropping a feature, from the ratios rho (..., M)."""
    stronger = options.base * (1 + options.swing * torch.tanh(ratios - 1))
    return torch.where(ratios > 1, stronger, 0.0).clamp(0, 1)


def drop(
    features: dict[str, torch.Tensor], kept: torch.Tensor, chance: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Features of both senses where `kept` (B, 2) is True, rescaled by the `chance` (2,)."""
    widths = chance.new_tensor([features[sense].shape[-1] for sense in SENSES])
    theta = (widths * chance).sum() / widths.sum()
    left = {
        sense: features[sense].masked_fill(~kept[:, place, None], 0.0) / (1 - theta)
        for place, sense in enumerate(SENSES)
    }
    return {**features, **left}


class Plugin(contract.Plugin):
    NEEDS = (*SENSES, "answer_from")

    ratios: torch.Tensor

    def __init__(self, options: Options, model: nn.Module, batch: Batch, output: Output) -> None:
        super().__init__(options, model, batch, output)
        self.register_buffer("ratios", torch.ones(len(SENSES)))

    def change(self, model: nn.Module, batch: Batch, output: Output) -> tuple[Batch, Output]:
        options, answers = self.options, batch.answers
        if self.epoch < options.warmup_epochs or answers is None:
            return batch, output
        before, now = self.ratios.clone(), dominance(model, output.features, answers)
        self.ratios.copy_(now)
        if torch.rand(()) >= options.executed:
            return batch, output
        chance = chances(now if options.compat == "released" else before, options)
        chance = chance.to(output.logits.dtype)
        kept = torch.rand(len(answers), len(SENSES), device=answers.device) >= chance
        logits = model.answer_from(drop(output.features, kept, chance))
        empty = ~kept.any(1)
        return (
            replace(batch, answers=answers.masked_fill(empty, -1)),
            replace(output, logits=logits),
        )

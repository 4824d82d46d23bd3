"""Bias learners and losses of MCCD (Ma, Hu et al., NeurIPS 2024): push apart, agree in a cycle.

The figure of the paper and its released code are followed; its text was not at hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from musicavqa.methods.layers import N_ANSWERS

MODALITIES = ("question", "audio", "visual")


class BiasLearner(nn.Sequential):
    """Vector (B, D) of one sense -> logits (B, A) that it would give without the others."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, N_ANSWERS),
        )


def push_apart(
    logits: torch.Tensor, biases: dict[str, torch.Tensor], shares: Sequence[float]
) -> torch.Tensor:
    """Sum over senses of share / (mean distance + 1e-5), between `logits` and a sense's (B, A)."""
    distance = nn.functional.pairwise_distance
    terms = [
        share / (distance(logits, biases[sense]).mean() + 1e-5)
        for sense, share in zip(MODALITIES, shares, strict=True)
    ]
    return torch.stack(terms).sum()


def agree_in_a_cycle(biases: dict[str, torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    """Share-weighted KL(question || audio) + KL(visual || question) + KL(audio || visual).

    The first is the one that is imitated; gradients flow into both.
    """
    cycle = (("question", "audio"), ("visual", "question"), ("audio", "visual"))
    terms = [
        share * divergence(biases[model], biases[pupil])
        for (model, pupil), share in zip(cycle, shares, strict=True)
    ]
    return torch.stack(terms).sum()


def divergence(wanted: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
    """KL(softmax(wanted) || softmax(given)), logits (B, A), mean over B."""
    return nn.functional.kl_div(
        given.log_softmax(-1), wanted.log_softmax(-1), reduction="batchmean", log_target=True
    )

"""OGM: on-the-fly gradient modulation (Wei et al., T-PAMI 2024; Peng et al., CVPR 2022).

On-the-fly Modulation for Balanced Multimodal Learning. The sense that answers better alone learns
slower: gradients of its own parameters are multiplied by k, and Gaussian noise keeps generalisation
(OGM-GE). With rho_m from `layers.sense_balance`:

    paper     k_m = max(0, 1 - alpha tanh(rho_m - 1))   where rho_m > 1, else 1
    released  k_m = 1 - tanh(alpha rho_m)               where rho_m > 1, else 1

Where we differ:
* The published networks have two encoders. Here a sense owns the parameters from which its feature
  can be reached and that of the other sense cannot, as autograd knows; what both rest on is left
  alone. A method in which a sense owns none is refused.
* The noise has one standard deviation per tensor, that of its plain gradient, as released. The
  paper's covariance over examples would need a gradient for each.
* The release ends modulation after 60 or 80 of its 100 epochs; here it stays on.
Neither says how the ratio is taken with a question: here the question stays in both answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from musicavqa.methods.layers.sense_balance import dominance
from musicavqa.methods.plugins import contract
from musicavqa.records import SENSES, Batch, Output


@dataclass(frozen=True)
class Options:
    strength: float = 0.8
    """alpha."""
    weaker: float = 1.0
    """Factor of the weaker sense. The release's "OGM plus" is strength 0 with 4 here."""
    noise: float = 1.0
    """Standard deviation of the noise in standard deviations of the gradient; 0 for plain OGM."""
    warmup_epochs: int = 5
    """So many epochs before it begins."""
    compat: Literal["paper", "released"] = "paper"
    """The formula; 'released' also leaves biases and gains (one axis) alone."""


def slowdown(ratios: torch.Tensor, options: Options) -> torch.Tensor:
    """Factors k (..., M) of the gradients, from the ratios rho (..., M)."""
    if options.compat == "released":
        slower = 1 - torch.tanh(options.strength * ratios)
    else:
        slower = (1 - options.strength * torch.tanh(ratios - 1)).clamp(min=0)
    return torch.where(ratios > 1, slower, options.weaker)


class Plugin(contract.Plugin):
    NEEDS = (*SENSES, "answer_from")

    def __init__(self, options: Options, model: nn.Module, batch: Batch, output: Output) -> None:
        super().__init__(options, model, batch, output)
        reached = {sense: parameters_behind(output.features[sense]) for sense in SENSES}
        shared = set.intersection(*reached.values())
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.own = {
            sense: sorted(names[key] for key in found - shared) for sense, found in reached.items()
        }
        for sense, own in self.own.items():
            if not own:
                raise ValueError(f"no parameter leads to its {sense} feature alone.")

    def after_backward(self, model: nn.Module, batch: Batch, output: Output) -> None:
        if self.epoch < self.options.warmup_epochs or batch.answers is None:
            return
        ratios = dominance(model, output.features, batch.answers)
        parameters = dict(model.named_parameters())
        for sense, factor in zip(SENSES, slowdown(ratios, self.options), strict=True):
            for name in self.own[sense]:
                self._modulate(parameters[name], factor)

    def _modulate(self, parameter: nn.Parameter, factor: torch.Tensor) -> None:
        gradient = parameter.grad
        if gradient is None or (self.options.compat == "released" and gradient.ndim < 2):
            return
        deviation = gradient.std(correction=int(gradient.numel() > 1)) + 1e-8
        gradient.mul_(factor)
        if self.options.noise:
            gradient.add_(self.options.noise * deviation * torch.randn_like(gradient))


def parameters_behind(tensor: torch.Tensor) -> set[int]:
    """Ids of all leaves that `tensor` was computed from and that want a gradient."""
    found: set[int] = set()
    seen: set[Any] = set()
    waiting: list[Any] = [tensor.grad_fn]
    while waiting:
        step = waiting.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        if hasattr(step, "variable"):
            found.add(id(step.variable))
        waiting += [source for source, _ in step.next_functions]
    return found

"""Calm: logits are kept small, so that no answer is shouted. A plug-in for any method."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.plugins import contract
from musicavqa.records import Batch, Output


@dataclass(frozen=True)
class Options:
    weight: float = 1e-3
    """Of the mean square of the logits, beside the loss of the answers."""


class Plugin(contract.Plugin):
    """Adds one loss and changes nothing else."""

    def losses(self, model: nn.Module, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        """The weighted mean square."""
        return {"square": self.options.weight * output.logits.square().mean()}

"""The layer normalisation of several released transformers, which is not that of the papers."""

from __future__ import annotations

import torch
from torch import nn


class UnbiasedNorm(nn.Module):
    """gain * (x - mean) / (unbiased std + eps) + shift over the last axis, (..., D) -> (..., D).

    nn.LayerNorm divides by sqrt(biased variance + eps). Parameters bear the same names, so that a
    model may switch between the two.
    """

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        centred = rows - rows.mean(-1, keepdim=True)
        return self.weight * centred / (rows.std(-1, keepdim=True) + self.eps) + self.bias

"""Regions of the picture as tokens: what the map holds inside each box, and what is told of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicavqa.methods.layers.seconds import picture_vectors
from musicavqa.questions import INSTRUMENTS

TOLD = 4 + len(INSTRUMENTS)
"""Of a region beside its share: its box and its instrument."""
LEAST = 1e-6


class RegionTokens(nn.Module):
    """Maps (C, T, E, rows, columns) and regions (C, T, N, 27) -> tokens (C, TN, D), shares (C, TN).

    Shares of a clip sum to one; regions are rows of features/regions.py. Without them (`named` is
    False) each second's whole picture is one region. Where a clip has no region, shares are zero.
    """

    def __init__(self, width_in: int, width: int, named: bool) -> None:
        super().__init__()
        self.look = nn.Linear(width_in, width)
        self.told = nn.Linear(TOLD, width) if named else None

    def forward(self, maps: Tensor, regions: Tensor | None, valid: Tensor) -> tuple[Tensor, Tensor]:
        """`valid` (C, T) says which seconds there are."""
        if self.told is None or regions is None:
            shares = valid / valid.sum(1, keepdim=True)
            return self.look(picture_vectors(maps)), shares.to(maps.dtype)
        share, box = regions[..., 0], regions[..., 1:5]
        inside = inside_boxes(maps, box)  # (C, T, N, E)
        tokens = self.look(inside) + self.told(regions[..., 1:])
        share = share.masked_fill(~valid[..., None], 0.0).flatten(1)
        tokens = tokens.flatten(1, 2).masked_fill(share[..., None] == 0, 0.0)
        return tokens, share / share.sum(1, keepdim=True).clamp(min=LEAST)


def inside_boxes(maps: Tensor, boxes: Tensor) -> Tensor:
    """Means (C, T, N, E) of the cells of maps (C, T, E, rows, columns) by what lies in boxes.

    Boxes (C, T, N, 4) are left, top, right, bottom, 0 to 1. Zeros for a box without area.
    """
    rows, columns = maps.shape[-2:]
    down = _overlaps(boxes[..., 1], boxes[..., 3], rows)  # (C, T, N, rows)
    across = _overlaps(boxes[..., 0], boxes[..., 2], columns)
    area = (down.sum(-1) * across.sum(-1)).clamp(min=LEAST)[..., None]
    return torch.einsum("ctnr,ctnk,cterk->ctne", down, across, maps) / area


def _overlaps(first: Tensor, last: Tensor, n_cells: int) -> Tensor:
    """How much of each of `n_cells` equal cells of 0..1 lies between `first` and `last` (...,)."""
    edges = torch.arange(n_cells + 1, device=first.device, dtype=first.dtype) / n_cells
    high = torch.minimum(last[..., None], edges[1:])
    return (high - torch.maximum(first[..., None], edges[:-1])).clamp(min=0.0)

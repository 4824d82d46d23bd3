"""Attention within windows of a grid, which may be moved by half a window (Liu et al. 2021)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Attend = Callable[[Tensor, Tensor | None], Tensor]
"""Windows (N, w * w, D) and what is added to their scores (windows of a picture, w * w, w * w)."""
APART = -100.0
"""Added to the score of two places that the move brought together."""


def within_windows(tokens: Tensor, side: int, window: int, shift: int, attend: Attend) -> Tensor:
    """Tokens (N, side * side, D) -> the same, each window attended to for itself."""
    grid = tokens.unflatten(1, (side, side))
    missing = -side % window
    grid = torch.nn.functional.pad(grid, (0, 0, 0, missing, 0, missing))
    padded = side + missing
    if shift:
        grid = grid.roll((-shift, -shift), (1, 2))
    mask = _apart(padded, window, shift).to(tokens) if shift else None
    grid = _joined(attend(_cut(grid, window), mask), padded, window)
    if shift:
        grid = grid.roll((shift, shift), (1, 2))
    return grid[:, :side, :side].flatten(1, 2)


def _cut(grid: Tensor, window: int) -> Tensor:
    """(N, side, side, D) -> (N * windows, w * w, D)."""
    parts = grid.unflatten(2, (-1, window)).unflatten(1, (-1, window))  # (N, down, w, right, w, D)
    return parts.transpose(2, 3).flatten(0, 2).flatten(1, 2)


def _joined(windows: Tensor, side: int, window: int) -> Tensor:
    """The way back of `_cut`."""
    n = side // window
    parts = windows.unflatten(0, (-1, n, n)).unflatten(3, (window, window))
    return parts.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _apart(side: int, window: int, shift: int) -> Tensor:
    """APART for pairs of a window's places from different regions, (windows, w * w, w * w)."""
    place = torch.arange(side)
    region = (place >= side - window).long() + (place >= side - shift).long()
    grid = region[:, None] * 3 + region
    of_window = _cut(grid[None, :, :, None], window)[..., 0]
    same = of_window[:, :, None] == of_window[:, None]
    return torch.zeros(same.shape).masked_fill(~same, APART)

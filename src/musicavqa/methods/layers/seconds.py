"""Clips of different length: means and choices that see only the seconds a clip really has."""

from __future__ import annotations

import torch


def picture_vectors(pictures: torch.Tensor) -> torch.Tensor:
    """Maps (C, T, D, rows, columns) averaged over their places; vectors (C, T, D) as they are."""
    return pictures.flatten(3).mean(-1) if pictures.ndim > 3 else pictures


def mean_of_seconds(sequence: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Mean (C, D) of `sequence` (C, T, D) over the seconds that are True in `valid` (C, T)."""
    kept = sequence.masked_fill(~valid[..., None], 0.0).sum(1)
    return kept / valid.sum(1, keepdim=True)


def spaced_seconds(valid: torch.Tensor, n_places: int) -> torch.Tensor:
    """Indices (C, n_places) of seconds at equal distances over each clip's own length.

    They lie in the middles of `n_places` equal parts, so a clip of exactly that length gives each
    of its seconds once; a shorter one repeats some.
    """
    middles = (torch.arange(n_places, device=valid.device) + 0.5) / n_places
    return (middles * valid.sum(1, keepdim=True)).long()


def spread_seconds(valid: torch.Tensor, n_places: int) -> torch.Tensor:
    """Indices (C, n_places) at equal distances from each clip's first second to its last.

    Where a distance is no whole number it is rounded down; a shorter clip repeats some.
    """
    steps = torch.arange(n_places, device=valid.device)
    return steps * (valid.sum(1, keepdim=True) - 1) // max(n_places - 1, 1)


def take_seconds(sequence: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows `index` (C, N) of `sequence` (C, T, ...), as (C, N, ...)."""
    return sequence[torch.arange(len(sequence), device=index.device)[:, None], index]


def back_on_the_grid(shares: torch.Tensor, every_nth: int, n_seconds: int) -> torch.Tensor:
    """Shares (B, ceil(T / n)) of every n-th second, put back among all T seconds (B, T)."""
    time = shares.new_zeros(len(shares), n_seconds)
    time[:, ::every_nth] = shares
    return time

"""Tokens of pictures and seconds: places of maps as vectors, and where a token stands in time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d


def place_vectors(pictures: Tensor, most: int) -> Tensor:
    """Maps (C, T, D, rows, columns) as vectors (C, T, P, D), averaged to at most `most` x `most`.

    Vectors (C, T, D) become one place each.
    """
    if pictures.ndim == 3:
        return pictures[:, :, None]
    rows, columns = pictures.shape[-2:]
    if max(rows, columns) > most:
        size = min(rows, most), min(columns, most)
        pictures = adaptive_avg_pool2d(pictures.flatten(0, 1), size).unflatten(
            0, pictures.shape[:2]
        )
    return pictures.flatten(3).transpose(2, 3)


def sinusoids(n_seconds: int, like: Tensor) -> Tensor:
    """Rows (n_seconds, D) of length one that tell a second's number, D as of `like` (..., D).

    Sines, then cosines, of wave lengths that grow from 2 pi to 2 pi 10,000 (Vaswani et al. 2017).
    """
    width = like.shape[-1]
    half = -(-width // 2)
    steps = torch.arange(half, device=like.device, dtype=torch.float64) / half
    angles = torch.arange(n_seconds, device=like.device)[:, None] * 10_000.0**-steps
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width]
    return (waves / waves.norm(dim=1, keepdim=True).clamp(min=1e-9)).to(like.dtype)

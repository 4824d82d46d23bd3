"""Patches of a picture, whether a stream holds maps or patches."""

from __future__ import annotations

from torch import Tensor


def picture_patches(pictures: Tensor) -> Tensor:
    """Maps (C, T, D, rows, columns) -> patches (C, T, P, D); patches stay as they are."""
    return pictures.flatten(3).transpose(2, 3) if pictures.ndim > 4 else pictures

"""ImageNet classes over windows of a picture, joined to the groups of `rules.photographs`.

The classifier of EfficientNet-Lite0 is read not once for the whole picture but around every cell of
its last map, in two sizes of window, whose shares are averaged: a near view fills the larger one, a
player at the back of the stage the smaller. Windows do not look beyond the picture into the black
bars around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.rules.photographs import FLOOR, GROUPS, INDOOR, OUTDOOR, SOURCES

if TYPE_CHECKING:
    from musicavqa.features.encoders.visual_effnet import Lite0

WINDOWS = (3, 5)
"""Sizes in cells."""
BLACK = 24
"""Level (of 255) that no point of a bar exceeds."""
LIT_SHARE = 0.05
"""A row or column of the picture has at least so many points that are not black."""

Area = tuple[slice, slice]
"""Rows and columns of cells."""


@torch.inference_mode()
def photo_maps(network: Lite0, last: Tensor, picture: np.ndarray) -> Tensor:
    """Logarithms of the groups' shares around every cell, and its contrast: (1, groups, R, C).

    `last` (1, 320, R, C) is the last map before the network's head, of `picture` (H, W, 3) uint8
    with H / R = W / C pixels to a cell. Outside the picture shares are FLOOR and contrast is 0.
    """
    n_rows, n_columns = last.shape[2:]
    rows, columns = picture_area(picture, picture.shape[0] // n_rows)
    inner = network.head(last.float())[:, :, rows, columns]
    shares = torch.stack([_shares(network, inner, window) for window in WINDOWS]).mean(0)
    maps = torch.full((1, len(GROUPS), n_rows, n_columns), FLOOR)
    maps[:, :-1, rows, columns] = shares.log().clamp(min=FLOOR + 0.01)
    maps[:, -1] = 0.0
    maps[:, -1, rows, columns] = _contrast(picture, n_rows, n_columns)[rows, columns]
    return maps


def picture_area(picture: np.ndarray, cell: int) -> Area:
    """Cells that are picture and not bar, of a picture (H, W, 3) uint8; all of a black one."""
    bright = picture.max(2) > BLACK
    lit = [np.flatnonzero(bright.mean(1 - axis) > LIT_SHARE) for axis in (0, 1)]
    sizes = [size // cell for size in picture.shape[:2]]
    rows, columns = (
        _cells(lines, cell, size) if len(lines) else slice(0, size)
        for lines, size in zip(lit, sizes, strict=True)
    )
    return rows, columns


def _cells(lines: np.ndarray, cell: int, n_cells: int) -> slice:
    """Cells of which at least half lies between the first and the last of `lines`."""
    first = min(round(lines[0] / cell), n_cells - 1)
    return slice(first, max(first + 1, round((lines[-1] + 1) / cell)))


def _shares(network: Lite0, inner: Tensor, window: int) -> Tensor:
    """(1, groups without contrast, rows, columns) shares in windows of one size."""
    pooled = F.avg_pool2d(inner, window, 1, window // 2, count_include_pad=False)
    classes = network.classifier(pooled.permute(0, 2, 3, 1)).softmax(-1)  # (1, rows, columns, 1000)
    members = (*SOURCES.values(), INDOOR, OUTDOOR)
    return torch.stack([classes[..., list(group)].sum(-1) for group in members], 1)


def _contrast(picture: np.ndarray, n_rows: int, n_columns: int) -> Tensor:
    """(rows, columns) standard deviation of the grey levels of each cell, 0..1."""
    grey = torch.from_numpy(picture.astype(np.float32).mean(2) / 255)
    cell = picture.shape[0] // n_rows
    return grey.reshape(n_rows, cell, n_columns, cell).std((1, 3))

"""Movement of performers: how much each place changes once the camera's own motion is taken out.

No weights. Row (10, 24, 32) of one second: ten times a second, mean absolute difference in grey
levels between a picture of 240 x 320 and the one before, in cells of 10 x 10 pixels, less the
median of all cells (grain and coding noise). Before the difference the earlier picture is moved as
the camera moved: shift, zoom and turn by least squares on the gradients of small pictures (Lucas
and Kanade 1981), twice repeated, with weights that let moving performers count little.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.media import Pictures

if TYPE_CHECKING:
    from musicavqa.media import Media

STEPS, ROWS, COLUMNS = 10, 24, 32
WANTED = Pictures(float(STEPS), (240, 320), "gray")
SHRINK = 4
"""The camera's motion is found on pictures smaller by this factor."""
ROUNDS = 3
TOLERANCE = 6.0
"""Grey levels: pixels that differ by more count little for the camera's motion."""
STEADY = 50.0
"""Prior weight of a camera that does not move."""
BATCH = 8

SPEC = Spec(
    name="visual_movement",
    stream="visual_movement",
    shape=(STEPS, ROWS, COLUMNS),
    reads=(WANTED,),
    sees_s=1,
)


def load() -> Movement:
    """The transform; it has no state."""
    return Movement()


class Movement:
    """Differences of grey pictures after the camera is held still."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(T, 10, 24, 32) float16; zeros without pictures, and after the last one."""
        rows = np.zeros((n_seconds(media.duration_s) * STEPS, ROWS, COLUMNS), np.float16)
        pictures = media[WANTED]
        if pictures is not None and len(pictures) > 1:
            changes = movement(pictures[: len(rows)])
            rows[: len(changes)] = changes
        return rows.reshape(-1, *SPEC.shape)


@torch.inference_mode()
def movement(pictures: np.ndarray) -> np.ndarray:
    """Change (n, 24, 32) between pictures uint8 (n, 240, 320); the first is as the next.

    Where a picture is the one before, as one that is held is, nothing is computed: it is zero.
    """
    changes = np.zeros((len(pictures), ROWS, COLUMNS), np.float32)
    pairs = enumerate(pairwise(pictures), 1)
    new = [place for place, (before, after) in pairs if not np.array_equal(before, after)]
    for start in range(0, len(new), BATCH):
        some = np.array(new[start : start + BATCH])
        before, after = (
            torch.from_numpy(pictures[places]).float()[:, None] for places in (some - 1, some)
        )
        moved = _seen_from(before, _camera(before, after))
        cells = F.adaptive_avg_pool2d((after - moved).abs(), (ROWS, COLUMNS))[:, 0]
        cells -= cells.flatten(1).median(1).values[:, None, None]
        changes[some] = cells.numpy()
    changes[0] = changes[1]
    return changes


def _camera(before: Tensor, after: Tensor) -> Tensor:
    """Motion (n, 4) of the camera between two pictures (n, 1, H, W): right, down, zoom, turn."""
    before, after = F.avg_pool2d(before, SHRINK), F.avg_pool2d(after, SHRINK)
    x, y, aspect = _places(before)
    height, width = before.shape[2:]
    motion = torch.zeros(len(before), 4)
    for _ in range(ROUNDS):
        moved = _seen_from(before, motion)[:, 0]
        across = torch.gradient(moved, dim=2)[0] * (width - 1) / 2
        down = torch.gradient(moved, dim=1)[0] * (height - 1) / 2
        slopes = [across, down, across * x + down * y, down * x / aspect - across * y * aspect]
        slope = torch.stack(slopes, -1)  # (n, H, W, 4)
        missing = after[:, 0] - moved
        weighted = slope / (1 + (missing / TOLERANCE) ** 2)[..., None]
        normal = torch.einsum("nhwi,nhwj->nij", weighted, slope) + STEADY * torch.eye(4)
        motion = motion + torch.linalg.solve(
            normal, torch.einsum("nhwi,nhw->ni", weighted, missing)
        )
    return motion


def _seen_from(pictures: Tensor, motion: Tensor) -> Tensor:
    """Pictures (n, 1, H, W) as they look after the camera has moved by `motion` (n, 4)."""
    x, y, aspect = _places(pictures)
    right, down, zoom, turn = (motion[:, i, None, None] for i in range(4))
    places = [x + right + zoom * x - turn * y * aspect, y + down + zoom * y + turn * x / aspect]
    return F.grid_sample(
        pictures, torch.stack(places, -1), padding_mode="border", align_corners=True
    )


def _places(pictures: Tensor) -> tuple[Tensor, Tensor, float]:
    """x and y of every pixel in -1..1, and height by width."""
    height, width = pictures.shape[2:]
    lines = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    y, x = torch.meshgrid(*lines, indexing="ij")
    return x, y, height / width

"""Motion: how much each cell of the picture changes, ten times a second.

No weights. Row (49, 10) of one second: mean absolute difference between successive small grey
pictures in each cell of a 7 x 7 grid (row by row), where 1 is a tenth of the way from black to
white. Bowing and strumming show here; the tempo of a hand is read along the last axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.media import MOTION

if TYPE_CHECKING:
    from musicavqa.media import Media

STEPS, GRID = 10, 7
UNIT = 25.5  # grey levels

SPEC = Spec(
    name="visual_motion",
    stream="visual_motion",
    shape=(GRID * GRID, STEPS),
    reads=(MOTION,),
    sees_s=1,
)


def load() -> Motion:
    """The transform; it has no state."""
    return Motion()


class Motion:
    """Differences of grey pictures."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(T, 49, 10) float16; zeros without pictures, and after the last one."""
        rows = np.zeros((n_seconds(media.duration_s), GRID * GRID, STEPS), np.float16)
        motion = media[MOTION]
        if motion is None or len(motion) < 2:
            return rows
        cells = changes(motion[: len(rows) * STEPS])
        steps = np.zeros((len(rows) * STEPS, GRID * GRID), np.float32)
        steps[: len(cells)] = cells.reshape(len(cells), -1)
        return steps.reshape(len(rows), STEPS, -1).swapaxes(1, 2).astype(np.float16)


def changes(pictures: np.ndarray) -> np.ndarray:
    """Mean change (n, 7, 7) from picture to picture, of grey pictures uint8 (n, H, W); first zero.

    H and W are multiples of 7.
    """
    grey = pictures.astype(np.float32)
    change = np.abs(np.diff(grey, axis=0, prepend=grey[:1]))
    n, height, width = change.shape
    cells = change.reshape(n, GRID, height // GRID, GRID, width // GRID)
    return cells.mean(axis=(2, 4)) / UNIT

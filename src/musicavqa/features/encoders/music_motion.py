"""Motion energy: how much each region of the picture moves, ten times a second.

Row (52,): 49 cells of a 7 x 7 grid (row by row), then the left, middle and right of the picture as
the questions mean them (borders at 0.4 and 0.6 of the width): the liveliest cell whose middle lies
there, because a mean would drown a small hand in a still wall. The unit is a tenth of the way from
black to white, as in `visual_motion`; what the whole picture has in common (a moving camera, grain)
is taken off: the median of the cells. Row i is the change from picture i - 1 to picture i, the ones
shown at i / 10 - 0.05 s and i / 10 + 0.05 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.visual_motion import GRID, changes
from musicavqa.media import MOTION

if TYPE_CHECKING:
    from musicavqa.media import Media

REGIONS = ("left", "middle", "right")
COLUMNS = (slice(0, 3), slice(3, 4), slice(4, 7))  # with their middles in each region

SPEC = Spec(
    name="music_motion",
    stream="music_motion",
    shape=(GRID * GRID + len(REGIONS),),
    reads=(MOTION,),
    sees_s=1,
    rate_hz=MOTION.rate_hz,
)


def load() -> MotionEnergy:
    """The transform; it has no state."""
    return MotionEnergy()


class MotionEnergy:
    """Differences of grey pictures, per region."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 52) float16; zeros without pictures and after the last one."""
        rows = np.zeros((n_rows(media.duration_s, SPEC.rate_hz), *SPEC.shape), np.float16)
        pictures = media[MOTION]
        if pictures is not None:
            energy = motion_energy(pictures[: len(rows)])
            rows[: len(energy)] = energy
        return rows


def motion_energy(pictures: np.ndarray) -> np.ndarray:
    """Energies (n, 52) of grey pictures uint8 (n, H, W), H and W multiples of 7."""
    cells = changes(pictures)
    common = np.median(cells, axis=(1, 2))
    cells = np.maximum(cells - common[:, None, None], 0.0)  # (n, row, column)
    liveliest = cells.max(axis=1)
    regions = [liveliest[:, columns].max(axis=1) for columns in COLUMNS]
    return np.concatenate([cells.reshape(len(cells), -1), np.stack(regions, axis=1)], axis=1)

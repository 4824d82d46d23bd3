"""Structure: how different what follows a moment is from what went before, and where it changes.

Foote 2000 (Automatic audio segmentation using a measure of audio novelty): a checkerboard with
Gaussian edges is moved along the diagonal of the self-similarity matrix. With the dot product as
similarity and a Gaussian that is a product over both axes, the sum over the checkerboard is the
squared length of the difference of two weighted means, after less before; so it is computed here
without the matrix, in time and memory that grow with the length of the clip.

Row (2,) of 100 ms: novelty (change in dB, root mean square over 40 mel bands), 1 at a boundary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, magnitudes, mel_matrix
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

WINDOW, HOP, PER_ROW, BANDS = 1024, 800, 2, 40  # two frames of 50 ms a row
RANGE_HZ = (50.0, 7800.0)
DEPTH_DB = 50.0
"""Bands so far below the loudest of the clip count as silent."""
SILENCE_DB = -80.0
HALF_S = 2.0
"""How far the kernel looks to either side; the Gaussian falls to a tenth there."""
APART_S = 0.5
"""Two boundaries are at least so far apart; entries of bandstand are 0.6 s apart."""
THRESHOLD_DB = 8.0

SPEC = Spec(
    name="music_structure", stream="music_structure", shape=(2,), reads=(SOUND,), rate_hz=10.0
)


def load() -> Structure:
    """The transform with its mel filters."""
    return Structure()


class Structure:
    """Keeps the mel filters between clips."""

    spec = SPEC

    def __init__(self) -> None:
        self.filters = mel_matrix(SOUND.rate_hz, WINDOW, BANDS, RANGE_HZ, "htk")

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 2) float16; zeros without sound."""
        n, sound = n_rows(media.duration_s, SPEC.rate_hz), media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        levels = self.levels_db(sound.mean(axis=0), n)
        curve = novelty(levels, round(HALF_S * SPEC.rate_hz))
        marks = np.zeros(n)
        marks[boundaries(curve)] = 1
        return np.stack([curve, marks], axis=1).astype(np.float16)

    def levels_db(self, samples: np.ndarray, n: int) -> np.ndarray:
        """Levels (n, 40) of the bands in dB, not below `DEPTH_DB` under the loudest."""
        heard = centre_padded(samples.astype(np.float32), WINDOW, HOP, n * PER_ROW)
        spectra = magnitudes(heard, WINDOW, HOP, WINDOW) * (4 / WINDOW)
        power = (spectra**2 @ self.filters).reshape(n, PER_ROW, BANDS).mean(axis=1)
        level = 10 * np.log10(power + 1e-12)
        return np.maximum(level, max(level.max() - DEPTH_DB, SILENCE_DB))


def novelty(rows: np.ndarray, half: int) -> np.ndarray:
    """Foote's novelty (n,) of features (n, D) at the start of each row, in their unit.

    The root of the mean square over the features of the weighted mean of the `half` rows from here
    on, less that of the `half` rows before. At the ends the first and last rows go on for ever.
    """
    fading = np.exp(-2.3 * ((np.arange(half) + 0.5) / half) ** 2)
    kernel = np.concatenate([-fading[::-1], fading]) / fading.sum()
    padded = np.pad(rows, ((half, half), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half, axis=0)[: len(rows)]
    return np.sqrt(np.square(windows @ kernel).mean(axis=1))


def boundaries(curve: np.ndarray) -> np.ndarray:
    """Rows at which something new begins: the highest within `APART_S`, above `THRESHOLD_DB`."""
    reach = round(APART_S * SPEC.rate_hz)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(curve, reach), 2 * reach + 1)
    found = np.flatnonzero((curve == around.max(axis=1)) & (curve > THRESHOLD_DB))
    return found[np.diff(found, prepend=-reach - 1) > reach]

"""Harmonic and percussive parts: how loud each band is in what lasts and in what is struck.

Fitzgerald 2010 (Harmonic/percussive separation using median filtering, DAFx): a median along time
keeps what lasts, a median along frequency keeps what is struck; the two share each bin as the
squares of these (a Wiener filter), so that the parts add up to the whole.

Row (2, 64) of 100 ms: levels of 64 mel bands of the harmonic, then of the percussive part, on the
scale of `audio_logmel`: 0 is -50 dB, 1 is 25 dB more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.audio_logmel import CENTRE_DB, FLOOR_DB, RANGE_HZ, SPREAD_DB
from musicavqa.features.encoders.mel import centre_padded, magnitudes, mel_matrix
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

WINDOW, HOP, BANDS = 1024, 320, 64
PER_ROW = 5
LASTING_FRAMES, STRUCK_BINS = 17, 17  # 340 ms and 270 Hz
CHUNK_FRAMES = 512

SPEC = Spec(
    name="music_hpss", stream="music_hpss", shape=(2, BANDS), reads=(SOUND,), sees_s=1, rate_hz=10.0
)


def load() -> Hpss:
    """The transform with its mel filters."""
    return Hpss()


class Hpss:
    """Keeps the mel filters between clips."""

    spec = SPEC

    def __init__(self) -> None:
        self.filters = mel_matrix(SOUND.rate_hz, WINDOW, BANDS, RANGE_HZ, "htk")

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 2, 64) float16; zeros without sound."""
        n, sound = n_rows(media.duration_s, SPEC.rate_hz), media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        heard = centre_padded(sound.mean(axis=0).astype(np.float32), WINDOW, HOP, n * PER_ROW)
        whole = magnitudes(heard, WINDOW, HOP, WINDOW) * np.float32(4 / WINDOW)
        share = harmonic_share(whole)
        power = np.stack([whole * share, whole * (1 - share)], axis=1) ** 2 @ self.filters
        level_db = 10 * np.log10(power.reshape(n, PER_ROW, 2, BANDS).mean(axis=1) + _FLOOR)
        return ((level_db - CENTRE_DB) / SPREAD_DB).astype(np.float16)


_FLOOR = 10 ** (FLOOR_DB / 10)


def harmonic_share(spectra: np.ndarray) -> np.ndarray:
    """How much of each bin of magnitudes (frames, bins) lasts, 0 to 1; 0.5 in silence."""
    lasting = medians(spectra.T, LASTING_FRAMES).T ** 2
    struck = medians(spectra, STRUCK_BINS) ** 2
    return (lasting + 1e-20) / (lasting + struck + 2e-20)


def medians(rows: np.ndarray, width: int) -> np.ndarray:
    """Median of each value and its neighbours along the last axis; an odd width, edges repeated."""
    padded = np.pad(rows, ((0, 0), (width // 2, width // 2)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    filtered = np.empty_like(rows)
    for start in range(0, len(rows), CHUNK_FRAMES):  # the windows of one chunk are copied
        part = slice(start, start + CHUNK_FRAMES)
        filtered[part] = np.partition(windows[part], width // 2, axis=-1)[..., width // 2]
    return filtered

"""Stereo log-mel: how loud each band is, and how far to the left or right.

No weights. Row (2, 50, 64) of one second: plane 0 the log-mel of the middle signal, plane 1 the
left-right level difference of each band (+1: at least 20 dB louder on the left). 50 frames of
20 ms, each centred on its 20 ms; 64 HTK mel bands from 50 to 7800 Hz.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import mel_matrix, seconds_of_sound, spectra
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

RATE_HZ, WINDOW, HOP, BANDS = 16000, 1024, 320, 64
FRAMES = RATE_HZ // HOP
RANGE_HZ = (50.0, 7800.0)
FLOOR_DB, CENTRE_DB, SPREAD_DB = -100.0, -50.0, 25.0  # music lies mostly between -90 and -20 dB
DIFFERENCE_DB = 20.0
BLOCK_S = 30  # heard at once: the spectra of a long clip would take gigabytes

SPEC = Spec(
    name="audio_logmel", stream="audio_logmel", shape=(2, FRAMES, BANDS), reads=(SOUND,), sees_s=1
)


def load() -> LogMel:
    """The transform with its mel filters."""
    return LogMel()


class LogMel:
    """Keeps the mel filters between clips."""

    spec = SPEC

    def __init__(self) -> None:
        filters = mel_matrix(RATE_HZ, WINDOW, BANDS, RANGE_HZ, "htk")  # (513, 64)
        self.filters = filters.repeat(2, axis=0)  # for real and imaginary parts side by side

    def encode(self, media: Media) -> np.ndarray:
        """(T, 2, 50, 64) float16; zeros without sound."""
        n = n_seconds(media.duration_s)
        waveform = media[SOUND]
        if waveform is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        sound = seconds_of_sound(waveform, n * RATE_HZ)
        side = (WINDOW - HOP) // 2
        sound = np.pad(np.broadcast_to(sound, (2, sound.shape[1])), ((0, 0), (side, side)))
        blocks = [
            self.rows(sound[:, start * RATE_HZ : min(start + BLOCK_S, n) * RATE_HZ + 2 * side])
            for start in range(0, n, BLOCK_S)
        ]
        return np.concatenate(blocks)

    def rows(self, sound: np.ndarray) -> np.ndarray:
        """Rows of whole seconds of stereo sound that has half a window more at both ends."""
        # a full-scale sine has level 0 dB
        both = spectra(sound, WINDOW, HOP, WINDOW) * (4 / WINDOW)
        middle, left, right = self.level_db(np.stack([(both[0] + both[1]) / 2, *both]))
        planes = (
            (middle - CENTRE_DB) / SPREAD_DB,
            np.clip((left - right) / DIFFERENCE_DB, -1.0, 1.0),
        )
        rows = np.stack([plane.reshape(-1, FRAMES, BANDS) for plane in planes], axis=1)
        return rows.astype(np.float16)

    def level_db(self, spectra: np.ndarray) -> np.ndarray:
        """Band levels (..., 64) of complex64 spectra (..., 513)."""
        power = np.square(spectra.view(np.float32)) @ self.filters
        return 10 * np.log10(power + 10 ** (FLOOR_DB / 10))

"""Loudness and brightness of each second of sound: an encoder without weights.

Row (2,): root mean square of the samples, and the spectral centroid as a share of half the rate.
"""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.windows import mono
from musicavqa.media import Media, Sound

HEARD = Sound(16000, 1)

SPEC = Spec(
    name="audio_brightness",
    stream="audio_brightness",
    shape=(2,),
    reads=(HEARD,),
    sees_s=1,
    version=1,
)
"""Raise `version` whenever the same sound would give other numbers: stores are named after it."""


def load() -> Brightness:
    """The encoder; it has no weights."""
    return Brightness()


class Brightness:
    """The encoder: what is decoded as `SPEC.reads` asks, one row per second."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(T, 2) float16; zeros without sound."""
        n = n_rows(media.duration_s, SPEC.rate_hz)
        sound = media[HEARD]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        seconds = mono(sound, n * HEARD.rate_hz).reshape(n, HEARD.rate_hz)
        power = np.abs(np.fft.rfft(seconds, axis=1)) ** 2
        total = power.sum(1)
        weighted = power @ np.linspace(0.0, 1.0, power.shape[1])
        centroid = np.divide(weighted, total, out=np.zeros(n), where=total > 0)
        loudness = np.sqrt((seconds**2).mean(1))
        return np.stack([loudness, centroid], axis=1).astype(np.float16)

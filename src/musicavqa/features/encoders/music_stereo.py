"""Stereo position: from where each band sounds, by level and by time, and how far to trust it.

Row (8, 4) of one second, bands from 125 Hz to 7 kHz, evenly spaced in pitch:
0  azimuth, -1 left to 1 right: the constant-power pan that gives the band's levels
1  milliseconds by which the right side is ahead of the left, within 1 ms
2  confidence, 0 to 1: the correlation of both sides at that time difference
3  share of the band in the energy of the second; all zeros in silence (below -70 dBFS)
A mono recording has azimuth 0 and confidence 1 everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, seconds_of_sound, spectra
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

RATE_HZ, WINDOW, HOP = SOUND.rate_hz, 1024, 400
FRAMES = RATE_HZ // HOP
BANDS, RANGE_HZ = 8, (125.0, 7000.0)
DELAYS_S = np.arange(-40, 41) * 25e-6
SILENCE = 10 ** (-70 / 10)

SPEC = Spec(name="music_stereo", stream="music_stereo", shape=(BANDS, 4), reads=(SOUND,), sees_s=1)


def load() -> Stereo:
    """The transform; it has no state."""
    return Stereo()


class Stereo:
    """Level and time differences."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(T, 8, 4) float16; zeros without sound."""
        n = n_seconds(media.duration_s)
        sound = media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        return positions(seconds_of_sound(sound, n * RATE_HZ)).astype(np.float16)


def positions(sound: np.ndarray) -> np.ndarray:
    """Rows (T, 8, 4) of `sound` (channels, T * 16000); one channel counts as two equal ones."""
    n = sound.shape[1] // RATE_HZ
    padded = centre_padded(np.broadcast_to(sound, (2, sound.shape[1])), WINDOW, HOP, n * FRAMES)
    left, right = spectra(padded, WINDOW, HOP, WINDOW).reshape(2, n, FRAMES, -1)
    members = _bands()  # (513, 8)
    power = np.stack([np.square(np.abs(side)).sum(axis=1) for side in (left, right)])  # (2, T, 513)
    cross = (right * left.conj()).sum(axis=1)  # (T, 513)
    levels = power @ members  # (2, T, 8)
    delay_s, agreement = _best_delay(cross, members)
    confidence = agreement / np.sqrt(np.maximum(levels.prod(axis=0), 1e-30))
    azimuth = np.arctan2(np.sqrt(levels[1]), np.sqrt(levels[0])) * 4 / np.pi - 1
    total = levels.sum(axis=0)
    share = total / np.maximum(total.sum(axis=1, keepdims=True), 1e-30)
    rows = np.stack([azimuth, 1000 * delay_s, confidence.clip(0, 1), share], axis=2)
    return rows * _loud(sound, n)[:, None, None]


def _bands() -> np.ndarray:
    """Which of the 513 bins lie in which band, (513, 8) of 0 and 1."""
    edges = np.geomspace(*RANGE_HZ, BANDS + 1)
    bins_hz = np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)[:, None]
    return ((bins_hz >= edges[:-1]) & (bins_hz < edges[1:])).astype(float)


def _best_delay(cross: np.ndarray, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The lead of the right side in s, and the correlation there; (T, 8) each."""
    omega = 2 * np.pi * np.fft.rfftfreq(WINDOW, 1 / RATE_HZ)
    turns = np.exp(-1j * omega * DELAYS_S[:, None])  # (delays, 513)
    correlation = np.stack([(cross * turn).real @ members for turn in turns])  # (delays, T, 8)
    best = correlation.argmax(axis=0)
    return DELAYS_S[best], np.take_along_axis(correlation, best[None], axis=0)[0]


def _loud(sound: np.ndarray, n: int) -> np.ndarray:
    """Which seconds (T,) are above silence."""
    return np.square(sound).mean(axis=0).reshape(n, -1).mean(axis=1) > SILENCE

"""Onset alignment: how well the sound's onsets follow the picture's motion, and by how much later.

Row (4, 2) of one second, for the left, the middle, the right and the whole picture: the lag in
seconds (positive: the sound is later than the motion) and its strength, 0 to 1: the highest
normalised cross-correlation, within half a second either way, of the onset strength of the sound
and the rises of the motion energy (`music_motion`). It is taken over the ten seconds around the
row, or the nearest ten that lie inside the clip; in six there are too few notes. Zeros without
sound, without pictures, or where nothing correlates. Pictures come ten times a second, so a lag is
good to about 0.1 s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, magnitudes, mel_matrix
from musicavqa.features.encoders.music_motion import REGIONS, motion_energy
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.features.encoders.windows import mono
from musicavqa.media import MOTION, SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

GRID_HZ = 50
HOP, WINDOW, BANDS, RANGE_HZ = SOUND.rate_hz // GRID_HZ, 512, 40, (60.0, 7600.0)
FLOOR = 1e-6
SMOOTHED = 5  # steps: the 0.1 s between two pictures
SPAN = 10 * GRID_HZ
LAGS = np.arange(-GRID_HZ // 2, GRID_HZ // 2 + 1)

SPEC = Spec(
    name="music_alignment",
    stream="music_alignment",
    shape=(len(REGIONS) + 1, 2),
    reads=(SOUND, MOTION),
)


def load() -> Alignment:
    """The transform with its mel filters."""
    return Alignment()


class Alignment:
    """Cross-correlation of sound and motion."""

    spec = SPEC

    def __init__(self) -> None:
        self.filters = mel_matrix(SOUND.rate_hz, WINDOW, BANDS, RANGE_HZ, "htk")

    def encode(self, media: Media) -> np.ndarray:
        """(T, 4, 2) float16; zeros without sound or without pictures."""
        n = n_seconds(media.duration_s)
        sound, pictures = media[SOUND], media[MOTION]
        if sound is None or pictures is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        samples = mono(sound, n * SOUND.rate_hz)
        onsets = onset_strength(samples, self.filters)
        return alignment(onsets, motion_rises(pictures, len(onsets))).astype(np.float16)


def onset_strength(samples: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Mean rise of the log-mel bands (steps,), 50 times a second, smoothed over 0.1 s."""
    padded = centre_padded(samples.astype(np.float32), WINDOW, HOP, len(samples) // HOP)
    levels = np.log10(magnitudes(padded, WINDOW, HOP, WINDOW) ** 2 @ filters + FLOOR)
    rises = np.maximum(np.diff(levels, axis=0, prepend=levels[:1]), 0.0).mean(axis=1)
    return np.convolve(rises, np.ones(SMOOTHED) / SMOOTHED, "same")


def motion_rises(pictures: np.ndarray, n: int) -> np.ndarray:
    """Rises of the motion energy (n, 4) on the grid of 50 Hz; the last column is their sum."""
    energy = motion_energy(pictures)[:, -len(REGIONS) :]
    rises = np.maximum(np.diff(energy, axis=0, prepend=energy[:1]), 0.0)
    rises = np.concatenate([rises, rises.sum(axis=1, keepdims=True)], axis=1)
    time_s = (np.arange(n) + 0.5) / GRID_HZ
    at_s = np.arange(len(rises)) / MOTION.rate_hz  # between the two pictures
    return np.stack([np.interp(time_s, at_s, column) for column in rises.T], axis=1)


def alignment(onsets: np.ndarray, rises: np.ndarray) -> np.ndarray:
    """Rows (T, regions, 2) of lag and strength; onsets (50 T,), rises (50 T, regions)."""
    rows = np.zeros((len(onsets) // GRID_HZ, rises.shape[1], 2))
    for second, row in enumerate(rows):
        start = second * GRID_HZ + GRID_HZ // 2 - SPAN // 2
        start = max(0, min(start, len(onsets) - SPAN))
        span = slice(start, start + SPAN)
        correlation = np.stack([_correlation(onsets[span], rises[span], int(lag)) for lag in LAGS])
        best = correlation.argmax(axis=0)
        strength = np.maximum(correlation.max(axis=0), 0.0)
        row[:, 0] = LAGS[best] / GRID_HZ * (strength > 0)
        row[:, 1] = strength
    return rows


def _correlation(onsets: np.ndarray, rises: np.ndarray, lag: int) -> np.ndarray:
    """Correlation (regions,) of the onsets at t + lag with the rises at t; 0 where one is flat."""
    n = max(0, len(onsets) - abs(lag))
    heard = onsets[max(0, lag) :][:n, None]
    seen = rises[max(0, -lag) :][:n]
    heard, seen = heard - heard.mean(axis=0), seen - seen.mean(axis=0)
    size = np.sqrt(np.square(heard).sum(axis=0) * np.square(seen).sum(axis=0))
    return (heard * seen).sum(axis=0) / np.where(size > 1e-9, size, np.inf)

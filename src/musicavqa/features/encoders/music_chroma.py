"""Chroma and key: how strongly each of the twelve pitch classes sounds, and in which key.

Spectral peaks of half a second, each counted for the pitch class it is near (Gómez 2006, harmonic
pitch class profile), with the tuning of the clip taken out, and without the peaks that overtones of
other peaks explain. The key is found by Krumhansl's method (1990): of 24 profiles the one that
correlates best with the chroma around, here with the profiles of Temperley 1999 (What's key for
key?), which find the keys of bandstand's pieces better, from their notes as well as by ear.

Row (37,) of 100 ms: 12 chroma (C first; the strongest is 1, all 0 in silence), 24 correlations (12
major keys from C, then 12 minor ones), and how far the best of these is above the second best.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, magnitudes
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

WINDOW, HOP = 8192, 1600  # 512 ms and 100 ms
RANGE_HZ = (60.0, 2000.0)
QUIET = 10 ** (-60 / 20)
"""Peaks so far below the loudest of the clip do not count."""
SILENCE = 1e-4 * WINDOW / 4
"""Magnitude of a sine of amplitude 1e-4."""
KEY_WINDOW_S = 20.0
OVERTONES = (3, 5, 6, 7)
"""Those that are another pitch class, and the octave above the first of them."""
EXPLAINED = 10 ** (-10 / 20)
"""A peak is an overtone if a peak at its root is no weaker than this share (of the strength)."""
STEPS = 4
"""Per semitone, where roots are looked up; the neighbouring steps count."""
MAJOR = (5, 2, 3.5, 2, 4.5, 4, 2, 4.5, 2, 3.5, 1.5, 4)
MINOR = (5, 2, 3.5, 4.5, 2, 4, 2, 4.5, 3.5, 2, 1.5, 4)

SPEC = Spec(name="music_chroma", stream="music_chroma", shape=(37,), reads=(SOUND,), rate_hz=10.0)


def load() -> Chroma:
    """The transform."""
    return Chroma()


class Chroma:
    """No state but its card."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 37) float16; zeros without sound."""
        n, sound = n_rows(media.duration_s, SPEC.rate_hz), media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        energy = chroma(sound.mean(axis=0), n)
        keys = key_correlations(surroundings(energy))
        highest = np.sort(keys, axis=1)
        sure = highest[:, -1:] - highest[:, -2:-1]
        shown = energy / np.maximum(energy.max(axis=1, keepdims=True), 1e-9)
        return np.concatenate([shown, keys, sure], axis=1).astype(np.float16)


def chroma(samples: np.ndarray, n_frames: int) -> np.ndarray:
    """Strength of each pitch class, C first: (n_frames, 12) of a mono signal at 16 kHz."""
    heard = centre_padded(samples.astype(np.float32), WINDOW, HOP, n_frames)
    frame, pitch, strength = peaks(magnitudes(heard, WINDOW, HOP, WINDOW))
    pitch = pitch - tuning(pitch, strength)
    strength = strength * ~are_overtones(frame, pitch, strength, n_frames)
    nearest = np.round(pitch)
    weight = strength * np.cos(np.pi * (pitch - nearest)) ** 2
    rows = np.zeros((n_frames, 12))
    np.add.at(rows, (frame, nearest.astype(int) % 12), weight)
    return rows


def peaks(spectra: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame, pitch (in semitones, C is 0 mod 12) and strength of the peaks of (frames, bins).

    The place of a peak is that of the parabola through its logarithm. Strength is the square root
    of the magnitude, so that a loud bass does not drown the rest.
    """
    low, high = (round(edge * WINDOW / SOUND.rate_hz) for edge in RANGE_HZ)
    level = np.log(spectra[:, low - 1 : high + 2] + 1e-9)
    left, middle, right = level[:, :-2], level[:, 1:-1], level[:, 2:]
    least = np.log(max(SILENCE, float(spectra.max(initial=0.0)) * QUIET))
    frame, column = np.nonzero((middle > left) & (middle >= right) & (middle > least))
    before, top, after = (part[frame, column] for part in (left, middle, right))
    shift = 0.5 * (before - after) / np.minimum(before - 2 * top + after, -1e-9)
    frequency_hz = (low + column + shift) * SOUND.rate_hz / WINDOW
    return frame, 69 + 12 * np.log2(frequency_hz / 440), np.exp(top / 2)


def are_overtones(
    frame: np.ndarray, pitch: np.ndarray, strength: np.ndarray, n_frames: int
) -> np.ndarray:
    """Which peaks lie at an overtone of another peak of their frame that could cause them."""
    lowest = 69 + 12 * np.log2(RANGE_HZ[0] / 440) - 1
    step = np.round((pitch - lowest) * STEPS).astype(int)
    grid = np.zeros((n_frames, step.max(initial=0) + 2))
    for neighbour in (-1, 0, 1):
        np.maximum.at(grid, (frame, step + neighbour), strength)
    explained = np.zeros(len(step), bool)
    for overtone in OVERTONES:
        root = step - round(12 * STEPS * np.log2(overtone))
        louder = grid[frame, np.maximum(root, 0)] > EXPLAINED * strength
        explained |= (root >= 0) & louder
    return explained


def tuning(pitch: np.ndarray, strength: np.ndarray) -> float:
    """By how many semitones (-0.5 to 0.5) the clip is sharp of 440 Hz: a circular mean."""
    turn = np.exp(2j * np.pi * pitch) @ strength
    return float(np.angle(turn) / (2 * np.pi)) if strength.size else 0.0


def surroundings(rows: np.ndarray) -> np.ndarray:
    """Mean of each row (n, 12) with those up to ten seconds before and after."""
    half = round(KEY_WINDOW_S * SPEC.rate_hz / 2)
    total = np.concatenate([np.zeros((1, rows.shape[1])), rows.cumsum(axis=0)])
    index = np.arange(len(rows))
    first, last = np.maximum(0, index - half), np.minimum(len(rows), index + half + 1)
    return (total[last] - total[first]) / (last - first)[:, None]


def key_correlations(rows: np.ndarray) -> np.ndarray:
    """Correlation (n, 24) of chroma (n, 12) with each key's profile; 0 where it has no shape."""
    profiles = np.stack([np.roll(kind, k) for kind in (MAJOR, MINOR) for k in range(12)])
    return _standard(rows) @ _standard(profiles).T


def _standard(rows: np.ndarray) -> np.ndarray:
    """Rows without their mean and of length 1, or 0."""
    varying = rows - rows.mean(axis=1, keepdims=True)
    return varying / np.maximum(np.linalg.norm(varying, axis=1, keepdims=True), 1e-9)

"""Onsets: where notes begin, and how strongly something begins at each moment.

Böck and Widmer 2013 (Maximum filter vibrato suppression for onset detection, DAFx): the rise of a
log spectrum in quarter tones over the maximum of its neighbours a little earlier, summed over the
bands, so that a vibrato is no rise. A peak that stands out from its surroundings is an onset.

Row (2,) of 10 ms: strength (mean rise per band, in tenfold magnitude), and 1 where a note begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, magnitudes, octave_matrix
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

WINDOW, HOP, N_FFT = 800, 160, 1024  # 50 ms and 10 ms
RANGE_HZ, PER_OCTAVE = (60.0, 7800.0), 24
LAG = 2
"""Frames back to the spectrum from which the rise is counted."""
USUAL_RMS, LEAST_GAIN_RMS = 0.1, 1e-3
"""A clip is brought to the first level; one below the second is not amplified any further."""
THRESHOLD = 0.015
PEAK_FRAMES, BEFORE_FRAMES, AFTER_FRAMES = 3, 15, 7
"""A peak is the highest of so many frames on either side, above the mean of the other span."""

SPEC = Spec(name="music_onsets", stream="music_onsets", shape=(2,), reads=(SOUND,), rate_hz=100.0)


def load() -> Onsets:
    """The transform with its filters."""
    return Onsets()


class Onsets:
    """Keeps the filters between clips."""

    spec = SPEC

    def __init__(self) -> None:
        bins_hz = np.fft.rfftfreq(N_FFT, 1 / SOUND.rate_hz)
        self.filters = octave_matrix(bins_hz, PER_OCTAVE, RANGE_HZ)

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 2) float16; zeros without sound."""
        n, sound = n_rows(media.duration_s, SPEC.rate_hz), media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        strength = self.strength(sound.mean(axis=0), n)
        marks = np.zeros(n, np.float32)
        marks[pick(strength)] = 1
        return np.stack([strength, marks], axis=1).astype(np.float16)

    def strength(self, samples: np.ndarray, n_frames: int) -> np.ndarray:
        """Onset strength (n_frames,) float32 of a mono signal at 16 kHz, 100 per second."""
        level = np.sqrt(np.mean(np.square(samples))) if samples.size else 0.0
        gain = np.float32(USUAL_RMS / max(level, LEAST_GAIN_RMS))
        heard = centre_padded(samples * gain, WINDOW, HOP, n_frames)
        bands = np.log10(1 + magnitudes(heard, WINDOW, HOP, N_FFT) @ self.filters)
        strength = rise(bands)
        # The cut at the end of a clip is heard as an onset by every frame that reaches beyond it.
        strength[max(0, (len(samples) - WINDOW // 2 + HOP // 2) // HOP) :] = 0
        return strength


def rise(bands: np.ndarray) -> np.ndarray:
    """Mean over the bands of how far they are above the widened spectrum `LAG` frames ago.

    bands is (frames, bands); the result (frames,) is 0 in the first `LAG` frames.
    """
    sides = np.pad(bands, ((0, 0), (1, 1)), mode="edge")
    widened = np.maximum(np.maximum(sides[:, :-2], sides[:, 1:-1]), sides[:, 2:])
    risen = np.zeros(len(bands), np.float32)
    risen[LAG:] = np.maximum(0, bands[LAG:] - widened[:-LAG]).mean(axis=1)
    return risen


def pick(strength: np.ndarray, threshold: float = THRESHOLD) -> np.ndarray:
    """Frames of the onsets: local maxima that exceed the mean around them by `threshold`."""
    windows = np.lib.stride_tricks.sliding_window_view
    edge = np.pad(strength, PEAK_FRAMES, mode="constant")
    highest = windows(edge, 2 * PEAK_FRAMES + 1).max(axis=1)
    around = np.pad(strength, (BEFORE_FRAMES, AFTER_FRAMES), mode="edge")
    usual = windows(around, BEFORE_FRAMES + AFTER_FRAMES + 1).mean(axis=1)
    found = np.flatnonzero((strength == highest) & (strength > usual + threshold))
    apart = np.diff(found, prepend=-PEAK_FRAMES - 1) > PEAK_FRAMES
    return found[apart]

"""Tempo: how periodic the onsets of the eight seconds around are at each speed, and the likeliest.

Grosche, Müller and Kurth 2010 (Cyclic tempogram, the autocorrelation kind): the onset strength of
`music_onsets` is correlated with itself, each lag being the beat of one tempo. Which of a tempo,
its half and its double is *the* tempo is a matter of taste; the usual one is taken, weighted around
120 beats per minute as in Ellis 2007 (Beat tracking by dynamic programming).

Row (82,) of 100 ms: autocorrelation (-1 to 1) at each of `TEMPI_BPM`, the tempo in beats per minute
(0 where nothing is periodic), and its confidence, 0 to 1: the geometric mean of the autocorrelation
there and at two beats. Near the ends the nearest eight seconds inside the clip count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.music_onsets import SPEC as ONSETS
from musicavqa.features.encoders.music_onsets import Onsets
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

SLOWEST_BPM, FASTEST_BPM, N_TEMPI = 30.0, 300.0, 80
TEMPI_BPM = SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** (np.arange(N_TEMPI) / (N_TEMPI - 1))
WINDOW_S = 8.0
USUAL_BPM, SPREAD_OCTAVES = 120.0, 0.9
FLOOR = 1e-3
"""Spread of the onset strength in a window below which nothing begins."""
EVENNESS_FRAMES = 4
"""Onsets are widened by a Gaussian of this spread (40 ms): people are 10 to 20 ms uneven."""
CHUNK = 512

SPEC = Spec(
    name="music_tempo", stream="music_tempo", shape=(N_TEMPI + 2,), reads=(SOUND,), rate_hz=10.0
)


def load() -> Tempo:
    """The transform."""
    return Tempo()


class Tempo:
    """Keeps the filters of the onset strength between clips."""

    spec = SPEC

    def __init__(self) -> None:
        self.onsets = Onsets()

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 82) float16; zeros without sound."""
        n, sound = n_rows(media.duration_s, SPEC.rate_hz), media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        per_row = round(ONSETS.rate_hz / SPEC.rate_hz)
        strength = self.onsets.strength(sound.mean(axis=0), n * per_row)
        return tempo_rows(strength, n).astype(np.float16)


def tempo_rows(strength: np.ndarray, n: int) -> np.ndarray:
    """Rows (n, 82) of an onset strength (frames,) at 100 Hz."""
    window = round(WINDOW_S * ONSETS.rate_hz)
    strength = np.pad(widened(strength), (0, max(0, window - len(strength))))
    windows = np.lib.stride_tricks.sliding_window_view(strength, window)
    centres = (np.arange(n) + 0.5) / SPEC.rate_hz * ONSETS.rate_hz
    starts = np.clip(np.round(centres - window / 2).astype(int), 0, len(windows) - 1)
    distinct, place = np.unique(starts, return_inverse=True)
    chunks = [distinct[i : i + CHUNK] for i in range(0, len(distinct), CHUNK)]
    return np.concatenate([_rows(autocorrelation(windows[chunk])) for chunk in chunks])[place]


def widened(strength: np.ndarray) -> np.ndarray:
    """The strength smoothed by the Gaussian of `EVENNESS_FRAMES`, as long as before."""
    offsets = np.arange(-3 * EVENNESS_FRAMES, 3 * EVENNESS_FRAMES + 1)
    bell = np.exp(-0.5 * (offsets / EVENNESS_FRAMES) ** 2)
    return np.convolve(np.pad(strength, len(offsets) // 2), bell / bell.sum(), mode="valid")


def autocorrelation(windows: np.ndarray) -> np.ndarray:
    """(N, lags) correlation of each window (N, frames) with itself, 1 at lag 0; 0 if it is still.

    The mean is taken out, and lags that overlap less are weighted up to be comparable. The longest
    lag is three quarters of the window.
    """
    size = windows.shape[1]
    varying = windows - windows.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(varying, 2 * size, axis=1)
    lags = np.arange(size * 3 // 4)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : len(lags)]
    relative = correlation / np.maximum(correlation[:, :1], FLOOR**2 * size)
    return relative / (1 - lags / size)


def _rows(correlation: np.ndarray) -> np.ndarray:
    """Tempogram, tempo and confidence (N, 82) of autocorrelations (N, lags)."""
    lags = 60 * ONSETS.rate_hz / TEMPI_BPM
    tempogram = at_lags(correlation, lags)
    octaves = np.log2(TEMPI_BPM / USUAL_BPM) / SPREAD_OCTAVES
    # A beat repeats: at twice its lag, where the window holds that, the correlation is high too.
    known = 2 * lags < correlation.shape[1]
    twice = np.where(known, at_lags(correlation, 2 * lags), tempogram)
    steady = np.sqrt(np.maximum(tempogram, 0) * np.maximum(twice, 0))
    best = (steady * np.exp(-0.5 * octaves**2)).argmax(axis=1)
    sure = np.clip(steady[np.arange(len(best)), best], 0, 1)
    tempo_bpm = np.where(sure > 0, refined(tempogram, best), 0.0)
    return np.concatenate([tempogram, tempo_bpm[:, None], sure[:, None]], axis=1)


def at_lags(correlation: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Correlation (N, lags) read between frames at fractional `lags` (K,): (N, K)."""
    below = np.minimum(lags.astype(int), correlation.shape[1] - 2)
    share = np.minimum(lags - below, 1.0)
    return correlation[:, below] * (1 - share) + correlation[:, below + 1] * share


def refined(tempogram: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Tempo (N,) at the top of the parabola through the best bin and its neighbours."""
    rows, middle = np.arange(len(best)), np.clip(best, 1, N_TEMPI - 2)
    low, peak, high = (tempogram[rows, middle + step] for step in (-1, 0, 1))
    curvature = low - 2 * peak + high
    shift = np.divide(low - high, 2 * curvature, out=np.zeros(len(best)), where=curvature < -1e-9)
    place = np.where(middle == best, middle + np.clip(shift, -0.5, 0.5), best)
    return SLOWEST_BPM * (FASTEST_BPM / SLOWEST_BPM) ** (place / (N_TEMPI - 1))

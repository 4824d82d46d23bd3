"""Kaldi's log-mel filter banks in numpy, the front end of AST, BEATs, ImageBind, LAVisH and AVSiam.

Povey et al. 2011 (Kaldi), `compute-fbank-feats` without dither and energy: whole frames only, the
mean of each frame removed, pre-emphasis, a window, power spectrum, triangles on the HTK mel scale
from 20 Hz to half the rate, natural logarithm with a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from musicavqa.features.encoders.mel import mel_matrix

LOWEST_HZ, EMPHASIS, POVEY = 20.0, 0.97, 0.85
FLOOR = np.finfo(np.float32).eps


@dataclass(frozen=True)
class Fbank:
    """What the authors of a network chose."""

    n_bins: int = 128
    window: Literal["povey", "hanning"] = "hanning"
    rate_hz: int = 16000
    length_ms: float = 25.0
    hop_ms: float = 10.0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """(..., frames, n_bins) float32 of (..., n) samples; frame i begins i hops from the start.

        The scale of the samples matters: Kaldi means 16-bit numbers, the music networks were mostly
        trained on -1 to 1. ValueError for less than one frame.
        """
        n_window, n_hop = self._samples(self.length_ms), self._samples(self.hop_ms)
        if samples.shape[-1] < n_window:
            raise ValueError(f"{samples.shape[-1]} samples are less than a frame of {n_window}.")
        views = np.lib.stride_tricks.sliding_window_view(samples, n_window, axis=-1)
        frames = views[..., ::n_hop, :].astype(np.float32)
        frames = frames - frames.mean(axis=-1, keepdims=True)
        before = np.concatenate([frames[..., :1], frames[..., :-1]], axis=-1)
        frames = (frames - np.float32(EMPHASIS) * before) * _window(self.window, n_window)
        n_fft = 1 << (n_window - 1).bit_length()
        power = np.square(np.abs(np.fft.rfft(frames, n_fft)))
        return np.log(np.maximum(power @ _filters(self.rate_hz, n_fft, self.n_bins), FLOOR))

    def _samples(self, ms: float) -> int:
        return int(self.rate_hz * ms / 1000)


def framed(rows: np.ndarray, n_frames: int) -> np.ndarray:
    """Rows (..., frames, bins) cut, or followed by zeros, to `n_frames`."""
    kept = rows[..., :n_frames, :]
    behind = [(0, 0)] * (rows.ndim - 2) + [(0, n_frames - kept.shape[-2]), (0, 0)]
    return np.pad(kept, behind)


@cache
def _window(name: str, n: int) -> np.ndarray:
    """Symmetric Hann window; Povey's is its power of 0.85, so that it does not end in zeros."""
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / (n - 1))
    return (hann**POVEY if name == "povey" else hann).astype(np.float32)


@cache
def _filters(rate_hz: int, n_fft: int, n_bins: int) -> np.ndarray:
    return mel_matrix(rate_hz, n_fft, n_bins, (LOWEST_HZ, rate_hz / 2), "htk")

"""Kaldi spectra and raw sound as streams, for methods that train their sound network themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.fbank import Fbank, framed
from musicavqa.features.encoders.spec import Spec, n_kept, n_rows
from musicavqa.features.encoders.windows import mono

if TYPE_CHECKING:
    from musicavqa.media import Media, Sound


@dataclass(frozen=True)
class SoundTransform:
    """Windows of mono sound and what is made of them, without any weights."""

    spec: Spec
    cut: Callable[[np.ndarray, int], np.ndarray]
    """Mono sound of n whole seconds, n -> windows (rows, samples)."""
    transform: Callable[[np.ndarray], np.ndarray]
    """Windows (rows, samples) -> (rows, *spec.shape)."""

    def encode(self, media: Media) -> np.ndarray:
        """Rows of the kept seconds; zeros without sound."""
        n = n_rows(media.duration_s, 1.0)
        sound: Sound = self.spec.reads[0]  # type: ignore[assignment]
        waveform = media[sound]
        if waveform is None:
            kept = n_kept(self.spec, media.duration_s)
            return np.zeros((kept, *self.spec.shape), self.spec.dtype)
        return self.rows(self.cut(mono(waveform, n * sound.rate_hz), n))

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """(rows, *shape) of windows (rows, samples), each on its own."""
        return self.transform(windows).astype(self.spec.dtype)


@dataclass(frozen=True)
class Spectrum:
    """A Kaldi spectrum of so many frames, brought to mean 0 and deviation 1/2."""

    fbank: Fbank
    n_frames: int
    mean: float
    deviation: float

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """(rows, n_frames, n_bins) of mono windows, whose own mean is removed."""
        rows = self.fbank(windows - windows.mean(axis=-1, keepdims=True))
        return (framed(rows, self.n_frames) - self.mean) / (2 * self.deviation)

    @property
    def n_samples(self) -> int:
        """Length of a window that fills all frames."""
        length, hop = (
            int(self.fbank.rate_hz * ms / 1000) for ms in (self.fbank.length_ms, self.fbank.hop_ms)
        )
        return (self.n_frames - 1) * hop + length

"""Short-time spectra, mel and octave filters in numpy, shared by the sound encoders."""

from __future__ import annotations

from typing import Literal

import numpy as np

Scale = Literal["htk", "slaney"]


def magnitudes(samples: np.ndarray, window: int, hop: int, n_fft: int) -> np.ndarray:
    """Magnitude spectra (..., frames, n_fft // 2 + 1) under a periodic Hann window; no padding.

    samples is (..., n) float32; frame i begins at sample i * hop.
    """
    return np.abs(spectra(samples, window, hop, n_fft))


def spectra(samples: np.ndarray, window: int, hop: int, n_fft: int) -> np.ndarray:
    """Complex spectra, as `magnitudes`."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, window, axis=-1)[..., ::hop, :]
    return np.fft.rfft(frames * hann(window), n_fft, axis=-1)


def hann(window: int) -> np.ndarray:
    """Periodic Hann window, float32."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


def mel_matrix(
    rate_hz: int, n_fft: int, n_bands: int, range_hz: tuple[float, float], scale: Scale
) -> np.ndarray:
    """Triangular filters (n_fft // 2 + 1, n_bands), float32.

    'htk': triangles in mel with peak one (as TensorFlow's signal library). 'slaney': triangles
    in Hz on Slaney's scale, each of unit area (as librosa's default).
    """
    bins_hz = np.arange(n_fft // 2 + 1) * rate_hz / n_fft
    lowest, highest = to_mel(np.asarray(range_hz), scale)
    edges = np.linspace(lowest, highest, n_bands + 2)
    if scale == "slaney":
        edges, points = from_slaney(edges), bins_hz
    else:
        points = to_mel(bins_hz, scale)
    low, peak, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (points[:, None] - low) / (peak - low)
    falling = (high - points[:, None]) / (high - peak)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if scale == "slaney":
        filters = filters * 2 / (high - low)
    return filters.astype(np.float32)


def to_mel(frequency_hz: np.ndarray, scale: Scale) -> np.ndarray:
    """Hz to mel; Slaney's scale is linear below 1 kHz and logarithmic above."""
    if scale == "htk":
        return 1127.0 * np.log1p(frequency_hz / 700.0)
    above = 15.0 + 27.0 * np.log(np.maximum(frequency_hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequency_hz < 1000.0, frequency_hz * 3.0 / 200.0, above)


def from_slaney(mel: np.ndarray) -> np.ndarray:
    """Inverse of `to_mel` for Slaney's scale."""
    above = 1000.0 * np.exp((np.maximum(mel, 15.0) - 15.0) * np.log(6.4) / 27.0)
    return np.where(mel < 15.0, mel * 200.0 / 3.0, above)


def seconds_of_sound(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """The waveform (channels, n) cut, or filled with silence, to `n_samples`."""
    kept = waveform[:, :n_samples]
    missing = n_samples - kept.shape[1]
    return np.pad(kept, ((0, 0), (0, missing))) if missing else kept


def centre_padded(samples: np.ndarray, window: int, hop: int, n_frames: int) -> np.ndarray:
    """Samples (..., m) cut or filled with silence for exactly `n_frames` frames of `spectra`.

    Frame i is then centred on the middle of its hop, (i + 0.5) * hop; window is at least hop.
    """
    before, total = (window - hop) // 2, (n_frames - 1) * hop + window
    kept = samples[..., : total - before]
    behind = total - before - kept.shape[-1]
    return np.pad(kept, [(0, 0)] * (samples.ndim - 1) + [(before, behind)])


def octave_matrix(
    bins_hz: np.ndarray, per_octave: int, range_hz: tuple[float, float]
) -> np.ndarray:
    """Triangular filters (bins, bands) of unit area, evenly spaced in pitch around 440 Hz; float32.

    Böck, Krebs and Schedl 2012: centres are moved to the nearest bin, and centres that fall on one
    bin are one filter, so low bands are wider apart than they are high up.
    """
    lowest, highest = (per_octave * np.log2(edge / 440.0) for edge in range_hz)
    steps = np.arange(np.floor(lowest), np.ceil(highest))
    centres_hz = 440.0 * 2 ** (steps / per_octave)
    inside = (centres_hz >= range_hz[0]) & (centres_hz <= range_hz[1])
    edges = np.unique(_nearest(bins_hz, centres_hz[inside]))
    columns = []
    for low, peak, high in zip(edges[:-2], edges[1:-1], edges[2:], strict=True):
        column = np.interp(np.arange(len(bins_hz)), [low, peak, high], [0.0, 1.0, 0.0])
        columns.append(column / column.sum())
    return np.stack(columns, axis=1).astype(np.float32)


def _nearest(sorted_values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of the nearest of the sorted values; the higher one of two equally near."""
    above = np.clip(np.searchsorted(sorted_values, wanted), 1, len(sorted_values) - 1)
    below_is_nearer = wanted - sorted_values[above - 1] < sorted_values[above] - wanted
    return above - below_is_nearer

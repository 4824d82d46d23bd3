"""What a recording does to a mix: room, noise, dull or coloured sound, gain; as powers of bands."""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.audio_logmel import (
    CENTRE_DB,
    DIFFERENCE_DB,
    FLOOR_DB,
    FRAMES,
    RANGE_HZ,
    SPREAD_DB,
)
from musicavqa.features.encoders.mel import to_mel
from musicavqa.methods.layers.listening import BANDS

TAIL_FRAMES = 40
NOISE_FREEDOM = 4.0
"""Shape of the gamma distribution of a band's noise from frame to frame."""
NOISE_GAIN = 3.2
"""From the power of noise over all bands to that of samples, as log-mel measures it."""
LOUD_NOISE_RATE, COLOURED_RATE = 0.2, 0.2


def recorded(mixed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Rows of `audio_logmel` (B, T, 2, 50, 64) float32 of mixed powers (B, 3, 50 T, 64)."""
    n, n_frames = len(mixed), int(mixed.shape[2])
    heard = _in_room(mixed, 0.8 * rng.random(n))
    noise = _noise(n, n_frames, rng)  # (B, 2, 50 T, 64)
    heard[:, 1:] += noise
    heard[:, 0] += noise.sum(1) / 4
    heard *= _colouring(n, rng)[:, None, None]
    heard *= (10 ** -rng.random(n)).astype(np.float32)[:, None, None, None]  # 0 to -10 dB
    return _rows(heard)


def _in_room(mixed: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The mix with a fading tail of itself behind every frame."""
    fade_s = 0.15 + 0.45 * room  # as bandstand's rooms
    tail = np.exp(-13.8 * np.arange(TAIL_FRAMES) / FRAMES / fade_s[:, None])
    tail *= (0.4 * room[:, None]) ** 2 / tail.sum(1, keepdims=True)
    tail[:, 0] += 1
    size = mixed.shape[2] + TAIL_FRAMES
    spectrum = np.fft.rfft(mixed, size, axis=2)
    spectrum *= np.fft.rfft(tail, size)[:, None, :, None]
    heard = np.fft.irfft(spectrum, size, axis=2)[:, :, : mixed.shape[2]]
    return np.maximum(heard, 0).astype(np.float32)


def _noise(n: int, n_frames: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 2, frames, 64): noise that falls with frequency, another for each ear."""
    quiet, loud = rng.uniform(-75, -45, n), rng.uniform(-50, -32, n)
    level_db = np.where(rng.random(n) < LOUD_NOISE_RATE, loud, quiet)
    centre_hz = _centres_hz()
    shape = (centre_hz + 700) / np.maximum(centre_hz, 40.0)  # pink, in bands wider and wider
    shape *= NOISE_GAIN / shape.sum()
    flutter = rng.standard_gamma(NOISE_FREEDOM, (n, 2, n_frames, BANDS), np.float32) / NOISE_FREEDOM
    power = (10 ** (level_db / 10))[:, None] * shape
    return flutter * power.astype(np.float32)[:, None, None]


def _colouring(n: int, rng: np.random.Generator) -> np.ndarray:
    """(n, 64): what is lost of high bands, and now and then another balance of bands."""
    cut_hz = rng.uniform(4500, 15000, n)
    gain = 1 / (1 + (_centres_hz() / cut_hz[:, None]) ** 4)
    bands = np.linspace(0, 1, BANDS)
    sizes, phases = 2 * rng.standard_normal((n, 3)), rng.uniform(0, 2 * np.pi, (n, 3))
    waves = np.arange(3)[:, None] + 0.5
    shape_db = np.einsum("nq,nqb->nb", sizes, np.cos(2 * np.pi * waves * bands + phases[..., None]))
    coloured = rng.random(n) < COLOURED_RATE
    return (gain * 10 ** (coloured[:, None] * shape_db / 10)).astype(np.float32)


def _rows(heard: np.ndarray) -> np.ndarray:
    middle, left, right = (10 * np.log10(heard + 10 ** (FLOOR_DB / 10))).swapaxes(0, 1)
    panning = np.clip((left - right) / DIFFERENCE_DB, -1, 1)
    planes = np.stack([(middle - CENTRE_DB) / SPREAD_DB, panning], 1)  # (B, 2, 50 T, 64)
    planes = planes.reshape(len(heard), 2, -1, FRAMES, BANDS).swapaxes(1, 2)
    return np.ascontiguousarray(planes, np.float32)


def _centres_hz() -> np.ndarray:
    """(64,) middles of the bands of `audio_logmel`."""
    low, high = to_mel(np.asarray(RANGE_HZ), "htk")
    return 700 * np.expm1(np.linspace(low, high, BANDS + 2)[1:-1] / 1127)

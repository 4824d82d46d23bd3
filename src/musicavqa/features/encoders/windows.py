"""Cut sound for networks that hear a fixed length, and pool what they say back to seconds."""

from __future__ import annotations

import math

import numpy as np

from musicavqa.features.encoders.mel import seconds_of_sound

BLOCK_S = 60


def mono(waveform: np.ndarray, n_samples: int) -> np.ndarray:
    """The mean of the channels (channels, n) cut, or filled with silence, to `n_samples`."""
    return seconds_of_sound(waveform, n_samples).mean(axis=0)


def one_second_each(sound: np.ndarray, n: int, rate_hz: int) -> np.ndarray:
    """(n, rate_hz): second i alone."""
    return sound.reshape(n, rate_hz)


def centred(sound: np.ndarray, n: int, rate_hz: int, length: int) -> np.ndarray:
    """(n, length) samples around the middle of each second, moved inside the clip at its ends.

    A clip shorter than the window is followed by silence.
    """
    sound = np.pad(sound, (0, max(0, length - len(sound))))
    starts = np.round((np.arange(n) + 0.5) * rate_hz - length / 2).astype(int)
    starts = np.clip(starts, 0, len(sound) - length)
    return sound[starts[:, None] + np.arange(length)]


def in_turn(sound: np.ndarray, step: int, length: int) -> np.ndarray:
    """(w, length) windows that begin every `step` samples until all is heard; silence behind."""
    n = -(-len(sound) // step)
    sound = np.pad(sound, (0, (n - 1) * step + max(step, length) - len(sound)))
    return np.lib.stride_tricks.sliding_window_view(sound, length)[::step][:n]


def pooled(rows: np.ndarray, n: int, hop_s: float, length_s: float) -> np.ndarray:
    """What the patches say (p, D) as (n, D): of each second the mean, by how much lies under them.

    Patch j reaches from j * hop_s to j * hop_s + length_s. A minute at a time, as all seconds by
    all patches would be a large table for a long clip.
    """
    parts = []
    for start in range(0, n, BLOCK_S):
        stop = min(start + BLOCK_S, n)
        first = min(max(0, math.floor((start - length_s) / hop_s)), len(rows) - 1)
        last = min(len(rows), math.ceil(stop / hop_s) + 1)
        under = shares(np.arange(start, stop), np.arange(first, last), hop_s, length_s)
        parts.append(under @ rows[first:last])
    return np.concatenate(parts)


def shares(seconds: np.ndarray, patches: np.ndarray, hop_s: float, length_s: float) -> np.ndarray:
    """How much of each second (n, p) lies under each patch; rows sum to one.

    A second under no patch takes the last.
    """
    start_s, second_s = patches * hop_s, seconds[:, None]
    shared = np.minimum(second_s + 1, start_s + length_s) - np.maximum(second_s, start_s)
    shared = np.maximum(shared, 0.0)
    shared[shared.sum(axis=1) == 0, -1] = 1.0
    return shared / shared.sum(axis=1, keepdims=True)

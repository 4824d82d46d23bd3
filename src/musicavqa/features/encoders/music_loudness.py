"""Loudness by ITU-R BS.1770-4 and EBU R128: momentary, short-term and true peak, in 100 ms rows.

Row (3,), in decibels above -70, so that 0 is the standard's absolute gate, silence, or no sound:
0  momentary loudness, the 400 ms around the end of the row (LUFS + 70)
1  short-term loudness, 3 s around the same place (LUFS + 70)
2  true peak of the row, over four times as many samples as there are (dBTP + 70)
Windows that reach beyond the clip are means over what lies in it. `integrated` and
`loudness_range` (EBU Tech 3342) are computed from the rows, because column 0 holds exactly the
gating blocks of the standard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.mel import seconds_of_sound
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.media import Sound

if TYPE_CHECKING:
    from musicavqa.media import Media

HEARD = Sound(48000, 2)  # the rate for which the standard gives its filters
STEP = HEARD.rate_hz // 10
MOMENTARY, SHORT_TERM = 4, 30  # steps of 100 ms
GATE_LUFS = -70.0
OFFSET_LU = -0.691  # a 997 Hz sine of 0 dB in one channel reads -3.01
RELATIVE_GATE_LU = {"integrated": -10.0, "range": -20.0}
RANGE_PERCENT = (10, 95)

# BS.1770-4, tables 1 and 2: numerator and denominator at 48 kHz.
SHELF = (
    (1.53512485958697, -2.69169618940638, 1.19839281085285),
    (1.0, -1.69065929318241, 0.73248077421585),
)
HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
BLOCK, LEAD = 10 * HEARD.rate_hz, HEARD.rate_hz // 2  # after 0.5 s the filters have forgotten
OVERSAMPLING = 4

SPEC = Spec(
    name="music_loudness",
    stream="music_loudness",
    shape=(3,),
    reads=(HEARD,),
    sees_s=10,
    rate_hz=10.0,
)


def load() -> Loudness:
    """The meter; it has no state."""
    return Loudness()


class Loudness:
    """The meter as an encoder."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 3) float16; zeros without sound."""
        n = n_rows(media.duration_s, SPEC.rate_hz)
        sound = media[HEARD]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        return loudness(seconds_of_sound(sound, n * STEP), sound.shape[1]).astype(np.float16)


def loudness(sound: np.ndarray, n_samples: int | None = None) -> np.ndarray:
    """Rows (n, 3) of `sound` (channels, n * 4800) at 48 kHz, of which `n_samples` are the clip's.

    One channel is heard from both sides (so it reads as two equal ones).
    """
    sound = np.broadcast_to(sound, (2, sound.shape[1]))
    energy = np.concatenate(list(_energies(sound)))  # (n,) of each 100 ms, both channels
    inside = np.full(len(energy), float(STEP))
    inside[-1] -= max(0, sound.shape[1] - (n_samples or sound.shape[1]))
    curves = [_windowed(energy, inside, steps) for steps in (MOMENTARY, SHORT_TERM)]
    peaks = np.concatenate(list(_peaks(sound)))
    with np.errstate(divide="ignore"):
        levels = [OFFSET_LU + 10 * np.log10(power) for power in curves] + [20 * np.log10(peaks)]
    return np.maximum(np.stack(levels, axis=1) - GATE_LUFS, 0.0)


def integrated(rows: np.ndarray) -> float:
    """Integrated loudness in LUFS of rows (n, 3); -inf where nothing reaches -70 LUFS.

    The mean of the blocks above -70 LUFS and above 10 LU under their own mean.
    """
    blocks = _complete(rows[:, 0], MOMENTARY)
    loud = _gated(blocks[blocks > 0], RELATIVE_GATE_LU["integrated"])
    return GATE_LUFS + _mean(loud) if len(loud) else -np.inf


def loudness_range(rows: np.ndarray) -> float:
    """Loudness range in LU (EBU Tech 3342) of rows (n, 3); 0 where nothing reaches -70 LUFS.

    From the 10th to the 95th percentile of short-term loudness above its gates.
    """
    blocks = _complete(rows[:, 1], SHORT_TERM)
    loud = _gated(blocks[blocks > 0], RELATIVE_GATE_LU["range"])
    return float(np.subtract(*np.percentile(loud, RANGE_PERCENT[::-1]))) if len(loud) else 0.0


def _complete(curve: np.ndarray, steps: int) -> np.ndarray:
    """The values of windows that lie wholly in the clip; float64."""
    return curve[steps // 2 - 1 : len(curve) - steps // 2].astype(np.float64)


def _gated(blocks: np.ndarray, gate_lu: float) -> np.ndarray:
    return blocks[blocks > _mean(blocks) + gate_lu] if len(blocks) else blocks


def _mean(levels: np.ndarray) -> float:
    """Level of the mean power."""
    return float(10 * np.log10(np.mean(10 ** (levels / 10))))


def _windowed(energy: np.ndarray, inside: np.ndarray, steps: int) -> np.ndarray:
    """Mean power (n,) over `steps`, half of them up to and with the own one."""
    sums = [np.concatenate([np.zeros(1), np.cumsum(part)]) for part in (energy, inside)]
    ends = np.arange(1, len(energy) + 1)
    low, high = np.maximum(ends - steps // 2, 0), np.minimum(ends + steps // 2, len(energy))
    total, n = (part[high] - part[low] for part in sums)
    return np.maximum(total, 0.0) / n


def _energies(sound: np.ndarray) -> Iterator[np.ndarray]:
    """K-weighted energy of each 100 ms, block by block so that memory stays flat."""
    for start in range(0, sound.shape[1], BLOCK):
        first = max(0, start - LEAD)
        weighted = k_weighted(sound[:, first : start + BLOCK])[:, start - first :]
        yield np.square(weighted).reshape(2, -1, STEP).sum(axis=(0, 2))


def k_weighted(sound: np.ndarray) -> np.ndarray:
    """Sound (channels, n) at 48 kHz through both filters, by way of the spectrum; float64."""
    size = sound.shape[1] + LEAD  # room for the response to die away
    size = 1 << (size - 1).bit_length() if size < BLOCK else -(-size // 4800) * 4800
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(size))  # z to the power of -1
    response = np.ones(len(delay), complex)
    for numerator, denominator in (SHELF, HIGH_PASS):
        response *= np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
    return np.fft.irfft(np.fft.rfft(sound, size) * response, size)[:, : sound.shape[1]]


def _peaks(sound: np.ndarray) -> Iterator[np.ndarray]:
    """Highest magnitude between and at the samples in each 100 ms, block by block."""
    import soxr

    rate_hz, side = HEARD.rate_hz, STEP
    for start in range(0, sound.shape[1], BLOCK):
        first, stop = max(0, start - side), min(start + BLOCK, sound.shape[1])
        piece = np.ascontiguousarray(sound[:, first : stop + side].T)
        fine = soxr.resample(piece, rate_hz, OVERSAMPLING * rate_hz, "HQ")
        fine = fine[OVERSAMPLING * (start - first) :][: OVERSAMPLING * (stop - start)]
        yield np.abs(fine).reshape(-1, OVERSAMPLING * STEP, 2).max(axis=(1, 2))

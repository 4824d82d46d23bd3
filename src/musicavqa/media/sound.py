"""The sound of a file, mixed and resampled as it comes, once for every request."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicavqa.media.clock import Clock
from musicavqa.media.limits import LEAST_HZ, MOST_CHANNELS, MOST_HZ
from musicavqa.media.wanted import Sound

GAP_S = 0.05  # holes in the sound shorter than this are rounding, not silence
MAX_PLANES = 8
MOST_PENDING = 2**21  # samples of all channels
# Sample formats of FFmpeg, as numpy names them; with a "p" where every channel has its own plane.
SAMPLES = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}

# Left and right share of each loudspeaker (ITU-R BS.775); the low-frequency channel is left out.
MIX = {
    "FL": (1.0, 0.0),
    "FR": (0.0, 1.0),
    "FC": (0.7071, 0.7071),
    "BL": (0.7071, 0.0),
    "SL": (0.7071, 0.0),
    "BR": (0.0, 0.7071),
    "SR": (0.0, 0.7071),
    "LFE": (0.0, 0.0),
}


class Track:
    """The sound so far; holes and a late start are filled with zeros."""

    def __init__(self, wanted: Sequence[Sound], clock: Clock) -> None:
        self.clock = clock
        self.resampled = [Resampled(sound) for sound in wanted]
        self.form = (0, "", "")  # rate, layout and samples of what comes in
        self.names: list[str] = []  # of its channels
        self.pending: list[list[np.ndarray]] = []  # of a second at most: one block costs less
        self.n_pending = 0
        self.end_s = self.last_s = 0.0  # of what was kept, with zeros and without
        self.forced_s = 0.0  # sound before this time would come too late
        self.late_s = self.mute_s = 0.0  # zeros before the first sound, and in its holes
        self.peak = 0.0
        self.n_damaged = 0

    @property
    def full(self) -> bool:
        return self.end_s >= self.clock.max_s

    @property
    def reach_s(self) -> float:
        """Until when the sound is known."""
        return self.end_s

    def add(self, frame: Any) -> None:
        """Append one decoded frame at its time; encoder delay before 0 s is cut."""
        rate_hz, n_channels = frame.sample_rate, frame.layout.nb_channels
        if not LEAST_HZ <= rate_hz <= MOST_HZ or n_channels > MOST_CHANNELS:
            self.n_damaged += 1
            return
        if frame.format.is_planar and n_channels > MAX_PLANES:
            frame = _packed(frame)
        form = (rate_hz, frame.layout.name, frame.format.name)
        if form != self.form:  # a broadcast may change half-way
            self._push()
            self.form = form
            self.names = [channel.name for channel in frame.layout.channels]
            for sound in self.resampled:
                sound.restart(rate_hz, n_channels)
        time_s = self.clock.time(frame.time, self.end_s)
        hole_s = time_s - self.end_s
        if hole_s >= GAP_S or not self.end_s:
            self._fill(min(hole_s, self.clock.max_s - self.end_s))
        late_s = -hole_s if self.end_s <= self.forced_s or not self.last_s else 0.0
        n_cut = min(max(round(late_s * rate_hz), 0), frame.samples)
        self._keep(frame, frame.samples - n_cut)

    def silence(self, until_s: float) -> None:
        """Zeros up to `until_s`, as nothing came for long; what comes too late is left out."""
        self._push()
        for sound in self.resampled:
            sound.pad(round(until_s * sound.wanted.rate_hz))
        self.form = (0, "", "")
        self.end_s = self.forced_s = max(self.end_s, until_s)

    def _fill(self, seconds: float) -> None:
        """Zeros of so many seconds, a second at a time."""
        rate_hz = self.form[0]
        n_zeros = max(round(seconds * rate_hz), 0)
        self._push()
        for start in range(0, n_zeros, rate_hz):
            n = min(rate_hz, n_zeros - start)
            self._resample(np.zeros((n, len(self.names)), np.float32))
        self.end_s += n_zeros / rate_hz

    def _keep(self, frame: Any, n: int) -> None:
        """Append the last `n` samples of a frame."""
        if not n:
            return
        if self.last_s:
            self.mute_s += self.end_s - self.last_s
        else:
            self.late_s = self.end_s
        self.end_s = self.last_s = self.end_s + n / frame.sample_rate
        if self.resampled:
            self.pending.append([plane[len(plane) - n :] for plane in _planes(frame)])
            self.n_pending += n
            if self.n_pending >= min(frame.sample_rate, MOST_PENDING // len(self.names)):
                self._push()

    def finish(self) -> None:
        """Take what the resamplers still hold."""
        self._push()
        for sound in self.resampled:
            sound.finish()

    def _push(self) -> None:
        """Mix and resample what is pending."""
        if self.pending:
            planes = [np.concatenate(parts) for parts in zip(*self.pending, strict=True)]
            self.pending, self.n_pending = [], 0
            samples = _as_float(np.concatenate(planes, axis=1))
            self.peak = max(self.peak, float(np.abs(samples).max()))
            self._resample(samples)

    def _resample(self, samples: np.ndarray) -> None:
        for sound in self.resampled:
            sound.push(_mix(samples, self.names, sound.wanted.channels))


class Resampled:
    """The sound of one request."""

    def __init__(self, wanted: Sound) -> None:
        self.wanted = wanted
        self.blocks: deque[np.ndarray] = deque()  # each (samples, channels)
        self.n = 0  # samples, with those that were taken
        self.n_taken = 0
        self.resampler: Any = None
        self.width = 0

    def restart(self, rate_hz: int, n_channels: int) -> None:
        """End one resampler and begin another for what comes in now."""
        import soxr

        self.finish()
        self.width = 1 if n_channels == 1 else self.wanted.channels
        self.resampler = soxr.ResampleStream(rate_hz, self.wanted.rate_hz, self.width, "float32")

    def push(self, samples: np.ndarray, last: bool = False) -> None:
        """Resample and store; mono becomes as many equal channels as are wanted."""
        block = self.resampler.resample_chunk(np.ascontiguousarray(samples), last=last)
        if len(block):
            self.blocks.append(np.broadcast_to(block, (len(block), self.wanted.channels)))
            self.n += len(block)

    def finish(self) -> None:
        if self.resampler is not None:
            self.push(np.zeros((0, self.width), np.float32), last=True)

    def pad(self, n: int) -> None:
        """End the resampler and add zeros until there are `n` samples."""
        self.finish()
        self.resampler = None
        if n > self.n:
            self.blocks.append(np.broadcast_to(np.float32(0), (n - self.n, self.wanted.channels)))
            self.n = n

    @property
    def n_bytes(self) -> int:
        """Of the samples that were not taken."""
        return max(self.n - self.n_taken, 0) * 4 * self.wanted.channels

    def take(self, n: int, n_again: int = 0) -> np.ndarray:
        """The next samples, float32 (channels, n), the last of them to be given once more.

        Zeros follow where there are less.
        """
        waveform, start = np.zeros((self.wanted.channels, n), np.float32), 0
        while self.blocks and start < n:
            block = self.blocks.popleft()
            part = block[: n - start]
            waveform[:, start : start + len(part)] = part.T
            start += len(part)
            if len(part) < len(block):
                self.blocks.appendleft(block[len(part) :])
        self.n_taken += n - n_again
        if n_again:
            self.blocks.appendleft(waveform[:, n - n_again :].T.copy())
        return waveform


def _planes(frame: Any) -> list[np.ndarray]:
    """The samples of a frame where they lie: (n, 1) a channel, or all channels in one (n, C)."""
    n_channels, kind = frame.layout.nb_channels, SAMPLES[frame.format.name.removesuffix("p")]
    width = 1 if frame.format.is_planar else n_channels
    return [
        np.frombuffer(plane, kind, frame.samples * width).reshape(-1, width)
        for plane in frame.planes
    ]


def _as_float(samples: np.ndarray) -> np.ndarray:
    """The same samples as float32 in [-1, 1]."""
    if samples.dtype == np.uint8:
        samples = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32, copy=False)


def _mix(samples: np.ndarray, names: Sequence[str], channels: int) -> np.ndarray:
    """(n, 1) where it is mono, else (n, channels)."""
    if len(names) in (1, channels):
        return samples
    shares = [MIX.get(name, (0.5, 0.5)) for name in names]
    matrix = np.array(shares, np.float32)  # (n_channels, 2)
    matrix = matrix.mean(1, keepdims=True) if channels == 1 else matrix
    return samples @ (matrix / matrix.sum(0).max())  # never clips


def _packed(frame: Any) -> Any:
    """Frame with interleaved samples: PyAV reads past the end of more than eight planes (18.1)."""
    import av

    return av.AudioResampler(format="flt").resample(frame)[0]

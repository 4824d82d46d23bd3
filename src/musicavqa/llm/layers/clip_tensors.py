"""What our own language models are given: tensors of a clip, and words as numbers.

A model file says with `Looking` and `Listening` what it wants of a clip; both are pure functions of
its pictures and its sound, with nothing drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musicavqa.features.encoders.fbank import Fbank, framed

RATE_HZ = 16000
CLIP_MEAN, CLIP_DEVIATION = (
    (0.48145466, 0.4578275, 0.40821073),
    (0.26862954, 0.26130258, 0.27577711),
)


@dataclass(frozen=True)
class ClipTensors:
    """Clips as a model reads them; a sense that is missing is None for all of them."""

    pictures: Tensor | None = None
    """(B, T, 3, H, W), normalised."""
    sound: Tensor | None = None
    """(B, N, frames, bands): N slices of a spectrum."""

    def without(self, sense: Literal["pictures", "sound"]) -> ClipTensors:
        """The same clips without one sense."""
        return ClipTensors(**{**vars(self), sense: None})

    def to(self, device: torch.device | str) -> ClipTensors:
        """The same on a device."""
        return ClipTensors(*(x if x is None else x.to(device) for x in (self.pictures, self.sound)))


def stacked(clips: Sequence[ClipTensors]) -> ClipTensors:
    """Clips of one shape as a batch; ValueError where some lack a sense that others have."""
    joined: dict[str, Tensor | None] = {}
    for sense in ("pictures", "sound"):
        found = [getattr(clip, sense) for clip in clips]
        if any(x is None for x in found) and not all(x is None for x in found):
            raise ValueError(f"Some clips of a batch have {sense} and some have none; sort them.")
        joined[sense] = None if found[0] is None else torch.cat(found)
    return ClipTensors(**joined)


@dataclass(frozen=True)
class Prompt:
    """What stands around the clip, as numbers of words."""

    before: tuple[int, ...]
    question: tuple[int, ...]
    after: tuple[int, ...] = ()


@dataclass(frozen=True)
class Looking:
    """Pictures as a tower wants them."""

    frames: int
    """The middles of so many equal parts of the clip; fewer pictures than that are repeated."""
    side: int = 224
    mean: tuple[float, float, float] = CLIP_MEAN
    deviation: tuple[float, float, float] = CLIP_DEVIATION
    fit: Literal["squeeze", "pad", "crops"] = "squeeze"
    """pad: a square with the mean around the picture. crops: three squares of every picture, from
    one end of its longer side to the other."""

    def __call__(self, pictures: np.ndarray) -> Tensor:
        """(1, frames, 3, side, side) of uint8 RGB (n, H, W, 3); three times as many with crops."""
        rows = torch.from_numpy(pictures[middles(len(pictures), self.frames)]).permute(0, 3, 1, 2)
        size = self._size(*rows.shape[2:])
        rows = functional.interpolate(rows, size, mode="bicubic", antialias=True)
        if self.fit == "crops":
            rows = _three_squares(rows, self.side)
            size = (self.side, self.side)
        mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (self.mean, self.deviation))
        normal = (rows / 255 - mean) / deviation
        above, left = ((self.side - n) // 2 for n in size)
        around = (left, self.side - size[1] - left, above, self.side - size[0] - above)
        return functional.pad(normal, around)[None]

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if self.fit == "squeeze":
            return self.side, self.side
        fitted = max(height, width) if self.fit == "pad" else min(height, width)
        return max(1, round(height * self.side / fitted)), max(1, round(width * self.side / fitted))


@dataclass(frozen=True)
class Listening:
    """Spectra as a tower wants them: Kaldi's filter banks of 25 ms every 10 ms, in slices."""

    slices: int
    frames: int = 1024
    """Of a slice; the last one is filled up with zeros before it is normalised."""
    bands: int = 128
    window: Literal["povey", "hanning"] = "hanning"
    mean: float = 0.0
    deviation: float = 1.0
    """What is taken off and divided by."""
    scale: float = 1.0
    """Of the samples; 32768 for towers that heard 16-bit numbers."""
    choice: Literal["even", "start"] = "even"
    """The middles of equal parts of all slices, or the first ones."""
    hop: int | None = None
    """Frames from slice to slice; their length where None."""
    fill: Literal["zeros", "silence"] = "zeros"
    """What stands behind the end: zeros in the spectrum, or the spectrum of silence."""

    def __call__(self, sound: np.ndarray) -> Tensor:
        """(1, slices, frames, bands) of samples at 16 kHz."""
        bank = Fbank(self.bands, self.window)
        shortest = RATE_HZ * 25 // 1000
        sound = np.pad(sound, (0, max(0, shortest - len(sound)))) * np.float32(self.scale)
        rows, hop = bank(sound), self.hop or self.frames
        kept = self._kept(len(rows))
        if self.fill == "silence":
            empty = bank(np.zeros(shortest, np.float32))
            lacking = max(0, max(kept) * hop + self.frames - len(rows))
            rows = np.concatenate([rows, empty.repeat(lacking, axis=0)])
        cut = [framed(rows[at * hop :], self.frames) for at in kept]
        spectra = torch.from_numpy(np.stack(cut)).float()
        return ((spectra - self.mean) / self.deviation)[None]

    def heard_s(self, sound: np.ndarray) -> float:
        """Seconds of the sound that are in some slice, overlaps counted once."""
        total = max(1, (len(sound) - RATE_HZ * 25 // 1000) // (RATE_HZ // 100) + 1)
        heard, hop = np.zeros(total, bool), self.hop or self.frames
        for at in self._kept(total):
            heard[at * hop : at * hop + self.frames] = True
        return float(min(heard.sum() / 100 + 0.015, len(sound) / RATE_HZ))

    def _kept(self, n_frames: int) -> list[int]:
        """Which slices of a spectrum are kept."""
        hop = self.hop or self.frames
        n = max(1, -(-max(0, n_frames - self.frames) // hop) + 1)
        return middles(n, self.slices) if self.choice == "even" else list(range(self.slices))


def middles(n: int, parts: int) -> list[int]:
    """Indices of the middles of `parts` equal parts of n things."""
    if n < 1:
        raise ValueError("There is nothing to choose from: a clip without pictures or slices.")
    return [int((part + 0.5) * n / parts) for part in range(parts)]


def _three_squares(rows: Tensor, side: int) -> Tensor:
    """(3 * n, 3, side, side) of (n, 3, H, W): begin, middle and end of the longer side."""
    height, width = rows.shape[2:]
    above, left = height - side, width - side
    parts = [
        rows[:, :, a : a + side, b : b + side]
        for a, b in ((0, 0), (above // 2, left // 2), (above, left))
    ]
    return torch.stack(parts, dim=1).flatten(0, 1)

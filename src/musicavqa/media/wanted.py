"""What may be asked of one pass over a file, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from musicavqa.media.account import Account

Require = Literal["both", "audio", "video", "any"]


class MediaError(ValueError):
    """The file cannot give what was asked; the message says why and what to do."""


@dataclass(frozen=True)
class Pictures:
    """Pictures on a time grid: picture i is the one shown at (i + 0.5) / rate_hz.

    They come as uint8 (n, H, W, 3) RGB or, with pixels="gray", (n, H, W).
    """

    rate_hz: float = 1.0
    size: tuple[int, int] = (224, 224)
    """(height, width)."""
    pixels: Literal["rgb24", "gray"] = "rgb24"
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """'stretch' ignores the picture's shape; 'crop' scales it to cover and takes the middle; 'pad'
    scales it to fit in and leaves black bars."""
    filter: Literal["bilinear", "bicubic", "area", "pil_bilinear", "pil_bicubic"] = "bilinear"
    """Of swscale, or of Pillow (to two grey levels at most, for networks whose published features
    went through it); both widen where they shrink, so that fine detail does not alias."""

    def __post_init__(self) -> None:
        if not self.rate_hz > 0 or min(self.size) < 1:
            raise ValueError(f"{self}: the rate and both sides of the size must be above 0.")


@dataclass(frozen=True)
class Sound:
    """The sound as float32 (channels, samples), resampled; mono becomes two equal channels."""

    rate_hz: int = 16000
    channels: int = 2

    def __post_init__(self) -> None:
        if not self.rate_hz > 0:
            raise ValueError(f"{self}: the rate must be above 0.")
        if self.channels not in (1, 2):
            raise ValueError(f"{self}: channels must be 1 (mono) or 2 (stereo).")


Wanted = Pictures | Sound
FRAMES, MOTION, SOUND = Pictures(), Pictures(10.0, (56, 56), "gray"), Sound()


@dataclass(frozen=True)
class Media:
    """One performance as arrays; every stream starts at 0 s and, with pictures, ends with them."""

    kept: Mapping[Wanted, np.ndarray | None]
    """What was asked for; None where the file lacks that sense."""
    duration_s: float
    has_video: bool
    has_audio: bool
    account: Account | None = None
    """What became of the file; None for a piece that is not the last."""

    @property
    def truncated(self) -> bool:
        """More than one second of what the file announces is missing."""
        return self.account is not None and self.account.truncated

    def __getitem__(self, wanted: Wanted) -> np.ndarray | None:
        """The array of this request; KeyError for one that the file was not read with."""
        if wanted not in self.kept:
            raise KeyError(f"The file was read without {wanted}; it holds {list(self.kept)}.")
        return self.kept[wanted]

    @property
    def n_bytes(self) -> int:
        """Of all arrays."""
        return sum(array.nbytes for array in self.kept.values() if array is not None)

    def part(self, from_s: int, until_s: int | None = None) -> Media:
        """The seconds in between, or all from `from_s`; no array is copied."""

        def cut(item: Wanted, array: np.ndarray) -> np.ndarray:
            first, stop = (
                None if s is None else round(s * item.rate_hz) for s in (from_s, until_s)
            )
            return array[:, first:stop] if isinstance(item, Sound) else array[first:stop]

        kept = {w: None if array is None else cut(w, array) for w, array in self.kept.items()}
        end_s = self.duration_s if until_s is None else until_s
        return replace(self, kept=kept, duration_s=end_s - from_s)


@dataclass(frozen=True)
class Piece:
    """Some seconds of a file, and those around them that its rows may depend on."""

    media: Media
    lead_s: int
    """Seconds before the piece itself."""
    own_s: int | None
    """Its length; None where it goes on to the end of the file."""

    @property
    def last(self) -> bool:
        """True for the end of the file."""
        return self.own_s is None

    def around(self, seconds: int) -> Media:
        """The piece with at most `seconds` on either side."""
        until_s = None if self.own_s is None else self.lead_s + self.own_s + seconds
        return self.media.part(self.lead_s - self.before_s(seconds), until_s)

    def before_s(self, seconds: int) -> int:
        """How many of them `around` has before the piece: none at the start of the file."""
        return min(seconds, self.lead_s)

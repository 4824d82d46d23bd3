"""Which pictures and which sound of a clip a model is given, and how much of it that covers.

A policy is written as text: `frames=16 side=448 sound=whole`. It is part of the key of every
answer, and everything that it leaves out is told by `Coverage`.

| word | |
|---|---|
| `frames=N` | N pictures, each from the middle of its N-th part of the clip; 0 for none |
| `fps=R` | R pictures a second, at most `most` of them (then spread evenly over the clip) |
| `most=N` | the most pictures that `fps` gives (120) |
| `side=P` | pixels of the longer side of a picture, whose shape is kept (448) |
| `sound=whole`, `none` | all of the sound at 16 kHz mono, or nothing |
| `sound=NxS` | N stretches of S seconds, spread evenly, one behind the other |
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.media import Media, Pictures, Sound, announced_s, read
from musicavqa.media.length import shape_of

RATE_HZ = 16000
VERSION = 1
"""Of how policies are carried out; it changes with anything that changes what a model is given."""


@dataclass(frozen=True)
class Policy:
    """See the table above; `mute` is for tests and baselines."""

    frames: int | None = None
    fps: float | None = 1.0
    most: int = 120
    side: int = 448
    sound: str = "whole"
    mute: tuple[str, ...] = ()
    """'audio' or 'visual': silence or grey pictures of the same length instead of the real ones."""

    def __post_init__(self) -> None:
        if (self.frames is None) == (self.fps is None):
            raise ValueError("A policy takes frames or fps, one of the two.")
        if (self.frames or 0) < 0 or (self.fps is not None and not 0 < self.fps <= 60):
            raise ValueError(f"frames={self.frames} fps={self.fps}: neither can be carried out.")
        if self.most < 1 or not 28 <= self.side <= 4096:
            raise ValueError(f"most={self.most} side={self.side}: most >= 1, side 28 to 4096.")
        if self.sound not in ("whole", "none") and not _STRETCHES.fullmatch(self.sound):
            raise ValueError(f"sound={self.sound!r}; choose whole, none or such as 8x2.")
        unknown = set(self.mute) - {"audio", "visual"}
        if unknown:
            raise ValueError(f"mute takes audio and visual, got {', '.join(sorted(unknown))}.")

    def __str__(self) -> str:
        pictures = f"fps={self.fps:g} most={self.most}" if self.frames is None else ""
        pictures = pictures or f"frames={self.frames}"
        mute = "".join(f" mute={sense}" for sense in self.mute)
        return f"{pictures} side={self.side} sound={self.sound}{mute}"

    def mark(self) -> str:
        """Short hash of all that decides what is given."""
        text = json.dumps({**asdict(self), "version": VERSION}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


_STRETCHES = re.compile(r"(?P<n>[1-9]\d{0,2})x(?P<s>\d{1,3}(?:\.\d{1,3})?)")
NO_MEDIA = Policy(frames=0, fps=None, sound="none")


def parse_policy(text: str) -> Policy:
    """The policy that a text writes; ValueError for a word that it does not know."""
    found: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        if name not in ("frames", "fps", "most", "side", "sound", "mute") or not value:
            raise ValueError(f"{word!r} is no part of a sampling policy. {_HOW}")
        if name == "mute":
            found["mute"] = (*found.get("mute", ()), value)
            continue
        try:
            made = value if name == "sound" else float(value) if name == "fps" else int(value)
        except ValueError:
            raise ValueError(f"{word!r} has no number. {_HOW}") from None
        found[name] = made
    if "frames" in found:
        found.setdefault("fps", None)
    return Policy(**found)


_HOW = "Write, for example: frames=16 side=448 sound=whole"


@dataclass(frozen=True)
class Coverage:
    """How much of a clip a policy gives to the model."""

    duration_s: float
    frames: int
    frame_rate_hz: float | None
    """Pictures a second of the clip; None without pictures."""
    sound_s: float
    has_picture: bool
    has_sound: bool

    def as_dict(self) -> dict[str, Any]:
        """For records."""
        return asdict(self)


@dataclass(frozen=True)
class Material:
    """What a model is given of one clip; arrays are not changed by anybody."""

    pictures: np.ndarray | None
    """(n, H, W, 3) uint8 RGB; None for none."""
    picture_rate_hz: float
    """Of `pictures`; 0 without."""
    sound: np.ndarray | None
    """(samples,) float32 at 16 kHz; None for none."""
    coverage: Coverage

    def without(self, *senses: str) -> Material:
        """The same clip without 'audio' or 'visual', as for a model that lacks that sense."""
        drops_sound, drops_pictures = "audio" in senses, "visual" in senses
        return Material(
            None if drops_pictures else self.pictures,
            0.0 if drops_pictures else self.picture_rate_hz,
            None if drops_sound else self.sound,
            self.coverage,
        )


NOTHING = Material(None, 0.0, None, Coverage(0.0, 0, None, 0.0, False, False))


def sample(path: Path, policy: Policy, sound_from: Path | None = None) -> Material:
    """Decode a clip once and take what the policy names; MediaError where it cannot be read.

    With `sound_from` the sound is that of another file. A clip without picture or sound gives only
    the other sense, which `Coverage` tells.
    """
    wants_sound = policy.sound != "none"
    grid = _grid(path, policy, shape_of(path))
    sound = Sound(RATE_HZ, 1) if wants_sound else None
    wanted = [item for item in (grid, sound if sound_from is None else None) if item is not None]
    if not wanted and sound_from is None:
        return NOTHING
    media = read(path, wanted, require="any")
    if grid is not None and _is_turned(grid, media):
        turned = replace(grid, size=grid.size[::-1])
        media = read(path, [turned if item is grid else item for item in wanted], require="any")
        grid = turned
    heard = (
        media if sound_from is None else read(sound_from, [sound] if sound else [], require="any")
    )
    pictures = media[grid] if grid is not None else None
    if pictures is not None and policy.frames is not None:
        pictures = pictures[: policy.frames]
    waves = heard[sound] if sound is not None else None
    wave = None if waves is None else _stretches(waves[0], policy.sound)
    if wave is not None and "audio" in policy.mute:
        wave = np.zeros_like(wave)
    if pictures is not None and "visual" in policy.mute:
        pictures = np.full_like(pictures, 128)
    coverage = Coverage(
        duration_s=round(media.duration_s, 3),
        frames=0 if pictures is None else len(pictures),
        frame_rate_hz=None if grid is None or pictures is None else round(grid.rate_hz, 4),
        sound_s=0.0 if wave is None else round(len(wave) / RATE_HZ, 3),
        has_picture=media.has_video,
        has_sound=heard.has_audio,
    )
    rate = grid.rate_hz if grid is not None and pictures is not None else 0.0
    return Material(pictures, rate, wave, coverage)


def _is_turned(grid: Pictures, media: Media) -> bool:
    """Whether the picture is shown on its side, which only the decoder finds out."""
    aspect = media.account.aspect if media.account is not None else None
    asked, swapped = grid.size[1] / grid.size[0], grid.size[0] / grid.size[1]
    return aspect is not None and abs(aspect / asked - 1) > 0.1 > abs(aspect / swapped - 1)


def _grid(path: Path, policy: Policy, shape: tuple[int, int] | None) -> Pictures | None:
    """The grid of pictures: its rate follows from the length, its size from the picture's shape."""
    if policy.frames == 0 or shape is None:
        return None
    duration_s = announced_s(path)
    if policy.frames is not None or duration_s is not None:
        n = policy.frames or min(policy.most, max(1, round((duration_s or 0) * (policy.fps or 0))))
        rate_hz = n / duration_s if duration_s else 1.0
    if policy.frames is None and (duration_s is None or n < policy.most):
        rate_hz = float(policy.fps or 1.0)
    height, width = shape
    scale = min(1.0, policy.side / max(height, width))
    size = (max(2, round(height * scale)), max(2, round(width * scale)))
    return Pictures(rate_hz=rate_hz, size=size, filter="bicubic")


def _stretches(wave: np.ndarray, how: str) -> np.ndarray:
    """All of the sound, or stretches of it, spread evenly and put one behind the other."""
    found = _STRETCHES.fullmatch(how)
    if found is None:
        return wave
    n, length = int(found["n"]), round(float(found["s"]) * RATE_HZ)
    if n * length >= len(wave):
        return wave
    starts = np.linspace(0, len(wave) - length, n).round().astype(int)
    return np.concatenate([wave[start : start + length] for start in starts])

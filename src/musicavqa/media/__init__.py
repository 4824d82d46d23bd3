"""Read a video file once: pictures on time grids and sound on the same clock.

The only room that knows PyAV for reading. Both streams are decoded in one sequential pass (seeking
per second costs four times as much on long groups of pictures); only the pictures that are kept
are converted, and sound is resampled as it arrives, so memory is bounded by what is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musicavqa.media.account import Account
from musicavqa.media.length import announced_s
from musicavqa.media.limits import LIMITS, Limits
from musicavqa.media.one_pass import read_pieces
from musicavqa.media.opening import ENDINGS, check
from musicavqa.media.wanted import (
    FRAMES,
    MOTION,
    SOUND,
    Media,
    MediaError,
    Pictures,
    Piece,
    Require,
    Sound,
    Wanted,
)

__all__ = [
    "ENDINGS",
    "FRAMES",
    "LIMITS",
    "MOTION",
    "SOUND",
    "Account",
    "Limits",
    "Media",
    "MediaError",
    "Pictures",
    "Piece",
    "Require",
    "Sound",
    "Wanted",
    "announced_s",
    "check",
    "read",
    "read_pieces",
]  # fmt: skip


def read(
    path: Path | str,
    wanted: Sequence[Wanted] = (FRAMES, SOUND),
    *,
    max_s: float | None = None,
    require: Require = "both",
    n_threads: int = 0,
    limits: Limits = LIMITS,
) -> Media:
    """Decode `path` in one pass; raises MediaError where the file lacks what `require` names.

    At most `max_s` seconds are read, and never more than `limits` allow: what lies behind is left
    out and `Media.account` says so; more memory than that is a MediaError. Pictures that nobody
    wants are not decoded. n_threads=0 uses all cores, 1 is right inside a pool
    of workers.
    """
    (whole,) = read_pieces(
        path, wanted, max_s=max_s, require=require, n_threads=n_threads, limits=limits
    )
    return whole.media

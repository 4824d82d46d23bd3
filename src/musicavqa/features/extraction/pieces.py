"""A clip piece by piece: a long one is neither decoded nor encoded as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.extraction.encoding import (
    Encoder,
    encode_clips,
    remarks,
    with_one_blas_thread,
)
from musicavqa.features.store import Strip
from musicavqa.media import (
    LIMITS,
    SOUND,
    Limits,
    Media,
    MediaError,
    Piece,
    Sound,
    Wanted,
    read_pieces,
)
from musicavqa.records import Clip

PIECE_S = 60
"""The shortest piece; those of an hour are decoded and encoded like sixty clips of a minute."""


def decode(
    clip: Clip,
    encoders: Sequence[Encoder],
    max_s: float | None = None,
    limits: Limits = LIMITS,
) -> Iterator[Piece]:
    """Decode what the encoders ask for; sound always (it is cheap), so lengths never differ.

    One thread: more take a quarter more of the processor, which the networks need.
    """
    if clip.path is None:
        raise MediaError(f"Clip {clip.id!r} has no media file. Render or fetch it first.")
    cards = [encoder.spec for encoder in encoders]
    wanted = [SOUND, *(item for card in cards for item in card.reads)]
    step = math.lcm(*(card.every_s for card in cards))  # every piece begins with a kept second
    yield from read_pieces(
        clip.path,
        wanted,
        piece_s=math.ceil(PIECE_S / step) * step,
        around_s=max((card.sees_s or 0 for card in cards), default=0),
        max_s=max_s,
        require="any",
        n_threads=1,
        limits=limits,
    )


@with_one_blas_thread
def encode_clip(
    clip: Clip, encoders: Sequence[Encoder], limits: Limits = LIMITS
) -> tuple[dict[str, np.ndarray], str]:
    """Rows of one clip by encoder name, and the remark about its file, empty for a plain one."""
    growing, remark = Growing(encoders), ""
    for piece in decode(clip, encoders, limits=limits):
        growing.look(piece)
        for encoder in encoders:
            media = growing.shown(encoder.spec, piece)
            if media is not None:
                growing.add(encoder.spec, piece, encode_clips(encoder, [media])[0])
        remark = "; ".join(remarks(piece.media, encoders))
    rows = {encoder.spec.name: growing.rows(encoder.spec.name).array for encoder in encoders}
    return rows, remark


class Growing:
    """The rows of one clip while its pieces come in.

    An encoder that sees so many seconds around a row gets each piece with so many around it; one
    that needs the whole clip gets it with the last piece, so what it reads is kept until then.
    """

    def __init__(self, encoders: Sequence[Encoder], source: str | None = None) -> None:
        self.source = source
        """Mark of the file that the pieces come from."""
        self._rows: dict[str, Strip] = {}
        whole = [encoder.spec for encoder in encoders if encoder.spec.sees_s is None]
        self._read = list(dict.fromkeys(item for spec in whole for item in spec.reads))
        self._kept: dict[Wanted, Strip] = {}  # time in front
        self._whole: Media | None = None
        self.duration_s = 0.0
        """Of the pieces so far."""

    def look(self, piece: Piece) -> None:
        """Keep of a piece what encoders of the whole clip will read; `shown` comes after."""
        media = piece.around(0)
        alone = piece.last and not self.duration_s
        self.duration_s += media.duration_s
        if alone:
            self._whole = media
            return
        for item in self._read:
            if (array := media[item]) is not None:
                _add(self._kept, item, _time_in_front(item, array))
        if piece.last:
            kept: dict[Wanted, np.ndarray | None] = dict.fromkeys(self._read)
            for item in self._kept:
                kept[item] = _time_in_front(item, self._kept[item].array)
            self._whole = replace(media, kept=kept, duration_s=self.duration_s)

    def shown(self, spec: Spec, piece: Piece) -> Media | None:
        """What an encoder is to encode for `piece`: if it needs the whole, nothing but the last."""
        if spec.sees_s is None:
            return self._whole if piece.last else None
        return piece.around(spec.sees_s)

    def add(self, spec: Spec, piece: Piece, rows: np.ndarray) -> None:
        """Take the rows of what was shown, without those of the seconds around the piece."""
        if spec.sees_s:
            first = round(piece.before_s(spec.sees_s) * spec.rate_hz)
            n = None if piece.own_s is None else round(piece.own_s * spec.rate_hz)
            rows = rows[first : None if n is None else first + n]
        _add(self._rows, spec.name, rows)

    def rows(self, name: str) -> Strip:
        """All rows (T, *shape) of an encoder; the last piece was added."""
        return self._rows.pop(name)


def _add(strips: dict[Any, Strip], key: Any, part: np.ndarray) -> None:
    if key in strips:
        strips[key].add(part)
    else:
        strips[key] = Strip(part)


def _time_in_front(item: Wanted, array: np.ndarray) -> np.ndarray:
    """Sound (channels, n) as (n, channels), and back; pictures as they are."""
    return array.T if isinstance(item, Sound) else array

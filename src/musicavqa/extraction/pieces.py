"""A clip piece by piece: a long one is neither decoded nor encoded as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from musicavqa.encoders.spec import Spec
from musicavqa.extraction.encoding import Encoder, encode_clips
from musicavqa.media import SOUND, Media, MediaError, Piece, Sound, Wanted, read_pieces
from musicavqa.records import Clip

PIECE_S = 60
"""The shortest piece; those of an hour are decoded and encoded like sixty clips of a minute."""


def decode(
    clip: Clip, encoders: Sequence[Encoder], n_threads: int, max_s: float | None = None
) -> Iterator[Piece]:
    """Decode what the encoders ask for; sound always (it is cheap), so lengths never differ."""
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
        n_threads=n_threads,
    )


def encode_clip(clip: Clip, encoders: Sequence[Encoder], n_threads: int) -> dict[str, np.ndarray]:
    """Rows of one clip by encoder name."""
    growing = Growing(encoders)
    for piece in decode(clip, encoders, n_threads):
        growing.look(piece)
        for encoder in encoders:
            media = growing.shown(encoder.spec, piece)
            if media is not None:
                growing.add(encoder.spec, piece, encode_clips(encoder, [media])[0])
    return {encoder.spec.name: growing.rows(encoder.spec.name) for encoder in encoders}


class Growing:
    """The rows of one clip while its pieces come in.

    An encoder that sees so many seconds around a row gets each piece with so many around it; one
    that needs the whole clip gets it with the last piece, so what it reads is kept until then.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self._rows: dict[str, list[np.ndarray]] = {e.spec.name: [] for e in encoders}
        whole = [e.spec for e in encoders if e.spec.sees_s is None]
        self._kept: dict[Wanted, list[np.ndarray]] = {w: [] for s in whole for w in s.reads}
        self._whole: Media | None = None
        self.duration_s = 0.0
        """Of the pieces so far."""

    def look(self, piece: Piece) -> None:
        """Keep of a piece what encoders of the whole clip will read; `shown` comes after."""
        alone = piece.last and not self.duration_s
        media, _ = piece.around(0)
        self.duration_s += media.duration_s
        if alone:
            self._whole = media
            return
        for item, arrays in self._kept.items():
            array = media[item]
            if array is not None:
                arrays.append(array)
        if piece.last:
            kept = {
                item: _joined(arrays, axis=1 if isinstance(item, Sound) else 0) if arrays else None
                for item, arrays in self._kept.items()
            }
            self._whole = replace(media, kept=kept, duration_s=self.duration_s)
            self._kept.clear()

    def shown(self, spec: Spec, piece: Piece) -> Media | None:
        """What an encoder is to encode for `piece`: if it needs the whole, nothing but the last."""
        if spec.sees_s is None:
            return self._whole if piece.last else None
        return piece.around(spec.sees_s)[0]

    def add(self, spec: Spec, piece: Piece, rows: np.ndarray) -> None:
        """Take the rows of what was shown, without those of the seconds around the piece."""
        if spec.sees_s:
            first = round(piece.around(spec.sees_s)[1] * spec.rate_hz)
            n = None if piece.own_s is None else round(piece.own_s * spec.rate_hz)
            rows = rows[first : None if n is None else first + n]
        self._rows[spec.name].append(rows)

    def rows(self, name: str) -> np.ndarray:
        """All rows (T, *shape) of an encoder; the last piece was added."""
        return _joined(self._rows.pop(name))


def _joined(parts: list[np.ndarray], axis: int = 0) -> np.ndarray:
    """The parts after each other along `axis`; each is let go as soon as it is copied."""
    if len(parts) == 1:
        return parts.pop()
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    whole = np.empty(shape, parts[0].dtype)
    end = shape[axis]
    while parts:
        part = parts.pop()
        start = end - part.shape[axis]
        whole.swapaxes(0, axis)[start:end] = part.swapaxes(0, axis)
        end = start
    return whole

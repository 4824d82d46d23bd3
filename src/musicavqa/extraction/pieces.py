"""A clip piece by piece: a long one is neither decoded nor encoded as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from musicavqa.encoders.spec import Spec
from musicavqa.extraction.encoding import Encoder, encode_clips, with_one_blas_thread
from musicavqa.media import SOUND, Media, MediaError, Piece, Sound, read_pieces
from musicavqa.records import Clip

PIECE_S = 60
"""The shortest piece; those of an hour are decoded and encoded like sixty clips of a minute."""


def decode(clip: Clip, encoders: Sequence[Encoder], max_s: float | None = None) -> Iterator[Piece]:
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
    )


@with_one_blas_thread
def encode_clip(clip: Clip, encoders: Sequence[Encoder]) -> dict[str, np.ndarray]:
    """Rows of one clip by encoder name."""
    growing = Growing(encoders)
    for piece in decode(clip, encoders):
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
        self._rows = {encoder.spec.name: _Strip() for encoder in encoders}
        whole = [encoder.spec for encoder in encoders if encoder.spec.sees_s is None]
        items = [item for spec in whole for item in spec.reads]
        self._kept = {item: _Strip(axis=isinstance(item, Sound)) for item in items}
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
        for item, strip in self._kept.items():
            array = media[item]
            if array is not None:
                strip.add(array)
        if piece.last:
            kept = {item: strip.array for item, strip in self._kept.items()}
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
        self._rows[spec.name].add(rows)

    def rows(self, name: str) -> np.ndarray:
        """All rows (T, *shape) of an encoder; the last piece was added."""
        rows = self._rows.pop(name).array
        assert rows is not None
        return rows


class _Strip:
    """An array that grows along one axis where it lies: joined parts would all be there twice."""

    def __init__(self, axis: int = 0) -> None:
        self._axis = axis
        self._grown: np.ndarray | None = None  # with that axis in front
        self._is_own = False  # the first part is somebody else's

    @property
    def array(self) -> np.ndarray | None:
        """All that was added; None before anything was."""
        return None if self._grown is None else self._grown.swapaxes(0, self._axis)

    def add(self, part: np.ndarray) -> None:
        """Put `part` behind the rest."""
        part = part.swapaxes(0, self._axis)
        if self._grown is None:
            self._grown = part
            return
        if not self._is_own:
            self._grown, self._is_own = np.array(self._grown, order="C"), True
        n = len(self._grown)
        self._grown.resize((n + len(part), *part.shape[1:]), refcheck=False)
        self._grown[n:] = part

"""Take what is decoded in pieces of whole seconds, so that a long file is never held whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from musicavqa.media.account import Account
from musicavqa.media.limits import HELD_BYTES
from musicavqa.media.pictures import Grid, Screen
from musicavqa.media.sound import Resampled, Track
from musicavqa.media.wanted import Media, Piece, Wanted


@dataclass(frozen=True)
class Cut:
    """How a file is cut into pieces: their length (None: one piece), and what is around each."""

    piece_s: int | None = None
    around_s: int = 0

    def __post_init__(self) -> None:
        if self.piece_s is None:
            return
        if self.around_s < 0 or self.piece_s < max(1, 2 * self.around_s):
            raise ValueError(
                f"piece_s is {self.piece_s}; it must be above 0 and twice {self.around_s}."
            )


class Cutter:
    """Gives out each piece once what comes after it is there, too; then the rest."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        screen: Screen | None,
        track: Track | None,
        cut: Cut,
        empty: Callable[[Screen | Track], None],  # decodes what a sense still holds
    ) -> None:
        self.empty = empty
        self.wanted, self.screen, self.track = wanted, screen, track
        self.grids = screen.grids if screen else []
        self.sounds = track.resampled if track else []
        self.parts: list[Grid | Resampled] = [*self.grids, *self.sounds]
        self.around_s, self.start_s = cut.around_s, 0
        rates_hz = [float(grid.wanted.rate_hz) for grid in self.grids]
        cuts = [rate_hz * s for rate_hz in rates_hz for s in (cut.piece_s or 0, cut.around_s)]
        self.piece_s = cut.piece_s if all(n.is_integer() for n in cuts) else None
        self.spare_s = max([1, *(math.ceil(1 / rate_hz) for rate_hz in rates_hz)])

    @property
    def n_bytes(self) -> int:
        """Of what is decoded and not given out."""
        return sum(part.n_bytes for part in self.parts)

    def ready(self) -> bool:
        """True where a piece, what is around it and a picture after that are decoded."""
        if self.piece_s is None:
            return False
        until_s = self.start_s + self.piece_s + self.around_s + self.spare_s
        behind = self._behind(until_s)
        if len(behind) == 1 and self.n_bytes > HELD_BYTES:
            self._go_on_without(behind[0], until_s)
            behind = self._behind(until_s)
        if behind:
            return False  # asked after every packet, so the usual answer comes first
        return all(part.n >= until_s * part.wanted.rate_hz for part in self.parts)

    def _behind(self, until_s: float) -> list[Screen | Track]:
        """Senses that are not decoded up to `until_s`."""
        sinks = (self.screen, self.track)
        return [sink for sink in sinks if sink is not None and sink.reach_s < until_s]

    def _go_on_without(self, sink: Screen | Track, until_s: float) -> None:
        """Take a sense that has waited for long to have ended."""
        self.empty(sink)
        if isinstance(sink, Track):
            sink.silence(until_s)
        elif sink.frame is not None or not sink.grids:
            sink.force(until_s)

    def piece(self) -> Piece:
        """The next piece; `ready` is true."""
        assert self.piece_s is not None
        length_s, again_s = self._lead_s + self.piece_s + self.around_s, 2 * self.around_s
        kept: dict[Wanted, Any] = dict.fromkeys(self.wanted)
        for part in self.parts:
            rate_hz = part.wanted.rate_hz
            kept[part.wanted] = part.take(round(length_s * rate_hz), round(again_s * rate_hz))
        media = Media(kept, length_s, self.screen is not None, self._has_audio)
        piece = Piece(media, self._lead_s, self.piece_s)
        self.start_s += self.piece_s
        return piece

    def rest(self, account: Account) -> Piece:
        """All that is left of a file, of which `account` tells."""
        length_s = account.used_s - self.start_s + self._lead_s
        kept: dict[Wanted, Any] = dict.fromkeys(self.wanted)
        has_video = self.screen is not None and self.screen.n > 0
        if has_video:
            kept |= {grid.wanted: grid.take(len(grid.kept)) for grid in self.grids}
        if self._has_audio or (self.track is not None and self.start_s):
            for sound in self.sounds:
                kept[sound.wanted] = sound.take(round(length_s * sound.wanted.rate_hz))
        media = Media(kept, length_s, has_video, self._has_audio, account)
        return Piece(media, self._lead_s, None)

    @property
    def _has_audio(self) -> bool:
        return self.track is not None and self.track.last_s > 0

    @property
    def _lead_s(self) -> int:
        """Seconds before the piece that is next."""
        return min(self.around_s, self.start_s)

"""Take what is decoded in pieces of whole seconds, so that a long file is never held whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from musicavqa.media.pictures import Grid, Screen
from musicavqa.media.sound import Resampled, Track
from musicavqa.media.wanted import Media, Piece, Wanted


class Cutter:
    """Gives out each piece once what comes after it is there, too; then the rest."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        screen: Screen | None,
        track: Track | None,
        can_sound: bool,  # also where no sound is wanted
        piece_s: int | None,
        around_s: int,
    ) -> None:
        self.wanted, self.screen, self.track, self.can_sound = wanted, screen, track, can_sound
        self.grids = screen.grids if screen else []
        self.sounds = track.resampled if track else []
        self.around_s, self.start_s = around_s, 0
        rates_hz = [float(grid.wanted.rate_hz) for grid in self.grids]
        cuts = [rate_hz * s for rate_hz in rates_hz for s in (piece_s or 0, around_s)]
        self.piece_s = piece_s if all(n.is_integer() for n in cuts) else None
        self.spare_s = max([1, *(math.ceil(1 / rate_hz) for rate_hz in rates_hz)])

    def ready(self) -> bool:
        """True where a piece, what is around it and a picture after that are decoded."""
        if self.piece_s is None:
            return False
        until_s = self.start_s + self.piece_s + self.around_s + self.spare_s
        if any(sink is not None and sink.end_s < until_s for sink in (self.screen, self.track)):
            return False  # asked after every packet, so the usual answer comes first
        parts: list[Grid | Resampled] = [*self.grids, *self.sounds]
        return all(part.n >= until_s * part.wanted.rate_hz for part in parts)

    def piece(self) -> Piece:
        """The next piece; `ready` is true."""
        assert self.piece_s is not None
        length_s, again_s = self._lead_s + self.piece_s + self.around_s, 2 * self.around_s
        kept: dict[Wanted, Any] = dict.fromkeys(self.wanted)
        parts: list[Grid | Resampled] = [*self.grids, *self.sounds]
        for part in parts:
            rate_hz = part.wanted.rate_hz
            kept[part.wanted] = part.take(round(length_s * rate_hz), round(again_s * rate_hz))
        media = Media(kept, length_s, self.screen is not None, self._has_audio)
        piece = Piece(media, self._lead_s, self.piece_s)
        self.start_s += self.piece_s
        return piece

    def rest(self, duration_s: float, truncated: bool) -> Piece:
        """All that is left of a file of `duration_s`."""
        length_s = duration_s - self.start_s + self._lead_s
        kept: dict[Wanted, Any] = dict.fromkeys(self.wanted)
        has_video = self.screen is not None and self.screen.n > 0
        if has_video:
            kept |= {grid.wanted: grid.take(len(grid.kept)) for grid in self.grids}
        if self.track is not None and self.track.end_s:
            for sound in self.sounds:
                kept[sound.wanted] = sound.take(round(length_s * sound.wanted.rate_hz))
        media = Media(kept, length_s, has_video, self._has_audio, truncated)
        return Piece(media, self._lead_s, None)

    @property
    def _has_audio(self) -> bool:
        return bool(self.track.end_s) if self.track else self.can_sound

    @property
    def _lead_s(self) -> int:
        """Seconds before the piece that is next."""
        return min(self.around_s, self.start_s)

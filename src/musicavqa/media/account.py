"""What became of a file that was read: used, cut, held, damaged, silent, black; for people too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

SAID_S = 0.5
"""Shorter holes and tails are left unsaid."""
SILENT = 1e-3
"""-60 dB: sound that never reaches it is silence."""
BLACK = 24
"""Of 255: pictures that have no brighter point are black."""


@dataclass(frozen=True)
class Choice:
    """The track of one sense that was taken, counted from 1, of how many there are."""

    number: int
    of: int


@dataclass(frozen=True)
class Account:
    """How the seconds of a clip came about; `line` says it, `remarks` only what is unusual."""

    used_s: float
    announced_s: float | None = None
    """What the file says that it lasts; None where it is silent."""
    limited: bool = False
    """Reading stopped at the limit of seconds."""
    truncated: bool = False
    """More than one second of what the file announces is missing."""
    unread: float = 0.0
    """Share of the file, if large, behind the last packet that could be read."""
    n_damaged: int = 0
    """Packets and pictures that could not be decoded whole."""
    restarts_s: tuple[float, ...] = ()
    """Where time stamps start again or leap: recordings that were joined."""
    held_s: float = 0.0
    """For so long the last picture is held, as the sound goes on."""
    frozen_s: float = 0.0
    """For so long in all no new picture came for over a second; the one before is held."""
    late_s: float = 0.0
    """So late does the sound begin; zeros come before it."""
    mute_s: float = 0.0
    """For so long sound is missing in the middle; zeros stand there."""
    ended_s: float | None = None
    """Where the sound ends, if well before the pictures; zeros follow."""
    silent: bool = False
    black: bool = False
    aspect: float | None = None
    """Width by height of the picture as it is shown; None without picture."""
    picture: Choice | None = None
    sound: Choice | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a person should know before trusting rows or answers; empty for a plain file."""
        return tuple(self._remarks())

    @property
    def line(self) -> str:
        """One line: the seconds that were used, the sense that is missing, and the remarks."""
        lacking = [
            f"there is no {sense}"
            for sense, track, other in (
                ("picture", self.picture, self.sound),
                ("sound", self.sound, self.picture),
            )
            if track is None and other is not None
        ]
        return "; ".join([f"used {self.used_s:.1f} s", *lacking, *self.remarks])

    def as_dict(self) -> dict[str, Any]:
        """The same for machines."""
        return {**asdict(self), "line": self.line}

    def _remarks(self) -> Iterator[str]:
        if self.limited:
            of = f" of the {self.announced_s:.1f} s announced" if self.announced_s else ""
            yield f"only the first {self.used_s:.1f} s{of} (--max-seconds)"
        if self.truncated:
            longer = self.announced_s is not None and self.announced_s > self.used_s
            of = f": it announces {self.announced_s:.1f} s" if longer else ""
            yield f"the file is cut short{of}"
        if self.unread:
            yield f"the last {self.unread:.0%} of the file hold nothing that could be read"
        if self.n_damaged:
            yield f"damaged in {self.n_damaged} place{'' if self.n_damaged == 1 else 's'}"
        if self.restarts_s:
            where = ", ".join(f"{second:.1f} s" for second in self.restarts_s[:3])
            more = f" and {len(self.restarts_s) - 3} more" if len(self.restarts_s) > 3 else ""
            yield f"time stamps start again at {where}{more}: recordings were joined"
        yield from self._fills()
        yield from self._tracks()

    def _fills(self) -> Iterator[str]:
        if self.held_s > SAID_S:
            yield f"the last picture is held for {self.held_s:.1f} s, as the sound goes on"
        if self.frozen_s > SAID_S:
            yield f"the picture stands still for {self.frozen_s:.1f} s in all"
        if self.late_s > SAID_S:
            yield f"the sound begins at {self.late_s:.1f} s"
        if self.mute_s > SAID_S:
            yield f"sound is missing for {self.mute_s:.1f} s"
        if self.ended_s is not None:
            yield f"the sound ends at {self.ended_s:.1f} s"

    def _tracks(self) -> Iterator[str]:
        for sense, track, void in (
            ("picture", self.picture, "black" if self.black else ""),
            ("sound", self.sound, "silent" if self.silent else ""),
        ):
            if track is not None and track.of > 1:
                what = f"{sense} track {track.number} of {track.of} is used"
                yield f"{what}, which is {void}" if void else what
            elif void:
                yield f"the {sense} is {void}"

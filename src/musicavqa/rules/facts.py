"""The facts that decide an answer: who is seen, who sounds when, how loud and how fast.

Exact for a rendered scene (`bandstand.truth`), sampled for what was perceived of a clip (`tables`).
A player *sounds* from his first note on; rests shorter than `REST_S` do not interrupt him, so
`intervals` and `playing_s` describe playing, not single notes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

REST_S = 1.0
"""A rest shorter than this belongs to the playing."""
LEFT_X, RIGHT_X = 0.4, 0.6
"""Left of the first is 'left', right of the second is 'right', the rest is 'middle'."""

Interval = tuple[float, float]


NAN = float("nan")


@dataclass(frozen=True)
class Player:
    """One player. Times and levels are NaN where nothing is heard; `x` is 0 left to 1 right."""

    instrument: str
    visible: bool
    heard: bool = False
    moves: bool = False
    x: float = NAN
    region: str = ""
    """'left', 'middle' or 'right' of the picture; of no meaning where he is not in it."""
    level_db: float = NAN
    first_onset_s: float = NAN
    last_offset_s: float = NAN
    intervals: tuple[Interval, ...] = ()
    playing_s: float = 0.0
    onset_rate: float = NAN
    """Distinct onsets per second of playing."""


@dataclass(frozen=True)
class Facts:
    """All facts of a performance that decide an answer."""

    duration_s: float
    place: str
    voiceover: bool
    dubbed: bool
    players: tuple[Player, ...]

    @property
    def seen(self) -> list[Player]:
        """Players in the picture."""
        return [p for p in self.players if p.visible]

    @property
    def heard(self) -> list[Player]:
        """Players that sound, in the picture or not."""
        return [p for p in self.players if p.heard]

    @property
    def sounding(self) -> list[Player]:
        """Players that are both seen and heard."""
        return [p for p in self.players if p.visible and p.heard]

    @property
    def offscreen(self) -> list[Player]:
        """Players that are heard but not seen."""
        return [p for p in self.players if p.heard and not p.visible]


def region(x: float) -> str:
    """The third of the picture that holds `x`: 'left', 'middle' or 'right'."""
    return "left" if x < LEFT_X else "right" if x > RIGHT_X else "middle"


def overlap_s(first: Iterable[Interval], second: Iterable[Interval]) -> float:
    """Seconds that two sets of intervals share."""
    second = list(second)
    return sum(max(0.0, min(b, d) - max(a, c)) for a, b in first for c, d in second)


def share_of_steps(intervals: Iterable[Interval], n_steps: int, per_second: int) -> np.ndarray:
    """How much of each step lies within the intervals (which do not overlap), 0 to 1."""
    edges = np.arange(n_steps + 1) / per_second
    inside = [np.minimum(edges[1:], b) - np.maximum(edges[:-1], a) for a, b in intervals]
    return np.clip(inside, 0, None).sum(0) * per_second if inside else np.zeros(n_steps)


def names(players: Iterable[Player]) -> list[str]:
    """The different instruments of some players, in alphabetical order."""
    return sorted({player.instrument for player in players})


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Intervals in order, joined where the rest between them is shorter than REST_S."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start - joined[-1][1] < REST_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((float(start), float(end)))
    return tuple(joined)

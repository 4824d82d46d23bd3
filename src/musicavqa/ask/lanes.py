"""The score of a performance: one lane for each performer, and for each instrument only heard.

A reading is unsure, and its senses are joined only where tables are drawn from it (`rules.tables`).
So the score is what those tables, from which questions are answered, say on the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading, Seen
from musicavqa.rules.answerer import entry_in_picture
from musicavqa.rules.facts import Player, merged, names, region
from musicavqa.rules.tables import N_TABLES, Table, tables_of

TOLD = 0.2
"""Who is there under one name, or sounds, with a smaller share has no lane."""
LIKELY = 0.5
"""Who is there with this share has a lane, whatever his name."""
RARE = 0.05
"""What fewer tables allow at all is not asked of them."""

Drawn = list[tuple[float, Player]]
"""Weight of a table, and somebody in it."""


@dataclass(frozen=True, eq=False)
class Lane:
    """Somebody in the picture, or an instrument that is only heard; shares are probabilities."""

    names: tuple[tuple[str, float], ...]
    """Instruments and their shares, the likeliest first, sight and hearing joined."""
    seen: Seen | None
    """None for an instrument that is only heard."""
    there: float
    """That he is there at all; for an instrument that is only heard, that it is heard."""
    sounds: float
    """That he is there and sounds."""
    sure: np.ndarray
    """(K,) that he sounds at each tick."""
    enters_s: float | None = None
    """This and the next: medians of the tables in which he sounds; None where he sounds in none."""
    playing_s: float | None = None
    level_db: float | None = None
    """Only differences between lanes mean anything."""
    onset_rate: float | None = None
    """Notes per second of playing."""

    @property
    def named(self) -> float:
        """That he is there with the likeliest instrument."""
        return self.there * self.names[0][1]

    @property
    def instrument(self) -> str:
        """The likeliest."""
        return self.names[0][0]

    @property
    def place(self) -> str:
        """'left', 'middle', 'right' or 'unseen'."""
        return "unseen" if self.seen is None else region(self.seen.x)

    @property
    def title(self) -> str:
        """'violin (left)'."""
        return f"{self.instrument} ({self.place})"


@dataclass(frozen=True)
class Score:
    """A reading as it is shown."""

    reading: Reading
    lanes: tuple[Lane, ...]
    """Performers from left to right, then instruments that are only heard, the surest first."""
    fits: float | None
    """That anybody in the picture sounds; None where hardly anybody is seen or nothing is heard."""
    heard: Mapping[str, Lane]
    """Each instrument that some table hears, seen or not, all its players together."""
    tables: tuple[Table, ...]
    """What all of it is counted from."""

    @property
    def sounding(self) -> tuple[Lane, ...]:
        """Lanes of those who sound, as far as can be told."""
        return tuple(lane for lane in self.lanes if lane.sounds >= TOLD)

    def as_dict(self) -> dict[str, object]:
        """Lanes and fit for machines; levels against that of the loudest."""
        lanes = [_plain(lane, self.loudest_db) for lane in self.lanes]
        return {"lanes": lanes, "fits": None if self.fits is None else round(self.fits, 4)}

    def entry(self, which: str) -> tuple[Lane, float] | None:
        """Who of those in the picture is 'first' or 'last' to sound, and how surely he clearly is;
        None where nobody is in any table."""
        shares = np.zeros(len(self.reading.seen))
        for table in self.tables:
            winner = entry_in_picture(table.facts, which)
            there = zip(table.choices.there, table.facts.players, strict=False)
            for index, player in there:
                shares[index] += table.weight * (player is winner)
        if not shares.any():
            return None
        best = int(shares.argmax())
        found = (lane for lane in self.lanes if lane.seen is self.reading.seen[best])
        return next(((lane, float(shares[best])) for lane in found), None)

    @property
    def loudest_db(self) -> float:
        """Level of the loudest of those who sound; 0 where nobody does."""
        levels = [lane.level_db for lane in self.sounding if lane.level_db is not None]
        return max(levels, default=0.0)


def score_of(reading: Reading) -> Score:
    """The score of this reading; the same reading gives the same score."""
    tables = tables_of(reading, N_TABLES)
    performers: list[Drawn] = [[] for _ in reading.seen]
    hidden: dict[str, Drawn] = {}
    for table in tables:
        players, there = table.facts.players, table.choices.there
        for index, player in zip(there, players, strict=False):
            performers[index].append((table.weight, player))
        for player in players[len(there) :]:
            hidden.setdefault(player.instrument, []).append((table.weight, player))
    seen = [
        _lane(drawn, reading, performer)
        for drawn, performer in zip(performers, reading.seen, strict=True)
        if drawn
    ]
    heard = sorted((_lane(drawn, reading) for drawn in hidden.values()), key=lambda x: -x.sounds)
    likely = [x for x in seen if x.there >= LIKELY or x.named >= TOLD]
    kept = likely + [x for x in heard if x.sounds >= TOLD]
    found = {name: _lane(drawn, reading) for name, drawn in _by_instrument(tables).items()}
    return Score(reading, tuple(kept), _fits(tables), found, tables)


def _by_instrument(tables: Sequence[Table]) -> dict[str, Drawn]:
    """Of each instrument that is heard, one player a table who stands for all of his kind."""
    found: dict[str, Drawn] = {}
    for table in tables:
        for name in names(table.facts.heard):
            players = [player for player in table.facts.heard if player.instrument == name]
            found.setdefault(name, []).append((table.weight, _together(players)))
    return found


def _together(players: Sequence[Player]) -> Player:
    """Equal instruments as one: all their times, the loudest level, the fastest rate."""
    if len(players) == 1:
        return players[0]
    spans = merged(span for player in players for span in player.intervals)
    return replace(
        players[0],
        intervals=spans,
        first_onset_s=spans[0][0],
        playing_s=sum(stop - start for start, stop in spans),
        level_db=max(player.level_db for player in players),
        onset_rate=max(player.onset_rate for player in players),
    )


def _lane(drawn: Drawn, reading: Reading, performer: Seen | None = None) -> Lane:
    """What the tables say of one of their players."""
    there = sum(weight for weight, _ in drawn)
    shares = np.zeros(len(INSTRUMENTS))
    for weight, player in drawn:
        shares[INSTRUMENTS.index(player.instrument)] += weight / max(there, 1e-12)
    ranked = tuple((INSTRUMENTS[i], float(shares[i])) for i in np.argsort(-shares) if shares[i])
    sounding = [(weight, player) for weight, player in drawn if player.heard]
    medians = {
        name: _median(sounding, attribute)
        for name, attribute in {
            "enters_s": "first_onset_s",
            "playing_s": "playing_s",
            "level_db": "level_db",
            "onset_rate": "onset_rate",
        }.items()
    }
    sounds = float(sum(weight for weight, _ in sounding))
    return Lane(ranked, performer, float(there), sounds, _sure(sounding, reading), **medians)


def _sure(drawn: Drawn, reading: Reading) -> np.ndarray:
    """(K,) weight of the tables in which he sounds at each tick."""
    n_ticks = len(reading.activity)
    steps = np.zeros(n_ticks + 1)
    for weight, player in drawn:
        for start_s, stop_s in player.intervals:
            steps[min(n_ticks, round(start_s / reading.tick_s))] += weight
            steps[min(n_ticks, round(stop_s / reading.tick_s))] -= weight
    return np.clip(steps.cumsum()[:-1], 0.0, 1.0)


def _median(drawn: Drawn, attribute: str) -> float | None:
    """Weighted median."""
    if not drawn:
        return None
    values = np.array([getattr(player, attribute) for _, player in drawn])
    order = values.argsort()
    total = np.cumsum(np.array([weight for weight, _ in drawn])[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _fits(tables: Sequence[Table]) -> float | None:
    """Of the tables with somebody seen and something heard, where anybody seen sounds."""
    asked = [table for table in tables if table.facts.seen and table.facts.heard]
    total = sum(table.weight for table in asked)
    if total < RARE:
        return None
    return float(sum(table.weight for table in asked if table.facts.sounding) / total)


def _plain(lane: Lane, loudest_db: float) -> dict[str, object]:
    """A lane as plain numbers."""
    numbers = {
        "there": lane.there,
        "sounds": lane.sounds,
        "x": None if lane.seen is None else lane.seen.x,
        "enters_s": lane.enters_s,
        "playing_s": lane.playing_s,
        "level_db": None if lane.level_db is None else lane.level_db - loudest_db,
        "onset_rate": lane.onset_rate,
    }
    rounded = {name: None if x is None else round(x, 4) for name, x in numbers.items()}
    return {
        "instruments": {name: round(share, 4) for name, share in lane.names},
        "place": lane.place,
        **rounded,
        "box": None if lane.seen is None else [round(edge, 4) for edge in lane.seen.box],
        "sure": lane.sure.round(4).tolist(),
    }

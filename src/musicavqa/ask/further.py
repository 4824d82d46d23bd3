"""Answers beyond the 33 templates: from the tables that fit a reading, from loudness, from music.

Each kind of question has one rule with a name; docs/further_questions.md has how often each is
right on rendered truth. Where a rule is not sure nothing is answered, and it is said why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from musicavqa.ask.further_words import Further
from musicavqa.ask.music import Music
from musicavqa.records import Reading
from musicavqa.rules.facts import Player, merged
from musicavqa.rules.tables import N_TABLES, Table, tables_of

LEAST = 0.5
"""With a smaller confidence it would rather be wrong: that is no answer."""
ENTRY_S = 0.5
"""Entries and ends that differ by less are the same, as in the benchmark."""
DURATION_SHARE = 0.12
"""Of the clip: durations that differ by less are the same, likewise."""
LOUDER_DB = 3.0
"""The last third against the first: a smaller difference is none."""
PARTS = 3


@dataclass(frozen=True)
class Found:
    """What a rule found; `answer` is None where it is not sure, and `why` then says so."""

    answer: str | None
    confidence: float | None = None
    """A probability; None where the rule has none."""
    facts: tuple[str, ...] = ()
    why: str = ""
    value: float | None = None
    """The same as a number: seconds, dB, beats a minute."""


def answer_further(
    asked: Further, reading: Reading, peaks: np.ndarray, music: Callable[[], Music]
) -> Found:
    """The answer to one question; `peaks` (n,) are of the sound, in equal steps.

    `music` is called only where tempo or key are asked for: it may take as long as the reading.
    """
    if asked.rule == "instruments" and asked.sense == "seen" and not reading.has_picture:
        return Found(None, why="there is no picture")
    if (asked.rule != "instruments" or asked.sense == "heard") and not reading.has_sound:
        return Found(None, why="there is no sound")
    if asked.rule == "louder":
        return _louder(peaks, asked.falling)
    if asked.rule == "tempo":
        return _tempo(music())
    if asked.rule == "key":
        return _key(music())
    tables = tables_of(reading, N_TABLES)
    if asked.rule == "instruments":
        return _instruments(tables, asked.sense)
    assert asked.instrument is not None
    return _moment(tables, asked, reading.duration_s)


def _moment(tables: Sequence[Table], asked: Further, duration_s: float) -> Found:
    """Entry, end or duration of an instrument, all its players taken together."""
    drawn = [(table.weight, _heard(table, asked.instrument)) for table in tables]
    total = sum(weight for weight, _ in drawn)
    sounding = [(weight / total, players) for weight, players in drawn if players]
    heard = sum(weight for weight, _ in sounding)
    name = asked.instrument
    if heard < 0.5:
        return Found(f"the {name} is not heard", 1 - heard, (f"{name} heard {heard:.0%}",))
    values = np.array([_value(asked, players) for _, players in sounding])
    weights = np.array([weight for weight, _ in sounding])
    order = values.argsort()
    middle = float(values[order][np.searchsorted(weights[order].cumsum(), heard / 2)])
    near_s = DURATION_SHARE * duration_s if asked.rule == "duration" else ENTRY_S
    sure = float(weights[np.abs(values - middle) <= near_s].sum())
    facts = (f"{name} heard {heard:.0%}", f"within {near_s:.1f} s of it {sure:.0%}")
    return _sure(Found(f"{middle:.1f} s", sure, facts, value=middle))


def _heard(table: Table, name: str | None) -> list[Player]:
    return [p for p in table.facts.heard if p.instrument == name and p.intervals]


def _value(asked: Further, players: Sequence[Player]) -> float:
    spans = merged([span for player in players for span in player.intervals])
    if asked.rule == "entry":
        return spans[0][0]
    if asked.rule == "end":
        return spans[-1][1]
    return sum(stop - start for start, stop in spans)


def _instruments(tables: Sequence[Table], sense: str) -> Found:
    """Those that more tables have than not, and how many tables have just these."""
    shares: dict[str, float] = {}
    sets: dict[frozenset[str], float] = {}
    for table in tables:
        facts = table.facts
        players = {"heard": facts.heard, "seen": facts.seen}.get(sense, facts.seen + facts.heard)
        names = frozenset(player.instrument for player in players)
        sets[names] = sets.get(names, 0.0) + table.weight
        for name in names:
            shares[name] = shares.get(name, 0.0) + table.weight
    total = sum(sets.values())
    ranked = sorted(shares, key=lambda name: -shares[name])
    kept = [name for name in ranked if shares[name] > total / 2]
    facts_said = tuple(f"{name} {shares[name] / total:.0%}" for name in ranked[: len(kept) + 1])
    sure = sets.get(frozenset(kept), 0.0) / total
    return _sure(Found(", ".join(kept) or "none", sure, facts_said))


def _louder(peaks: np.ndarray, falling: bool) -> Found:
    """Loudness of the last third of the clip against that of the first."""
    parts = [np.square(part.astype(float)).mean() for part in np.array_split(peaks, PARTS)]
    if len(peaks) < PARTS or not min(parts[0], parts[-1]):
        return Found(None, why="the first or the last third is silent")
    rise_db = 10 * float(np.log10(parts[-1] / parts[0]))
    changed = abs(rise_db) >= LOUDER_DB
    facts = (f"last third {rise_db:+.1f} dB against the first",)
    said = "yes" if changed and (rise_db < 0) == falling else "no"
    return Found(said, None, facts, value=rise_db)


def _tempo(music: Music) -> Found:
    if music.left_out or music.tempo_bpm is None:
        return Found(None, why=music.left_out or "no sure tempo")
    facts = (f"confidence of the tempo {music.tempo_confidence:.2f}",)
    return Found(f"{music.tempo_bpm:.0f} beats a minute", None, facts, value=music.tempo_bpm)


def _key(music: Music) -> Found:
    if music.left_out or music.key is None:
        return Found(None, why=music.left_out or "no sure key")
    return Found(music.key, None, (f"clearness of the key {music.key_clearness:.2f}",))


def _sure(found: Found) -> Found:
    if found.confidence is None or found.confidence >= LEAST:
        return found
    return Found(None, found.confidence, found.facts, why=f"not sure enough ({found.answer}?)")

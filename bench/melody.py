"""Whether it can be told who plays the melody, on rendered truth: docs/further_questions.md.

    python bench/melody.py --data DATA --features FEATURES [--split val] [--clips N]

Needs the streams of bandleader and `music_notes` in the store. *Melody* is taken as the highest
voice: the pitched instrument whose note is the highest in most of the tenths of a second in which
any sounds. (The tune generator gives most ensembles one and the same line, so it names no player.)
Asked are clips with two or more pitched instruments of which one is on top at least `CLEAR` of
the time. Guesses, from the performances that fit a reading:

* range: an instrument sounds in the middle of its range;
* notes: there, and where the notes heard while it sounds say (expectation-maximisation);
* truth: at the true mean of its notes, so only the reading can be wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from further_questions import wilson
from musicavqa.bandstand.patches import PERCUSSION, RANGES
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading
from musicavqa.rules.tables import N_TABLES, Table, tables_of
from reading_scene import options, readings

CLEAR = 0.6
LEAST = 0.5
"""With a smaller share of the performances nothing is answered."""
LOWEST = 21
"""MIDI pitch of the first of the 88 keys."""
HEARD = 0.3
"""Posterior of a note that counts."""
SPREAD, PRIOR = 6.0, 10.0
"""Semitones around the mean in which an instrument plays; ticks that its range counts for."""
UNSURE = 4.0
"""Semitones by which a mean may be wrong."""
ROUNDS = 8
PITCHED = np.array([name not in PERCUSSION for name in INSTRUMENTS])
MIDDLE = np.array([sum(RANGES[name]) / 2 for name in INSTRUMENTS])


@dataclass(frozen=True)
class Truth:
    """Who is on top, what share of the time, of how many; and where each plays, NaN for nowhere."""

    top: int
    share: float
    n_pitched: int
    means: np.ndarray


def truth_of(scene: dict[str, Any], n_ticks: int) -> Truth | None:
    """None where nobody with a pitch sounds."""
    pitch = np.full((n_ticks, len(INSTRUMENTS)), -np.inf)
    for player in scene["players"]:
        column = INSTRUMENTS.index(player["instrument"])
        for onset, offset, key, _ in player["notes"] if PITCHED[column] else ():
            row = slice(round(onset * 10), max(round(onset * 10) + 1, round(offset * 10)))
            pitch[row, column] = np.maximum(pitch[row, column], key)
    sounding = np.isfinite(pitch)
    if not sounding.any():
        return None
    tops = np.bincount(pitch[sounding.any(1)].argmax(1), minlength=len(INSTRUMENTS))
    n = sounding.sum(0)
    means = np.divide(np.where(sounding, pitch, 0).sum(0), n, np.full(len(n), np.nan), where=n > 0)
    return Truth(int(tops.argmax()), float(tops.max() / tops.sum()), int((n > 0).sum()), means)


def by_notes(reading: Reading, notes: np.ndarray) -> np.ndarray:
    """(22,) mean pitch of each instrument, by notes (n, 88) heard while it may sound."""
    n = min(len(reading.activity), len(notes))
    padded = np.pad(notes[:n], ((0, 0), (1, 1)))
    peak = (notes[:n] >= HEARD) & (notes[:n] >= padded[:, :-2]) & (notes[:n] >= padded[:, 2:])
    ticks, keys = np.nonzero(peak)
    weight, pitch = notes[ticks, keys][:, None], (keys + LOWEST)[:, None]
    sounds = reading.activity[ticks] * PITCHED
    means = MIDDLE
    for _ in range(ROUNDS):
        share = sounds * np.exp(-((pitch - means) ** 2) / (2 * SPREAD**2))
        share = weight * share / (share.sum(1, keepdims=True) + 0.02)
        means = (PRIOR * MIDDLE + (share * pitch).sum(0)) / (PRIOR + share.sum(0))
    return means


def votes(
    tables: Sequence[Table],
    means: np.ndarray,
    unsure: float,
    n_ticks: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """(22,) share of the performances in which each instrument is on top most of the time."""
    found = np.zeros(len(INSTRUMENTS))
    for table in tables:
        drawn = means + rng.normal(0, unsure, len(means))
        pitch = np.full((n_ticks, len(INSTRUMENTS)), -np.inf)
        for player in table.facts.heard:
            column = INSTRUMENTS.index(player.instrument)
            for start, stop in player.intervals if PITCHED[column] else ():
                pitch[round(start * 10) : round(stop * 10), column] = drawn[column]
        sounding = np.isfinite(pitch).any(1)
        if sounding.any():
            tops = np.bincount(pitch[sounding].argmax(1), minlength=len(INSTRUMENTS))
            found[tops.argmax()] += table.weight
    return found / sum(table.weight for table in tables)


def main() -> None:
    from musicavqa.features.streams import open_streams

    given = options(__doc__).parse_args()
    store = open_streams(given.features, ["music_notes"])["music_notes"]
    told: dict[str, list[tuple[bool, float]]] = {"range": [], "notes": [], "truth": []}
    chance: list[float] = []
    found = readings(given.data, given.features, given.split, given.run, given.clips)
    for number, (clip, reading) in enumerate(found, 1):
        assert clip.scene is not None
        print(f"\r{number} clips", end="", file=sys.stderr, flush=True)
        n_ticks = len(reading.activity)
        truth = truth_of(clip.scene, n_ticks)
        if truth is None or truth.n_pitched < 2 or truth.share < CLEAR:
            continue
        chance.append(1 / truth.n_pitched)
        tables, rng = tables_of(reading, N_TABLES), np.random.default_rng(0)
        notes = np.asarray(store[clip.id], np.float64)
        guesses = {
            "range": (MIDDLE, UNSURE),
            "notes": (by_notes(reading, notes), UNSURE),
            "truth": (np.where(np.isnan(truth.means), MIDDLE, truth.means), 0.0),
        }
        for name, (means, unsure) in guesses.items():
            shares = votes(tables, means, unsure, n_ticks, rng)
            told[name].append((bool(shares.argmax() == truth.top), float(shares.max())))
    print(file=sys.stderr)
    print(f"chance {np.mean(chance):.1%} of {len(chance)} clips asked")
    print(f"| by | right of those answered, {given.split} | [95 %] | answered | asked |")
    print("|---|---|---|---|---|")
    for name, rows in told.items():
        answered = [right for right, sure in rows if sure >= LEAST]
        low, high = wilson(sum(answered), len(answered))
        share = sum(answered) / len(answered)
        print(f"| {name} | {share:.1%} | [{low:.1%}, {high:.1%}] | {len(answered)} | {len(rows)} |")


if __name__ == "__main__":
    main()

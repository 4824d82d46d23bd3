"""How well a reading holds against the truth of rendered clips: the table of docs/reading.md.

    python bench/reading_scene.py --data DATA --features FEATURES [--split test] [--run FOLDER]

Clips are those of the split whose streams are in the store (`musicavqa features extract`). No
question is asked. Intervals of 95 % are percentiles over clips drawn with replacement.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.ask.lanes import score_of
from musicavqa.bandstand.truth import Scene, clip_targets, read_truth, tick_targets
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Clip, Reading
from musicavqa.rules.answerer import ENTRY_S, LOUDER_DB, MORE_RHYTHMIC
from musicavqa.rules.tables import intervals

SAME_PLACE = 0.06
"""A performer found farther than this from a true one, in widths of the picture, is none."""

Pieces = dict[str, np.ndarray]
"""What one clip gives to each measure, one row per item."""


def measured(reading: Reading, scene: Scene) -> Pieces:
    """The pieces of one clip; pairs are (said, true)."""
    targets = clip_targets(scene)
    n_seconds = round(len(reading.activity) * reading.tick_s)
    active = tick_targets(scene, n_seconds)["activity_10hz"] > 0.5
    heard = targets["heard"] > 0
    fits = score_of(reading).fits
    return {
        "ticks": np.stack([reading.activity.ravel(), active[: len(reading.activity)].ravel()], 1),
        "set": np.array([((reading.heard >= 0.5) == heard).all()]),
        "ear": np.stack([reading.heard, heard, np.arange(len(heard))], 1),
        **_of_performers(reading, targets["performers"]),
        **_of_gestures(reading, scene),
        **_of_sounds(reading, targets),
        "voiceover": np.array([(reading.voiceover >= 0.5) == (targets["voiceover"][0] > 0)]),
        "outdoor": np.array([(reading.outdoor >= 0.5) == (targets["outdoor"][0] > 0)]),
        "dubbed": np.array([[0.5 if fits is None else 1 - fits, read_truth(scene).dubbed]]),
    }


def _of_performers(reading: Reading, performers: np.ndarray) -> Pieces:
    """performers (12, 6) instrument, x, y, height, heard, moves; NaN for nobody."""
    true = performers[~np.isnan(performers[:, 0])]
    matched = _matched([(seen.share, seen.x) for seen in reading.seen], true[:, 1])
    pairs = [(reading.seen[i], true[j]) for i, j in matched.items() if j is not None]
    n_said = sum(seen.share >= 0.5 for seen in reading.seen)
    rows = [(reading.seen[i].share, j is not None) for i, j in matched.items()]
    equal = [
        (one.sounds > other.sounds) == (mine[4] > his[4])
        for (one, mine), (other, his) in combinations(pairs, 2)
        if mine[0] == his[0] and mine[4] != his[4]
    ]
    return {
        "performers": np.array(rows, float).reshape(-1, 2),
        "seen": np.array([len(true)]),
        "count": np.array([n_said == len(true)]),
        "eye": np.array(
            [(seen.instruments.argmax() == row[0], row[0]) for seen, row in pairs], float
        ).reshape(-1, 2),
        "place": np.array([abs(seen.x - row[1]) for seen, row in pairs], float),
        "equal": np.array(equal, float),
        "moves": np.array([(seen.moves, row[5]) for seen, row in pairs], float).reshape(-1, 2),
    }


def _of_gestures(reading: Reading, scene: Scene) -> Pieces:
    """Of performers who are found: the ticks of those who sound, and who of those who move sounds.

    Nothing where movement was not judged.
    """
    players = [player for player in read_truth(scene).players if player.visible]
    seen = reading.seen
    found = _matched([(one.share, one.x) for one in seen], np.array([p.x for p in players]))
    pairs = [(seen[i], players[j]) for i, j in found.items() if j is not None]
    ticks = [
        np.stack([one.times, _ticks(player.intervals, reading)], 1)
        for one, player in pairs
        if player.heard and one.times is not None
    ]
    moving = [(one.in_step, player.heard) for one, player in pairs if player.moves]
    return {
        "gestures": np.concatenate([np.zeros((0, 2)), *ticks]),
        "in_step": np.array(moving, float).reshape(-1, 2),
    }


def _ticks(spans: Sequence[tuple[float, float]], reading: Reading) -> np.ndarray:
    """(K,) whether the middle of each tick lies within the spans."""
    middles = (np.arange(len(reading.activity)) + 0.5) * reading.tick_s
    return np.any([(start <= middles) & (middles < stop) for start, stop in spans], axis=0)


def _matched(said: Sequence[tuple[float, float]], true_x: np.ndarray) -> dict[int, int | None]:
    """The true performer of each said one (share, x), the surest first; none is taken twice."""
    free = set(range(len(true_x)))
    found: dict[int, int | None] = {}
    for i in sorted(range(len(said)), key=lambda i: -said[i][0]):
        near = min(free, key=lambda j: abs(true_x[j] - said[i][1]), default=None)
        found[i] = (
            near if near is not None and abs(true_x[near] - said[i][1]) < SAME_PLACE else None
        )
        free -= {found[i]}
    return found


def _of_sounds(reading: Reading, targets: dict[str, np.ndarray]) -> Pieces:
    """Orders of loudness and rate where truth is clear, and when instruments come in."""
    heard = np.flatnonzero(targets["heard"] > 0).tolist()
    louder, rate = targets["loudness"], np.log(targets["onset_rate"])
    entries = []
    for name in heard:
        spans = intervals(reading.activity[:, name], 0.5, reading)
        away = abs(spans[0][0] - targets["first_onset_s"][name]) if spans else np.inf
        entries.append(away)
    return {
        "level": _orders(reading.level_db, louder, heard, LOUDER_DB),
        "rate": _orders(reading.onset_rate, rate, heard, float(np.log(MORE_RHYTHMIC))),
        "entry": np.array(entries, float),
    }


def _orders(said: np.ndarray, true: np.ndarray, heard: Sequence[int], margin: float) -> np.ndarray:
    pairs = [(a, b) for a, b in combinations(heard, 2) if abs(true[a] - true[b]) >= margin]
    return np.array([(said[a] > said[b]) == (true[a] > true[b]) for a, b in pairs], float)


def average_precision(said: np.ndarray, true: np.ndarray, n_true: float | None = None) -> float:
    """Mean precision at each true item, ties in one step; NaN without true items.

    `n_true` counts those that were never said, too.
    """
    n = float(true.sum()) if n_true is None else n_true
    if not n:
        return float("nan")
    if not len(said):
        return 0.0
    order = np.argsort(-said, kind="stable")
    hits, ranks = np.cumsum(true[order]), np.arange(1, len(said) + 1)
    last = np.append(np.diff(said[order]) != 0, True)  # of equal ones, the last counts for all
    precision, gained = (hits / ranks)[last], np.diff(hits[last], prepend=0)
    return float((precision * gained).sum() / n)


def f1(said: np.ndarray, true: np.ndarray) -> float:
    """Of what is said with 0.5 or more; NaN where nothing is said and nothing true."""
    found = said >= 0.5
    total = found.sum() + true.sum()
    return float(2 * (found & (true > 0)).sum() / total) if total else float("nan")


def auc(said: np.ndarray, true: np.ndarray) -> float:
    """Share of pairs of a true and a false item in which the true one is said more surely."""
    yes, no = said[true > 0], said[true == 0]
    if not len(yes) or not len(no):
        return float("nan")
    ordered = np.sort(no)
    below = np.searchsorted(ordered, yes) + np.searchsorted(ordered, yes, "right")
    return float(below.sum() / (2 * len(yes) * len(no)))


def mean(values: np.ndarray) -> float:
    """NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")


def _among(name: int, measure: Callable[[np.ndarray], float]) -> Callable[[Pieces], float]:
    """The measure on rows of one instrument, whose number is in their last column."""
    key = "ear" if measure is _ear_f1 else "eye"
    return lambda p: measure(p[key][p[key][:, -1] == name])


def _ear_f1(rows: np.ndarray) -> float:
    return f1(rows[:, 0], rows[:, 1])


def _eye_right(rows: np.ndarray) -> float:
    return mean(rows[:, 0])


MEASURES: dict[str, tuple[str, Callable[[Pieces], float]]] = {
    "activity per tick, AP": ("ticks", lambda p: average_precision(*p["ticks"].T)),
    "activity per tick, F1 at 0.5": ("ticks", lambda p: f1(*p["ticks"].T)),
    "exact set of heard instruments": ("set", lambda p: mean(p["set"])),
    "performers, AP": (
        "seen",
        lambda p: average_precision(*p["performers"].T, n_true=float(p["seen"].sum())),
    ),
    "number of performers right": ("count", lambda p: mean(p["count"])),
    "instrument right, given the place": ("eye", lambda p: _eye_right(p["eye"])),
    "place, median error (widths)": (
        "place",
        lambda p: float(np.median(p["place"])) if len(p["place"]) else float("nan"),
    ),
    "which of two equal instruments sounds": ("equal", lambda p: mean(p["equal"])),
    "moves or stands still, AUC": ("moves", lambda p: auc(*p["moves"].T)),
    "who plays or pretends, of those who move, AUC": ("in_step", lambda p: auc(*p["in_step"].T)),
    "ticks of a performer who sounds, AUC": ("gestures", lambda p: auc(*p["gestures"].T)),
    f"louder of two, {LOUDER_DB} dB apart or more": ("level", lambda p: mean(p["level"])),
    f"faster of two, {MORE_RHYTHMIC} times or more": ("rate", lambda p: mean(p["rate"])),
    f"entry within {ENTRY_S} s": ("entry", lambda p: mean(p["entry"] <= ENTRY_S)),
    "entry, median error (s)": (
        "entry",
        lambda p: float(np.median(p["entry"])) if len(p["entry"]) else float("nan"),
    ),
    "voice-over": ("voiceover", lambda p: mean(p["voiceover"])),
    "outdoors": ("outdoor", lambda p: mean(p["outdoor"])),
    "dubbed, AUC": ("dubbed", lambda p: auc(*p["dubbed"].T)),
}
"""Name -> (what is counted, measure)."""
BY_NAME = {
    f"{name}, by ear (F1)": ("ear", _among(i, _ear_f1)) for i, name in enumerate(INSTRUMENTS)
} | {f"{name}, by eye": ("eye", _among(i, _eye_right)) for i, name in enumerate(INSTRUMENTS)}


@dataclass(frozen=True)
class Row:
    """One measure, its interval over clips, and of how many items."""

    fact: str
    value: float
    low: float
    high: float
    n: int


def table(clips: Sequence[Pieces], resamples: int = 200) -> Iterator[Row]:
    """Every measure on all clips together."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(clips), (resamples, len(clips)))
    for fact, (key, measure) in (MEASURES | BY_NAME).items():
        keys = (key, "performers") if key == "seen" else (key,)
        value = measure(_together(clips, keys))
        again = [measure(_together([clips[i] for i in row], keys)) for row in drawn]
        known = [x for x in again if not np.isnan(x)] or [float("nan")]
        low, high = np.percentile(known, [2.5, 97.5])
        yield Row(fact, value, float(low), float(high), _n_items(clips, fact, key))


def _n_items(clips: Sequence[Pieces], fact: str, key: str) -> int:
    rows = _together(clips, (key,))[key]
    if fact in BY_NAME:
        rows = rows[rows[:, -1] == INSTRUMENTS.index(fact.split(",")[0])]
        return int(rows[:, 1].sum()) if key == "ear" else len(rows)
    return int(rows.sum()) if key == "seen" else len(rows)


def _together(clips: Sequence[Pieces], keys: Sequence[str]) -> Pieces:
    return {key: np.concatenate([clip[key] for clip in clips]) for key in keys}


def readings(
    data: Path, features: Path, split: str, run: Path | None, n_clips: int | None
) -> Iterator[tuple[Clip, Reading]]:
    """Clips of the split whose streams are in the store, and what is read of them."""
    from musicavqa.ask.asking import DEFAULT_CHECKPOINT
    from musicavqa.datasets import load_dataset
    from musicavqa.features.grids import on_one_grid
    from musicavqa.features.streams import open_streams
    from musicavqa.methods.registry import load_checkpoint
    from musicavqa.training.batches import collate

    loaded = load_checkpoint(run or DEFAULT_CHECKPOINT)
    streams = on_one_grid(open_streams(features, loaded.streams))
    clips, _ = load_dataset("bandstand", data, split)
    here = [clip for clip in clips if all(clip.id in store for store in streams.values())]
    if not here:
        raise ValueError(f"No clip of {split!r} is in {features}. Run: musicavqa features extract")
    for clip in here[:n_clips]:
        yield clip, loaded.model.read(collate([clip], {clip.id: []}, streams))[0]


def options(description: str) -> argparse.ArgumentParser:
    """Of every bench that reads clips of a split; more can be added."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--split", default="test")
    parser.add_argument("--run", type=Path, help="a trained run; default: the one shipped")
    parser.add_argument("--clips", type=int, help="only the first ones")
    return parser


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    clips = []
    for clip, reading in readings(given.data, given.features, given.split, given.run, given.clips):
        assert clip.scene is not None  # a rendered clip has one
        clips.append(measured(reading, clip.scene))
        print(f"\r{len(clips)} clips", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    rows = list(table(clips, given.resamples))
    if given.json:
        about: dict[str, Any] = {"split": given.split, "clips": len(clips)}
        print(json.dumps(about | {"facts": [_plain(row) for row in rows]}, indent=1))
        return
    print(f"| fact | {given.split}, {len(clips)} clips | [95 %] | n |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row.fact} | {row.value:.3f} | [{row.low:.3f}, {row.high:.3f}] | {row.n} |")


def _plain(row: Row) -> dict[str, Any]:
    numbers = {name: getattr(row, name) for name in ("value", "low", "high")}
    kept = {name: round(x, 4) if np.isfinite(x) else None for name, x in numbers.items()}
    return {"fact": row.fact, **kept, "n": row.n}


if __name__ == "__main__":
    main()

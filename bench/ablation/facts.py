"""How well a cell perceives, without any question: its readings against the truth of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

import reading_scene
from ablation.design import Cell
from ablation.weighing import SAME_PLACE
from musicavqa.bandstand.truth import Scene, clip_targets, tick_targets
from musicavqa.methods.layers.listening import TICKS
from musicavqa.records import Reading
from musicavqa.rules.answerer import LOUDER_DB, MORE_RHYTHMIC

Pairs = Sequence[tuple[Reading, dict[str, np.ndarray]]]
"""Readings with the truth of their scenes."""


def facts(cell: Cell, readings: Sequence[Reading], scenes: Sequence[Scene]) -> dict[str, float]:
    """Each fact that the cell has, in percent; NaN where no clip asks for it."""
    truths = [clip_targets(scene) for scene in scenes]
    pairs = list(zip(readings, truths, strict=True))
    heard = np.concatenate([np.stack([r.heard, t["heard"] > 0], 1) for r, t in pairs])
    found = {
        "instruments heard, AUC": reading_scene.auc(*heard.T),
        "number of players right": np.mean([_n_seen(r) == t["seen"].sum() for r, t in pairs]),
    }
    if cell.place_time:
        active = np.concatenate(
            [_ticks(reading, scene) for reading, scene in zip(readings, scenes, strict=True)]
        )
        found["activity per tick, AP"] = reading_scene.average_precision(*active.T)
        found |= _of_places(pairs)
    if cell.music:
        found["louder of two"] = _ordered(pairs, "level_db", "loudness", LOUDER_DB)
        found["faster of two"] = _ordered(pairs, "onset_rate", "onset_rate", MORE_RHYTHMIC)
    return {name: 100 * float(value) for name, value in found.items()}


def _n_seen(reading: Reading) -> int:
    """The expected number, rounded."""
    return round(sum(one.share for one in reading.seen))


def _ticks(reading: Reading, scene: Scene) -> np.ndarray:
    """(22 K, 2): that each instrument sounds at each tick, and whether it does."""
    true = tick_targets(scene, len(reading.activity) // TICKS)["activity_10hz"] > 0.5
    return np.stack([(reading.heard * reading.activity).ravel(), true.ravel()], 1)


def _of_places(pairs: Pairs) -> dict[str, float]:
    named, equal = [], []
    for reading, truth in pairs:
        known = truth["performers"][~np.isnan(truth["performers"][:, 0])]
        matched = []
        for one in reading.seen:
            distance = np.abs(known[:, 1] - one.x)
            if one.share >= 0.5 and len(known) and distance.min() < SAME_PLACE:
                matched.append((one, known[distance.argmin()]))
        named += [one.instruments.argmax() == own[0] for one, own in matched]
        equal += [
            (one.sounds > other.sounds) == (mine[4] > his[4])
            for (one, mine), (other, his) in combinations(matched, 2)
            if mine[0] == his[0] and mine[4] != his[4]
        ]
    return {
        "instrument right, given the place": _mean(named),
        "which of two equals sounds": _mean(equal),
    }


def _ordered(pairs: Pairs, said: str, true: str, margin: float) -> float:
    """Share of two instruments that are clearly apart whose order is right; rates are ratios."""
    right = []
    for reading, truth in pairs:
        values, known = getattr(reading, said), truth[true]
        for a, b in combinations(np.flatnonzero(~np.isnan(known)), 2):
            high, low = max(known[a], known[b]), min(known[a], known[b])
            if (high / low if true == "onset_rate" else high - low) >= margin:
                right.append((values[a] > values[b]) == (known[a] > known[b]))
    return _mean(right)


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")

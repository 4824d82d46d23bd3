"""What a scene holds, read once from its JSON: facts of each player and training targets.

Pure functions of the scene (docs/scene.md). A player *sounds* from its first note on; rests shorter
than `REST_S` do not interrupt it, so `intervals`, `playing_s` and `activity` describe playing, not
single notes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.facts import Facts, Player, merged, names, overlap_s, region

CHORD_S = 0.03
"""Onsets closer than this are one chord, so one onset."""
N_COLUMNS = 7

Scene = dict[str, Any]


def read_truth(scene: Scene) -> Facts:
    """The facts of a scene."""
    return Facts(
        duration_s=float(scene["duration_s"]),
        place=scene["place"],
        voiceover=scene["voiceover"] is not None,
        dubbed=bool(scene["dubbed"]),
        players=tuple(_player(player) for player in scene["players"]),
    )


def activity(scene: Scene, n_seconds: int, per_second: int = 1) -> np.ndarray:
    """Fraction of each step in which each instrument plays.  # (T * per_second, 22) float32"""
    truth = read_truth(scene)
    fractions = np.zeros((n_seconds * per_second, len(INSTRUMENTS)), dtype=np.float32)
    for name in names(truth.heard):
        intervals = merged(i for p in truth.heard if p.instrument == name for i in p.intervals)
        column = INSTRUMENTS.index(name)
        for step in range(len(fractions)):
            span = (step / per_second, (step + 1) / per_second)
            fractions[step, column] = overlap_s(intervals, [span]) * per_second
    return fractions


def clip_targets(scene: Scene) -> dict[str, np.ndarray]:
    """Free truth for auxiliary losses, all float32 (shapes in docs/answerer.md)."""
    truth = read_truth(scene)
    targets = {
        "heard": _counts(truth.heard),
        "seen": _counts(truth.seen),
        **_sound_targets(truth),
        **_picture_targets(truth),
        "voiceover": np.array([truth.voiceover]),
        "dubbed": np.array([truth.dubbed]),
        "outdoor": np.array([truth.place == "outdoor"]),
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in targets.items()}


def _player(player: dict[str, Any]) -> Player:
    notes = player["notes"]
    intervals = merged((note[0], note[1]) for note in notes)
    playing_s = sum(end - start for start, end in intervals)
    nan = float("nan")
    return Player(
        instrument=player["instrument"],
        visible=bool(player["visible"]),
        heard=bool(notes),
        moves=bool(player["visible"] and player["gestures"]),
        x=float(player["x"]),
        region=region(player["x"]),
        level_db=float(player["level_db"]) if notes else nan,
        first_onset_s=intervals[0][0] if notes else nan,
        last_offset_s=max(end for _, end in intervals) if notes else nan,
        intervals=intervals,
        playing_s=playing_s,
        onset_rate=_n_onsets(notes) / max(playing_s, 1.0) if notes else nan,
    )


def _n_onsets(notes: list[list[float]]) -> int:
    onsets = np.sort([note[0] for note in notes])
    return 1 + int(np.sum(np.diff(onsets) > CHORD_S))


def _counts(players: list[Player]) -> np.ndarray:
    counts = np.zeros(len(INSTRUMENTS))
    for player in players:
        counts[INSTRUMENTS.index(player.instrument)] += 1
    return counts


def _sound_targets(truth: Facts) -> dict[str, np.ndarray]:
    """Per instrument: loudest level, fastest rate, first entry, last end, joint playing time."""
    keys = ("loudness", "onset_rate", "first_onset_s", "last_offset_s", "playing_s")
    targets = {key: np.full(len(INSTRUMENTS), np.nan) for key in keys}
    for name in names(truth.heard):
        players = [p for p in truth.heard if p.instrument == name]
        column = INSTRUMENTS.index(name)
        intervals = merged(interval for p in players for interval in p.intervals)
        targets["loudness"][column] = max(p.level_db for p in players)
        targets["onset_rate"][column] = max(p.onset_rate for p in players)
        targets["first_onset_s"][column] = min(p.first_onset_s for p in players)
        targets["last_offset_s"][column] = max(p.last_offset_s for p in players)
        targets["playing_s"][column] = sum(end - start for start, end in intervals)
    return targets


def _picture_targets(truth: Facts) -> dict[str, np.ndarray]:
    """Visible players per seventh of the picture width: of each instrument, moving, sounding."""
    columns = np.zeros((N_COLUMNS, len(INSTRUMENTS)))
    moving, sounding = np.zeros(N_COLUMNS), np.zeros(N_COLUMNS)
    for player in truth.seen:
        column = min(max(int(player.x * N_COLUMNS), 0), N_COLUMNS - 1)
        columns[column, INSTRUMENTS.index(player.instrument)] += 1
        moving[column] += player.moves
        sounding[column] += player.heard
    return {"columns": columns, "moving": moving, "sounding": sounding}

"""What a scene holds, read once from its JSON: facts of each player and training targets.

Pure functions of the scene (docs/scene.md). A player *sounds* from its first note on; rests shorter
than `REST_S` do not interrupt it, so `intervals`, `playing_s` and `activity` describe playing, not
single notes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from musicavqa.bandstand.scene import floor_y, player_scale
from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.facts import Facts, Player, merged, names, region, share_of_steps

CHORD_S = 0.03
"""Onsets closer than this are one chord, so one onset."""
N_COLUMNS = 7
TICKS = 10
"""Steps a second of `tick_targets`."""
MOST_PERFORMERS = 12
MIDDLE = 0.45
"""Of the height of a player, where his middle is."""

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
        fractions[:, column] = share_of_steps(intervals, len(fractions), per_second)
    return fractions


def note_targets(notes: list[list[float]], n_seconds: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one player's notes, for each tick: share of it that is played, and count of onsets."""
    n = n_seconds * TICKS
    intervals = merged((note[0], note[1]) for note in notes)
    counts = np.histogram(_onsets(notes), np.arange(n + 1) / TICKS)[0]
    return share_of_steps(intervals, n, TICKS), counts


def tick_targets(scene: Scene, n_seconds: int) -> dict[str, np.ndarray]:
    """Truth of each tenth of a second, float32, K = 10 n_seconds.

    activity, onsets (a count) and pan (weighed by loudness) are (K, 22), speech (K,).
    """
    n = n_seconds * TICKS
    edges = np.arange(n + 1) / TICKS
    onsets, pan, loud = (np.zeros((n, len(INSTRUMENTS))) for _ in range(3))
    for player, facts in zip(scene["players"], read_truth(scene).players, strict=True):
        if not facts.heard:
            continue
        column = INSTRUMENTS.index(facts.instrument)
        onsets[:, column] += np.histogram(_onsets(player["notes"]), edges)[0]
        power = share_of_steps(facts.intervals, n, TICKS) * 10 ** (facts.level_db / 10)
        pan[:, column] += power * player["pan"]
        loud[:, column] += power
    spoken = scene["voiceover"]
    speech = [(spoken["start_s"], spoken["end_s"])] if spoken else []
    targets = {
        "activity_10hz": activity(scene, n_seconds, TICKS),
        "onsets_10hz": onsets,
        "pan_10hz": np.divide(pan, loud, out=np.zeros_like(pan), where=loud > 0),
        "speech_10hz": share_of_steps(speech, n, TICKS),
    }
    return {name: np.asarray(value, dtype=np.float32) for name, value in targets.items()}


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
        "performers": _performers(scene, truth),
        "stereo": np.array([any(player["pan"] for player in scene["players"])]),
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
    return len(_onsets(notes))


def _onsets(notes: list[list[float]]) -> np.ndarray:
    """Times at which a note or a chord begins."""
    onsets = np.sort([note[0] for note in notes])
    return onsets[np.diff(onsets, prepend=-np.inf) > CHORD_S]


def _performers(scene: Scene, truth: Facts) -> np.ndarray:
    """(12, 6) instrument, x, y, height, heard, moves of each seen player; NaN for nobody."""
    rows = np.full((MOST_PERFORMERS, 6), np.nan)
    both = zip(scene["players"], truth.players, strict=True)
    visible = [(player, facts) for player, facts in both if player["visible"]]
    for row, (player, facts) in zip(rows, visible, strict=False):
        middle, height = figure(player)
        name = INSTRUMENTS.index(player["instrument"])
        row[:] = name, player["x"], middle, height, facts.heard, facts.moves
    return rows


def figure(player: Scene) -> tuple[float, float]:
    """(middle, height) of a visible player, as shares of the height of the picture."""
    height = player_scale(player["depth"]) * player["person"]["height"]
    return floor_y(player["depth"]) - MIDDLE * height, height


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

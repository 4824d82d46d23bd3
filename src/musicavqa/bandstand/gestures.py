"""How a player moves: from the gestures of a scene to the `Motion` of one moment."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from musicavqa.bandstand.patches import RANGES
from musicavqa.bandstand.pose import Motion

SWELL_S = 0.1
"""Time in which a player comes out of rest and sinks back into it."""
CHORD_S = 0.04
"""Onsets so close are one stroke."""
REST_S = 0.25
"""A longer gap between notes is a rest."""
FALL_S, TOUCH_S, LIFT_S = 0.08, 0.05, 0.13
"""A stick falls before the onset, touches, and is lifted."""
BREATH_HZ, BELLOWS_HZ = 0.25, 0.3


@dataclass(frozen=True)
class Stroke:
    """One movement of the hand: a note, or the notes of a chord."""

    start_s: float
    stop_s: float
    pitch: float
    """0 to 1 within the range of the instrument."""


class Gestures:
    """The strokes of one player, prepared for asking the motion at many times."""

    def __init__(self, player: dict[str, Any]) -> None:
        self.strokes = _strokes(player["gestures"], RANGES[player["instrument"]])
        self.starts = [stroke.start_s for stroke in self.strokes]
        self.spans = _spans(self.strokes)
        self.phase = 7.0 * player["x"]  # players do not sway in step

    def at(self, time_s: float) -> Motion:
        """The motion at a time; `Motion()` for one who does nothing then."""
        energy = self._energy(time_s)
        if energy == 0:
            return Motion()
        last = max(0, bisect_right(self.starts, time_s) - 1)
        nearest = self._nearest(last, time_s)
        swing = math.sin(2 * math.pi * BREATH_HZ * time_s + self.phase)
        return Motion(
            energy=energy,
            bow=self._bow(last, time_s),
            strike=_strike(time_s - self.starts[nearest]),
            side=nearest % 2,
            pitch=0.5 + energy * (self.strokes[last].pitch - 0.5),
            breath=energy * swing,
            bellows=energy * math.sin(2 * math.pi * BELLOWS_HZ * time_s + self.phase),
        )

    def _energy(self, time_s: float) -> float:
        """1 between the first and last stroke of a span, with slopes around its ends."""
        highest = 0.0
        for start_s, stop_s in self.spans:
            rise = (time_s - start_s) / SWELL_S + 0.5
            fall = (stop_s - time_s) / SWELL_S + 1
            highest = max(highest, min(rise, fall, 1.0))
        return highest

    def _nearest(self, last: int, time_s: float) -> int:
        """The stroke being made or prepared."""
        following = last + 1
        if following < len(self.starts) and self.starts[following] - time_s < FALL_S:
            return following
        return last

    def _bow(self, last: int, time_s: float) -> float:
        """From one end to the other during a stroke, back during the next one."""
        stroke = self.strokes[last]
        share = (time_s - stroke.start_s) / max(1e-3, stroke.stop_s - stroke.start_s)
        place = math.cos(math.pi * min(1.0, max(0.0, share)))
        return place if last % 2 == 0 else -place


def motion_at(player: dict[str, Any], time_s: float) -> Motion:
    """The motion of a player of a scene at one time (for many times, keep a `Gestures`)."""
    return Gestures(player).at(time_s)


def _strokes(gestures: Sequence[Sequence[float]], limits: tuple[int, int]) -> list[Stroke]:
    groups: list[list[Sequence[float]]] = []
    for note in sorted(gestures, key=list):
        if groups and note[0] - groups[-1][0][0] < CHORD_S:
            groups[-1].append(note)
        else:
            groups.append([note])
    return [_stroke(group, limits) for group in groups]


def _stroke(notes: Sequence[Sequence[float]], limits: tuple[int, int]) -> Stroke:
    low, high = limits
    pitch = (sum(note[2] for note in notes) / len(notes) - low) / (high - low)
    return Stroke(notes[0][0], max(note[1] for note in notes), min(1.0, max(0.0, pitch)))


def _spans(strokes: Sequence[Stroke]) -> list[tuple[float, float]]:
    """Stretches of playing without a rest."""
    spans: list[tuple[float, float]] = []
    for stroke in strokes:
        if spans and stroke.start_s - spans[-1][1] < REST_S:
            spans[-1] = (spans[-1][0], max(spans[-1][1], stroke.stop_s))
        else:
            spans.append((stroke.start_s, stroke.stop_s))
    return spans


def _strike(since_s: float) -> float:
    """How far the stick is down, `since_s` after (or, negative, before) the onset."""
    if since_s < 0:
        return max(0.0, 1 + since_s / FALL_S)
    return min(1.0, max(0.0, 1 - (since_s - TOUCH_S) / LIFT_S))

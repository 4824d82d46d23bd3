"""When and where the truth lies of what a question is about: seconds, and boxes in the picture.

`rules.meant` says who is meant. The time is that of their playing, for questions that need the ear;
the place is where they stand, for questions that need the eye. A question that means everybody, the
whole picture or nobody who is there has neither. Boxes are those of figures standing still: how the
camera sways (a few percent of the picture) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicavqa.bandstand.truth import Scene, figure, read_truth
from musicavqa.records import Question, figure_box
from musicavqa.rules.facts import Interval, merged, share_of_steps
from musicavqa.rules.meant import whom

Box = tuple[float, float, float, float]
"""(left, top, right, bottom) as shares of the picture."""
VOICEOVER = 16
_SEEN_ONLY = {18, 19}
"""AV templates that single out places but no time: they are about the whole clip."""


@dataclass(frozen=True)
class Meant:
    """What a question is about; either part may be empty."""

    intervals: tuple[Interval, ...]
    """Seconds, in order and apart."""
    boxes: tuple[Box, ...]


def meant(scene: Scene, question: Question) -> Meant:
    """The time and place that this question, with its answer, is about in this scene."""
    truth = read_truth(scene)
    hears, sees = question.cell.startswith("A"), not question.cell.startswith("A-")
    if question.template == VOICEOVER:
        spoken = scene["voiceover"]
        return Meant(((spoken["start_s"], spoken["end_s"]),) if spoken else (), ())
    players = whom(truth, question.template, question.slots, question.answer or "")
    heard = [p for p in players if p.heard and hears and question.template not in _SEEN_ONLY]
    intervals = merged(interval for player in heard for interval in player.intervals)
    places = [place for place, p in enumerate(truth.players) if p in players and p.visible]
    boxes = [_box(scene["players"][place]) for place in places if sees]
    return Meant(intervals, tuple(boxes))


def seconds(found: Meant, n_rows: int, step_s: int = 1) -> np.ndarray:
    """(T,) share of the second at 0, step_s, 2 step_s ... that lies in the time that is meant."""
    return share_of_steps(found.intervals, n_rows * step_s, 1)[::step_s]


def cells(found: Meant, n_rows: int, n_columns: int) -> np.ndarray:
    """(rows * columns,) share of each cell of the picture that lies in some box."""
    fine = 8  # of a cell, in each direction
    covered = np.zeros((n_rows * fine, n_columns * fine), dtype=bool)
    down = (np.arange(n_rows * fine) + 0.5) / (n_rows * fine)
    across = (np.arange(n_columns * fine) + 0.5) / (n_columns * fine)
    for left, top, right, bottom in found.boxes:
        rows, columns = (top <= down) & (down <= bottom), (left <= across) & (across <= right)
        covered |= rows[:, None] & columns
    return covered.reshape(n_rows, fine, n_columns, fine).mean((1, 3)).ravel()


def _box(player: Scene) -> Box:
    middle, height = figure(player)
    return figure_box(player["x"], middle, height)

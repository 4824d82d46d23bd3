"""When and where the truth lies of what a question is about: seconds, and boxes in the picture.

Who is meant: the players that slots and answer name, or whom the template singles out (the
outermost, the first to sound, those that do not sound). The time is that of their playing, for
questions that need the ear; the place is where they stand, for questions that need the eye. A
question that means everybody, the whole picture or nobody who is there has neither. Boxes are those
of figures standing still: how the camera sways (a few percent of the picture) is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from musicavqa.bandstand.truth import Scene, figure, read_truth
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Question, figure_box
from musicavqa.rules.answerer import entry_in_picture
from musicavqa.rules.facts import Facts, Interval, Player, merged

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
    players = _players(truth, question)
    heard = [p for p in players if p.heard and hears and question.template not in _SEEN_ONLY]
    intervals = merged(interval for player in heard for interval in player.intervals)
    places = [place for place, p in enumerate(truth.players) if p in players and p.visible]
    boxes = [_box(scene["players"][place]) for place in places if sees]
    return Meant(intervals, tuple(boxes))


def seconds(found: Meant, n_rows: int, step_s: int = 1) -> np.ndarray:
    """(T,) share of the second at 0, step_s, 2 step_s ... that lies in the time that is meant."""
    starts = np.arange(n_rows) * float(step_s)
    inside = [
        np.clip(np.minimum(starts + 1, end) - np.maximum(starts, begin), 0, 1)
        for begin, end in found.intervals
    ]
    return np.sum(inside, axis=0) if inside else np.zeros(n_rows)


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


def _players(truth: Facts, question: Question) -> list[Player]:
    """Those whom the question means; it knows its answer."""
    words = (*question.slots, question.answer or "")
    special = _SINGLED_OUT.get(question.template)
    if special is not None:
        return [player for player in special(truth, words) if player is not None]
    pool = truth.heard if question.cell.startswith("A-") else truth.players
    return [player for player in pool if player.instrument in set(words) & set(INSTRUMENTS)]


def _outermost(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    by_x = sorted(truth.seen, key=lambda player: player.x)
    return [by_x[0 if words[0] == "leftest" else -1]] if by_x else []


def _entry_and_area(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    winner = entry_in_picture(truth, words[0])
    return [winner, *(p for p in truth.seen if p.region == words[1] and p is not winner)]


def _entry_and_neighbour(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    winner = entry_in_picture(truth, words[1])
    return [winner, *(p for p in truth.seen if p.instrument == words[-1] and p is not winner)]


def _loudest(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    there = [player for player in truth.sounding if player.region == words[-1]]
    by_level = sorted(there, key=lambda player: player.level_db)
    return [by_level[-1 if words[0] == "loudest" else 0]] if by_level else []


def _placed(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    pairs = {(words[0], words[1]), (words[2], words[3])}
    return [player for player in truth.seen if (player.instrument, player.region) in pairs]


def _in_areas(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    return [player for player in truth.seen if player.region in words[:2]]


def _first_of_kind(truth: Facts, words: Sequence[str]) -> list[Player | None]:
    kind = [player for player in truth.sounding if player.instrument == words[0]]
    if words[-1] == "simultaneously":
        return list(kind)
    by_onset = sorted(kind, key=lambda player: player.first_onset_s)
    return [by_onset[0 if words[1] == "first" else -1]] if by_onset else []


_SINGLED_OUT: dict[int, Callable[[Facts, Sequence[str]], Sequence[Player | None]]] = {
    12: _outermost,
    18: lambda truth, words: truth.sounding,
    19: lambda truth, words: [player for player in truth.seen if not player.heard],
    22: _entry_and_area,
    23: _entry_and_neighbour,
    24: _loudest,
    26: _placed,
    27: _placed,
    28: _in_areas,
    29: _in_areas,
    31: lambda truth, words: [entry_in_picture(truth, words[0])],
    32: _first_of_kind,
}

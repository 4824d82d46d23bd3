"""Accuracy in the nine cells of MUSIC-AVQA, in its three modalities, and overall.

Published averages over cells are micro averages: every question counts once. `Report.macro` gives
the others, where every cell counts once. Questions without a readable answer or without media count
as asked and as wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from musicavqa.answers.kinds import KINDS, kind_asked
from musicavqa.questions import CELLS
from musicavqa.records import Prediction, Question

MODALITIES = ("A", "V", "AV")
GROUPS = (*CELLS, *MODALITIES, "overall")
PARTS = ("head", "tail")


class KeyMismatchError(ValueError):
    """Predictions and questions do not match one to one."""


@dataclass(frozen=True)
class Count:
    """What became of the questions of one group."""

    asked: int
    answered: int
    unreadable: int
    no_media: int
    correct: int

    @property
    def accuracy(self) -> float:
        """Correct out of asked, in percent; NaN when nothing was asked."""
        return 100.0 * self.correct / self.asked if self.asked else float("nan")


@dataclass(frozen=True)
class Report:
    """A Count for each of `GROUPS` (nine cells, then micro averages: A, V, AV and overall).

    `kinds` counts the same questions by the kind of answer they ask for, `parts` by head and tail
    where the set defines them; both leave out what was not asked.
    """

    groups: dict[str, Count]
    kinds: dict[str, Count] = field(default_factory=dict)
    parts: dict[str, Count] = field(default_factory=dict)

    def __getitem__(self, group: str) -> Count:
        return self.groups[group]

    @property
    def macro(self) -> dict[str, float]:
        """Mean accuracy in percent of the cells of A, V, AV and overall that were asked."""
        asked = {cell: self.groups[cell].accuracy for cell in CELLS if self.groups[cell].asked}
        members = {
            m: [asked[cell] for cell in asked if cell.startswith(f"{m}-")] for m in MODALITIES
        }
        members["overall"] = list(asked.values())
        return {name: float(np.mean(values)) for name, values in members.items() if values}

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """The groups as plain numbers for JSON; the accuracy of an empty group is None."""
        return as_numbers(self.groups)


def as_numbers(counts: dict[str, Count]) -> dict[str, dict[str, Any]]:
    """Counts as plain numbers for JSON; the accuracy of an empty group is None."""
    return {
        name: {**asdict(count), "accuracy": count.accuracy if count.asked else None}
        for name, count in counts.items()
    }


def score(questions: Sequence[Question], predictions: Iterable[Prediction]) -> Report:
    """The Report of one prediction for each question; anything else raises KeyMismatchError."""
    ordered = match(questions, predictions)
    status = np.array([prediction.status for prediction in ordered], dtype=str)
    return tally(questions, status, correctness(questions, ordered))


def tally(questions: Sequence[Question], status: np.ndarray, correct: np.ndarray) -> Report:
    """The Report of statuses (N,) and correctness (N,), both in the order of the questions."""
    groups = group_members([question.cell for question in questions])
    return Report(
        groups=_counts(groups, status, correct),
        kinds=_counts(kind_members(questions), status, correct),
        parts=_counts(part_members(questions), status, correct),
    )


def match(questions: Sequence[Question], predictions: Iterable[Prediction]) -> list[Prediction]:
    """Predictions in the order of the questions; missing, double or unknown keys raise."""
    predictions = list(predictions)
    check_keys([q.key for q in questions], [p.key for p in predictions])
    by_key = {prediction.key: prediction for prediction in predictions}
    return [by_key[question.key] for question in questions]


def check_keys(asked: Sequence[str], predicted: Sequence[str], partly: bool = False) -> None:
    """Raise KeyMismatchError, with counts, unless each asked key is predicted exactly once.

    With `partly`, keys may still be missing.
    """
    wanted, given = Counter(asked), Counter(predicted)
    problems = {
        "questions with a key that is not theirs alone": [k for k, n in wanted.items() if n > 1],
        "predictions missing": [] if partly else [key for key in wanted if key not in given],
        "keys predicted more than once": [key for key, n in given.items() if n > 1],
        "predictions for unknown keys": [key for key in given if key not in wanted],
    }
    found = [f"{len(keys)} {what} (first: {keys[0]})" for what, keys in problems.items() if keys]
    if found:
        raise KeyMismatchError(f"Of {len(asked)} questions: {'; '.join(found)}.")


def correctness(questions: Sequence[Question], predictions: Sequence[Prediction]) -> np.ndarray:
    """(N,) bool, True where the answer is right; both in the same order, every answer known."""
    unknown = [question.key for question in questions if question.answer is None]
    if unknown:
        raise ValueError(f"{len(unknown)} questions have no answer (first: {unknown[0]}).")
    return np.array(
        [
            prediction.status == "answered" and prediction.answer == question.answer
            for question, prediction in zip(questions, predictions, strict=True)
        ],
        dtype=bool,
    )


def group_members(cells: Sequence[str]) -> dict[str, np.ndarray]:
    """For each of `GROUPS`, a mask (N,) of the questions in it."""
    unknown = sorted(set(cells) - set(CELLS))
    if unknown:
        raise ValueError(f"Unknown cells {unknown}; there are {', '.join(CELLS)}.")
    labels = np.array(cells, dtype=str)
    members = {cell: labels == cell for cell in CELLS}
    for modality in MODALITIES:
        members[modality] = np.char.startswith(labels, f"{modality}-")
    members["overall"] = np.ones(len(labels), dtype=bool)
    return members


def kind_members(questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """For each kind of answer that is asked for, a mask (N,) of the questions that do."""
    kinds = np.array([kind_asked(question.template) or "" for question in questions], dtype=str)
    return {kind: kinds == kind for kind in KINDS if (kinds == kind).any()}


def part_members(questions: Sequence[Question]) -> dict[str, np.ndarray]:
    """Masks (N,) of head and tail; empty where no question has a part."""
    parts = np.array([question.part or "" for question in questions], dtype=str)
    return {part: parts == part for part in PARTS if (parts == part).any()}


def _counts(
    members: dict[str, np.ndarray], status: np.ndarray, correct: np.ndarray
) -> dict[str, Count]:
    return {name: _count(status[rows], correct[rows]) for name, rows in members.items()}


def _count(status: np.ndarray, correct: np.ndarray) -> Count:
    count = Count(
        asked=len(status),
        answered=int((status == "answered").sum()),
        unreadable=int((status == "unreadable").sum()),
        no_media=int((status == "no media").sum()),
        correct=int(correct.sum()),
    )
    if count.answered + count.unreadable + count.no_media != count.asked:
        raise ValueError(f"A status is none of answered, unreadable, no media: {set(status)}.")
    return count

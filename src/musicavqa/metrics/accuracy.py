"""Accuracy in the nine cells of MUSIC-AVQA, in its three modalities, and overall.

Averages over cells are micro averages: every question counts once. Questions without a readable
answer or without media count as asked and as wrong.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from musicavqa.questions import CELLS
from musicavqa.records import Prediction, Question

MODALITIES = ("A", "V", "AV")
GROUPS = (*CELLS, *MODALITIES, "overall")


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
    """A Count for each of `GROUPS`: nine cells, A, V, AV and overall."""

    groups: dict[str, Count]

    def __getitem__(self, group: str) -> Count:
        return self.groups[group]

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Plain numbers for JSON; the accuracy of an empty group is None."""
        return {
            name: {**asdict(count), "accuracy": count.accuracy if count.asked else None}
            for name, count in self.groups.items()
        }


def score(questions: Sequence[Question], predictions: Iterable[Prediction]) -> Report:
    """The Report of one prediction for each question; anything else raises KeyMismatchError."""
    ordered = match(questions, predictions)
    correct = correctness(questions, ordered)
    status = np.array([prediction.status for prediction in ordered])
    members = group_members([question.cell for question in questions])
    return Report({name: _count(status[rows], correct[rows]) for name, rows in members.items()})


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

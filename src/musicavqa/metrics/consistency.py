"""What an accuracy hides: rare answers, unstable wordings, answers that flip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Recall:
    """Of the questions with this true answer, how many were answered right."""

    asked: int
    correct: int

    @property
    def percent(self) -> float:
        """Correct out of asked."""
        return 100.0 * self.correct / self.asked


@dataclass(frozen=True)
class Consistency:
    """Questions asked in several wordings; shares in percent of these groups of wordings."""

    n_groups: int
    n_rows: int
    same_answer: float
    """Every wording got the same readable answer, right or wrong."""
    all_right: float
    """Every wording was answered right: the accuracy of the worst wording."""
    any_right: float
    """At least one wording was answered right: the accuracy of the best wording."""
    mean_right: float
    """Mean accuracy; a group counts once, however many wordings it has."""


def answer_recall(answers: Sequence[str], correct: np.ndarray) -> dict[str, Recall]:
    """Recall for each true answer (N,) that occurs, the most frequent first."""
    names, number = np.unique(np.asarray(answers, dtype=str), return_inverse=True)
    correct = np.asarray(correct, dtype=float)
    if correct.shape != number.shape or not len(number):
        raise ValueError(f"Needs one row per answer, got {len(number)} and {correct.shape}.")
    asked, right = np.bincount(number), np.bincount(number, weights=correct)
    order = np.lexsort((names, -asked))
    return {str(names[i]): Recall(int(asked[i]), int(right[i])) for i in order}


def balanced_accuracy(recalls: dict[str, Recall]) -> float:
    """Mean recall in percent: every answer that occurs counts once, however rare it is."""
    return float(np.mean([recall.percent for recall in recalls.values()]))


def rephrase_consistency(
    groups: Sequence[str], given: Sequence[str | None], correct: np.ndarray
) -> Consistency | None:
    """Consistency over groups of two or more wordings; None where no question has a second one.

    groups (N,) names the question of which row i is a wording, given (N,) the answer or None where
    there is no readable one. Two missing answers are not the same answer.
    """
    correct = np.asarray(correct, dtype=float)
    if not len(groups) == len(given) == len(correct):
        raise ValueError(f"Needs equal rows, got {len(groups)}, {len(given)}, {len(correct)}.")
    _, number = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sizes, right = np.bincount(number), np.bincount(number, weights=correct)
    several = sizes > 1
    if not several.any():
        return None
    kinds: list[set[str | None]] = [set() for _ in sizes]
    for group, answer in zip(number, given, strict=True):
        kinds[group].add(answer)
    same = np.array([len(kind) == 1 and None not in kind for kind in kinds])
    sizes, right, same = sizes[several], right[several], same[several]
    return Consistency(
        n_groups=len(sizes),
        n_rows=int(sizes.sum()),
        same_answer=100.0 * float(same.mean()),
        all_right=100.0 * float((right == sizes).mean()),
        any_right=100.0 * float((right > 0).mean()),
        mean_right=100.0 * float((right / sizes).mean()),
    )


def flips(before: Sequence[str | None], after: Sequence[str | None]) -> np.ndarray:
    """(N,) bool, True where the answer to the same question is no longer the same."""
    return np.array([a != b for a, b in zip(before, after, strict=True)], dtype=bool)

"""Methods grouped by the three design marks of the survey: what those with a mark answer better.

The methods are the ones that were compared, no sample of all there could be: intervals are over
clips, and say nothing of a method that is not among them. Marks go together with year and size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from musicavqa.metrics import bootstrap
from musicavqa.metrics.bootstrap import Interval

MARKS = ("specialised_input", "spatial_temporal", "music_specific")


@dataclass(frozen=True)
class Design:
    """Systems with a mark against those without."""

    mark: str
    marked: tuple[str, ...]
    others: tuple[str, ...]
    accuracies: tuple[float, float] | None
    """Means in %, of those with it and of those without; None where either are none."""
    difference: Interval | None
    """With minus without, in points, over clips."""


def marks_of(method: str | None) -> dict[str, bool] | None:
    """The marks on a method's card; None for what is no installed method."""
    from musicavqa.methods.registry import list_methods, load_method

    if method not in list_methods():
        return None
    card = load_method(method).card
    return {mark: bool(getattr(card, mark)) for mark in MARKS}


def by_design(
    correct: Mapping[str, np.ndarray],
    marks: Mapping[str, Mapping[str, bool] | None],
    clips: np.ndarray,
) -> list[Design]:
    """One row a mark, from the shares of right answers (N,) of each system.

    Systems without marks (answers of other programs, method files of one's own) are in no group.
    """
    known = [name for name in correct if marks.get(name) is not None]
    return [_design(mark, known, correct, marks, clips) for mark in MARKS]


def _design(
    mark: str,
    known: Sequence[str],
    correct: Mapping[str, np.ndarray],
    marks: Mapping[str, Mapping[str, bool] | None],
    clips: np.ndarray,
) -> Design:
    marked = tuple(name for name in known if (marks[name] or {})[mark])
    others = tuple(name for name in known if name not in marked)
    if not marked or not others:
        return Design(mark, marked, others, None, None)
    first, second = (
        np.mean([correct[name] for name in names], axis=0) for names in (marked, others)
    )
    accuracies = 100.0 * float(first.mean()), 100.0 * float(second.mean())
    return Design(
        mark, marked, others, accuracies, bootstrap.paired_difference(first, second, clips)
    )

"""Counts of a question list: cells, answers, bias, instruments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from musicavqa.builders.balance import Bias, bias
from musicavqa.questions import CELLS, INSTRUMENTS
from musicavqa.records import Question


@dataclass(frozen=True)
class Summary:
    """Counts of a question list. Questions without an answer count only where answers do not."""

    title: str
    n_questions: int
    n_clips: int
    n_unanswered: int
    cells: dict[str, Counter[str]]
    """Origins of the questions of each cell, all nine in order."""
    answers: dict[int, Counter[str]]
    """Answers of each template that is asked, by number."""
    bias: list[Bias]
    asked_instruments: Counter[str]
    """How many questions name the instrument."""
    answer_instruments: Counter[str]
    parts: Counter[str]
    """Head and tail, where the questions are marked."""


def summarise(title: str, questions: Sequence[Question]) -> Summary:
    """Count a question list; ValueError when it is empty or no question has an answer."""
    answered = [question for question in questions if question.answer is not None]
    if not answered:
        raise ValueError(f"{title}: none of {len(questions)} questions has an answer.")
    cells: dict[str, Counter[str]] = {cell: Counter() for cell in CELLS}
    for question in questions:
        cells[question.cell][question.origin] += 1
    answers: dict[int, Counter[str]] = {}
    for question in answered:
        answers.setdefault(question.template, Counter())[str(question.answer)] += 1
    return Summary(
        title=title,
        n_questions=len(questions),
        n_clips=len({question.clip for question in questions}),
        n_unanswered=len(questions) - len(answered),
        cells=cells,
        answers=dict(sorted(answers.items())),
        bias=bias(answered),
        asked_instruments=_instruments(name for q in questions for name in set(q.slots)),
        answer_instruments=_instruments(str(q.answer) for q in answered),
        parts=Counter(question.part for question in questions if question.part is not None),
    )


def _instruments(values: Iterable[str]) -> Counter[str]:
    counts = Counter(value for value in values if value in INSTRUMENTS)
    return Counter({name: counts[name] for name in INSTRUMENTS})

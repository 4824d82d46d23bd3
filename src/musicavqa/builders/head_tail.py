"""Frequent and rare answers, as MUSIC-AVQA-R and FortisAVQA mark them, for any list of questions.

Within a group of questions an answer is head when its count exceeds `threshold` times the mean
count per answer of the group; all others are tail (read-me of MUSIC-AVQA-R, threshold 1.2, groups
by modality and type). In a group with two answers the rule finds hardly ever a head, as it asks for
a share above 60 %; the published totals there are those of the majority answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from musicavqa.builders.balance import known_answers
from musicavqa.records import Question

Group = int | str

GROUPINGS: dict[str, Callable[[Question], Group]] = {
    "cell": lambda question: question.cell,
    "template": lambda question: question.template,
    "all": lambda question: "all",
}


@dataclass(frozen=True)
class Rule:
    """What makes an answer head."""

    threshold: float = 1.2
    """In multiples of the mean count per answer of the group."""
    grouping: str = "cell"
    """One of GROUPINGS: which questions are counted together."""
    majority_of_two: bool = True
    """In a group with exactly two answers the more frequent one is head, whatever its count; of two
    equally frequent answers neither is."""

    def __post_init__(self) -> None:
        if self.threshold <= 0:
            raise ValueError(f"The threshold must be above 0, got {self.threshold}.")
        if self.grouping not in GROUPINGS:
            raise ValueError(f"No grouping {self.grouping!r}; there are {', '.join(GROUPINGS)}.")


PUBLISHED = Rule()


def head_answers(
    questions: Sequence[Question], rule: Rule = PUBLISHED, weights: Sequence[float] | None = None
) -> dict[Group, frozenset[str]]:
    """The head answers of each group.

    `weights` says how often each question counts, for example the number of its rephrasings.
    Raises ValueError for questions without an answer.
    """
    counts: dict[Group, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    weights = _checked(weights, len(questions))
    rows = zip(questions, known_answers(questions), weights, strict=True)
    for question, answer, weight in rows:
        counts[GROUPINGS[rule.grouping](question)][answer] += weight
    return {group: _head(by_answer, rule) for group, by_answer in counts.items()}


def mark_head_tail(
    questions: Sequence[Question], rule: Rule = PUBLISHED, weights: Sequence[float] | None = None
) -> list[Question]:
    """The questions, in their order, with `part` set to 'head' or 'tail'."""
    heads = head_answers(questions, rule, weights)
    group = GROUPINGS[rule.grouping]
    return [
        replace(question, part="head" if question.answer in heads[group(question)] else "tail")
        for question in questions
    ]


def _head(counts: dict[str, float], rule: Rule) -> frozenset[str]:
    if rule.majority_of_two and len(counts) == 2:
        level = min(counts.values())
    else:
        level = rule.threshold * sum(counts.values()) / len(counts)
    return frozenset(answer for answer, count in counts.items() if count > level)


def _checked(weights: Sequence[float] | None, n_questions: int) -> Sequence[float]:
    if weights is None:
        return [1] * n_questions
    if len(weights) != n_questions:
        raise ValueError(f"There are {len(weights)} weights for {n_questions} questions.")
    if min(weights, default=1) <= 0:
        raise ValueError(f"A weight must be above 0, got {min(weights)}.")
    return weights

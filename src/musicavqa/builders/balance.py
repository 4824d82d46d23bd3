"""The balance rule of MUSIC-AVQA v2.0, for any list of questions.

Liu et al. (Tackling Data Bias in MUSIC-AVQA, WACV 2024) call a template balanced when its most
frequent answer takes at most 60 % of the questions where there are two answers, and at most 50 %
where there are more. They added questions of the rarer answers; here nothing can be added, so
questions of the most frequent answer are dropped.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from musicavqa.records import Question

TWO_ANSWERS = frozenset((1, 3, 4, 5, 6, 7, 10, 14, 15, 16, 17, 22, 26, 27, 28, 29))
"""Templates with two possible answers: fifteen ask yes or no, one indoor or outdoor."""


@dataclass(frozen=True)
class Limits:
    """Largest allowed share of the most frequent answer of a template."""

    two_answers: float = 0.6
    other: float = 0.5

    def __post_init__(self) -> None:
        for share in (self.two_answers, self.other):
            if not 0 < share <= 1:
                raise ValueError(f"A share lies above 0 and at most at 1, got {share}.")

    def of(self, template: int) -> float:
        """The limit for this template."""
        return self.two_answers if template in TWO_ANSWERS else self.other


PUBLISHED = Limits()


@dataclass(frozen=True)
class Bias:
    """The most frequent answer of a template, and how often it comes."""

    template: int
    top: str
    n_top: int
    n_questions: int
    limit: float

    @property
    def share(self) -> float:
        """Share of the most frequent answer, 0 to 1."""
        return self.n_top / self.n_questions

    @property
    def is_balanced(self) -> bool:
        """Whether the share is within the limit."""
        return self.n_top <= _allowed(self.limit, self.n_questions - self.n_top)


def bias(questions: Sequence[Question], limits: Limits = PUBLISHED) -> list[Bias]:
    """The bias of every template that is asked, by template number."""
    return list(_biases(_pairs(questions), limits))


def balance(
    questions: Sequence[Question], seed: int = 0, limits: Limits = PUBLISHED
) -> list[Question]:
    """The questions, in their order, without those that make a template's top answer too frequent.

    Which of them go is drawn with `seed`. A template with one answer only cannot meet the rule and
    is dropped altogether. Raises ValueError for questions without an answer.
    """
    dropped = surplus(_pairs(questions), random.Random(seed), limits)
    return [question for place, question in enumerate(questions) if place not in dropped]


def surplus(
    pairs: Sequence[tuple[int, str]], rng: random.Random, limits: Limits = PUBLISHED
) -> set[int]:
    """Places of the (template, answer) pairs to drop so that every template meets the rule."""
    dropped: set[int] = set()
    for template, places in _by_template(pairs).items():
        while places:
            worst = _bias_of(template, [pairs[place][1] for place in places], limits)
            if worst.is_balanced:
                break
            allowed = int(_allowed(worst.limit, worst.n_questions - worst.n_top))
            of_top = [place for place in places if pairs[place][1] == worst.top]
            dropped.update(rng.sample(of_top, worst.n_top - allowed))
            places = [place for place in places if place not in dropped]
    return dropped


def _allowed(limit: float, n_others: int) -> float:
    """How often an answer may come beside `n_others` questions with another answer."""
    return int(limit / (1 - limit) * n_others + 1e-9) if limit < 1 else float("inf")


def _biases(pairs: Sequence[tuple[int, str]], limits: Limits) -> Iterator[Bias]:
    for template, places in _by_template(pairs).items():
        yield _bias_of(template, [pairs[place][1] for place in places], limits)


def _bias_of(template: int, answers: Sequence[str], limits: Limits) -> Bias:
    counts = Counter(answers)
    top = max(counts, key=lambda answer: (counts[answer], answer))
    return Bias(template, top, counts[top], len(answers), limits.of(template))


def _by_template(pairs: Sequence[tuple[int, str]]) -> dict[int, list[int]]:
    """Places of each template's questions; templates in order."""
    places: dict[int, list[int]] = {}
    for place, (template, _) in enumerate(pairs):
        places.setdefault(template, []).append(place)
    return dict(sorted(places.items()))


def _pairs(questions: Sequence[Question]) -> list[tuple[int, str]]:
    return [
        (question.template, answer)
        for question, answer in zip(questions, known_answers(questions), strict=True)
    ]


def known_answers(questions: Sequence[Question]) -> list[str]:
    """The answer of each question; ValueError, with the count, where one is missing."""
    found = [question.answer for question in questions if question.answer is not None]
    if len(found) < len(questions):
        first = next(question.key for question in questions if question.answer is None)
        raise ValueError(
            f"{len(questions) - len(found)} of {len(questions)} questions have no answer "
            f"(first: {first}). Leave them out."
        )
    return found

"""What the question alone gives away: reference priors that see no picture and hear no sound.

Four majorities (over all, per cell, per template, per filled question) and two linear models. Those
are multinomial logistic regressions with an L2 penalty (C = 1, intercept unpenalised) on the words
of the question (binary, lower case), without or with its template and slot values. A method that
does not beat these by far has learned little about music.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from typing import Literal, get_args

import numpy as np

from musicavqa.answers import index
from musicavqa.metrics.accuracy import Report, score
from musicavqa.questions import tokenize
from musicavqa.records import Prediction, Question

Prior = Literal["overall", "cell", "template", "question", "words", "words and slots"]
PRIORS: tuple[Prior, ...] = get_args(Prior)

GRADIENT = 1e-5
"""No entry of the gradient is larger where a model is fitted."""
Answerer = Callable[[Sequence[Question]], list[Prediction]]
Features = frozenset[str]


def _words(question: Question) -> Features:
    return frozenset(word.lower() for word in tokenize(question.text))


def _words_and_slots(question: Question) -> Features:
    """The words, the template, and each slot value tied to template and place."""
    item = f"<template {question.template}>"
    slots = (f"{item} slot {place} {value}" for place, value in enumerate(question.slots))
    return _words(question) | {item} | frozenset(slots)


_FEATURES: dict[str, Callable[[Question], Features]] = {
    "words": _words,
    "words and slots": _words_and_slots,
}
_GROUP: dict[str, Callable[[Question], Hashable]] = {
    "overall": lambda question: None,
    "cell": lambda question: question.cell,
    "template": lambda question: question.template,
    "question": lambda question: (question.template, question.slots),
}


def reference_priors(known: Sequence[Question], asked: Sequence[Question]) -> dict[Prior, Report]:
    """The score on the questions `asked` of every prior, fitted on the questions `known`."""
    return {prior: score(asked, fit(prior, known)(asked)) for prior in PRIORS}


def fit(prior: Prior, known: Sequence[Question]) -> Answerer:
    """The prior, fitted on these questions: it answers any others.

    Raises ValueError for an unknown prior, and when `known` is empty or lacks an answer.
    """
    if prior not in PRIORS:
        raise ValueError(f"There is no prior {prior!r}; there are {', '.join(PRIORS)}.")
    answers = _answers(known)
    answer = (
        _majority(_GROUP[prior], known, answers)
        if prior in _GROUP
        else _linear(_FEATURES[prior], known, answers)
    )
    return lambda asked: [Prediction(question.key, answer(question)) for question in asked]


def _answers(known: Sequence[Question]) -> list[str]:
    if not known:
        raise ValueError("There is no question to fit the prior on.")
    found = [question.answer for question in known if question.answer is not None]
    if len(found) < len(known):
        n_missing = len(known) - len(found)
        raise ValueError(f"{n_missing} of {len(known)} questions to fit on have no answer.")
    return found


def _majority(
    group: Callable[[Question], Hashable], known: Sequence[Question], answers: Sequence[str]
) -> Callable[[Question], str]:
    """Most frequent answer of a question's group, or of all questions for an unseen group.

    Of equally frequent answers the one that was seen first wins.
    """
    counts: dict[Hashable, Counter[str]] = defaultdict(Counter)
    for question, answer in zip(known, answers, strict=True):
        counts[group(question)][answer] += 1
    tops = {name: by_answer.most_common(1)[0][0] for name, by_answer in counts.items()}
    fallback = Counter(answers).most_common(1)[0][0]
    return lambda question: tops.get(group(question), fallback)


def _linear(
    features: Callable[[Question], Features], known: Sequence[Question], answers: Sequence[str]
) -> Callable[[Question], str]:
    """The likeliest answer by a logistic regression; features never seen are ignored."""
    found = [features(question) for question in known]
    columns = {name: at for at, name in enumerate(sorted(frozenset().union(*found)))}
    rows = {row: at for at, row in enumerate(dict.fromkeys(found))}
    names = sorted(set(answers), key=index)
    column_of = {answer: at for at, answer in enumerate(names)}
    counts = np.zeros((len(rows), len(names)))  # (N, A), N different rows
    np.add.at(counts, ([rows[row] for row in found], [column_of[a] for a in answers]), 1)
    weights = fit_logistic(np.stack([_binary(row, columns) for row in rows]), counts)

    @cache
    def answer(row: Features) -> str:
        return names[int(np.argmax(_binary(row, columns) @ weights))]

    return lambda question: answer(features(question))


def _binary(row: Features, columns: dict[str, int]) -> np.ndarray:
    """(F + 1,): 1 for each feature of the row, 0 for others; the last one is always 1."""
    found = np.zeros(len(columns) + 1)
    found[[columns[name] for name in row if name in columns]] = 1
    found[-1] = 1
    return found


def fit_logistic(features: np.ndarray, counts: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Weights (F, A) of the multinomial logistic regression with L2 penalty.

    features (N, F), whose last column is the unpenalised intercept; counts (N, A) how often each
    row was answered how; strength is C: the sum of log-losses is multiplied by it. Minimises
    C * sum of log-losses + |weights|^2 / 2, divided by C times the number of answers given.
    ValueError where no minimum is found.
    """
    from scipy.optimize import minimize

    n_answers = counts.sum()
    of_row = counts.sum(axis=1, keepdims=True)
    penalty = np.full((features.shape[1], 1), 1 / (strength * n_answers))
    penalty[-1] = 0

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = flat.reshape(features.shape[1], counts.shape[1])
        logits = features @ weights
        logits -= logits.max(axis=1, keepdims=True)
        likely = np.exp(logits)
        total = likely.sum(axis=1, keepdims=True)
        log_loss = (of_row * np.log(total)).sum() - (counts * logits).sum()
        gradient = features.T @ (of_row * likely / total - counts) / n_answers
        value = log_loss / n_answers + (penalty * weights**2).sum() / 2
        return float(value), (gradient + penalty * weights).ravel()

    start = np.zeros(features.shape[1] * counts.shape[1])
    exact = {"gtol": GRADIENT, "ftol": 0, "maxiter": 2000, "maxfun": 5000}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=exact)
    if np.abs(found.jac).max(initial=0.0) > GRADIENT:
        raise ValueError(f"The question-only model was not fitted: {found.message}.")
    return found.x.reshape(features.shape[1], counts.shape[1])

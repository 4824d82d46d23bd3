"""From what a model wrote or weighed to predictions, by the rules that read every free text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from musicavqa.answers.scorers import read_answer, rule_name
from musicavqa.llm.contract import Way
from musicavqa.llm.prompts import Prompt
from musicavqa.llm.running import Task
from musicavqa.records import Prediction, Question, Status

SCORE_RULE = "likelihood/1"
"""The most likely candidate; which candidates and which calibration, run.json says."""


def predictions(
    tasks: Sequence[Task], found: Mapping[str, dict[str, Any]], way: Way, scorer: str = "span"
) -> list[Prediction]:
    """One prediction for each task that was put, in their order.

    An error is no answer: it has the outcome 'error', which every score tells from a wrong answer.
    """
    return [
        prediction(task.question, task.prompt, found[task.question.key], way, scorer)
        for task in tasks
        if task.question.key in found
    ]


def prediction(
    question: Question, prompt: Prompt, record: Mapping[str, Any], way: Way, scorer: str = "span"
) -> Prediction:
    """One record as a prediction."""
    if record["status"] == "no media":
        return Prediction(question.key, None, "no media")
    if record["status"] == "error":
        rule = SCORE_RULE if way == "score" else rule_name("mcq" if prompt.options else scorer)
        return Prediction(question.key, None, "unreadable", outcome="error", rule=rule)
    if way == "score":
        return _weighed(question, prompt, np.array(record["scores"], dtype=float))
    text = record["text"] or ""
    rule = rule_name("mcq" if prompt.options else scorer)
    if record["status"] == "refused":
        return Prediction(question.key, None, "unreadable", text=text, outcome="refusal", rule=rule)
    reading = read_answer(text, question, rule.partition("/")[0], prompt.options)
    status = cast(Status, "answered" if reading.answer is not None else "unreadable")
    return Prediction(
        question.key, reading.answer, status, text=text, outcome=reading.outcome, rule=rule
    )


def _weighed(question: Question, prompt: Prompt, scores: np.ndarray) -> Prediction:
    """The likeliest candidate with its share among the candidates."""
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    first, second = np.argsort(-shares, kind="stable")[:2]
    return Prediction(
        question.key,
        prompt.answers[first],
        confidence=float(shares[first]),
        runner_up=prompt.answers[second],
        runner_up_confidence=float(shares[second]),
        rule=SCORE_RULE,
    )

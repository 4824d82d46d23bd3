"""What a prediction file says beyond its accuracy: priors, rare answers, wordings, confidence.

Works on any predictions of questions with known answers; no model is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from musicavqa.metrics import accuracy, bootstrap, calibration, consistency, selective
from musicavqa.metrics.accuracy import Count
from musicavqa.metrics.bootstrap import Interval
from musicavqa.metrics.consistency import Consistency, Recall
from musicavqa.records import Prediction, Question

RISKS = (5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Confidence:
    """How far confidences can be trusted; an answer that could not be read has confidence 0."""

    calibration_error: float
    """ECE in percent, 15 equally wide bins."""
    adaptive_error: float
    """ECE in percent, 15 bins of equally many rows."""
    brier: float
    bins: calibration.Reliability
    curve: selective.RiskCoverage

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON, the bins included, the curve by its summary."""
        return {
            "calibration_error": self.calibration_error,
            "adaptive_error": self.adaptive_error,
            "brier": self.brier,
            "aurc": self.curve.area,
            "best_aurc": self.curve.best_area,
            "coverage_at_risk": {str(risk): self.curve.coverage_at(risk) for risk in RISKS},
            "bins": {name: values.tolist() for name, values in vars(self.bins).items()},
        }


@dataclass(frozen=True)
class BiasReport:
    """Everything about one prediction file; a part that its questions do not allow is None."""

    counts: Count
    overall: Interval
    head: Interval | None
    tail: Interval | None
    head_minus_tail: Interval | None
    prior_gap: Interval | None
    """Accuracy minus that of the answers a prior gives to the same questions."""
    question_only_gap: Interval | None
    """Accuracy minus that of a model which saw the question only."""
    recall: dict[str, Recall]
    balanced_accuracy: float
    consistency: Consistency | None
    confidence: Confidence | None

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        plain = {name: value for name, value in vars(self).items() if name not in ("confidence",)}
        return {
            **{k: asdict(v) if hasattr(v, "__dataclass_fields__") else v for k, v in plain.items()},
            "recall": {answer: asdict(recall) for answer, recall in self.recall.items()},
            "confidence": None if self.confidence is None else self.confidence.as_dict(),
        }


def bias_report(
    questions: Sequence[Question],
    predictions: Sequence[Prediction],
    prior: Sequence[str] | None = None,
    question_only: Sequence[Prediction] | None = None,
) -> BiasReport:
    """Report on predictions in any order, one for each question.

    `prior` (N,) is what a prior answers, in the order of the questions; `question_only` are the
    predictions of a model without picture and sound.
    """
    predictions = accuracy.match(questions, predictions)
    correct = accuracy.correctness(questions, predictions)
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    recall = consistency.answer_recall([question.answer or "" for question in questions], correct)
    head, tail, gap = _head_and_tail(questions, correct, clips)
    return BiasReport(
        counts=accuracy.score(questions, predictions)["overall"],
        overall=bootstrap.clustered_interval(correct, clips),
        head=head,
        tail=tail,
        head_minus_tail=gap,
        prior_gap=_gap_to(_prior_correct(questions, prior), correct, clips),
        question_only_gap=_gap_to(_correct(questions, question_only), correct, clips),
        recall=recall,
        balanced_accuracy=consistency.balanced_accuracy(recall),
        consistency=consistency.rephrase_consistency(
            [question.rephrases or question.key for question in questions],
            [prediction.answer for prediction in predictions],
            correct,
        ),
        confidence=confidence_report(predictions, correct),
    )


def confidence_report(predictions: Sequence[Prediction], correct: np.ndarray) -> Confidence | None:
    """Calibration and risk-coverage; None where an answered question has no confidence."""
    answered = [prediction.status == "answered" for prediction in predictions]
    given = [p.confidence if a else 0.0 for p, a in zip(predictions, answered, strict=True)]
    if any(value is None for value in given) or not any(answered):
        return None
    confidence = np.array(given, dtype=float)
    bins = calibration.equal_bins(confidence, correct)
    return Confidence(
        calibration_error=bins.error,
        adaptive_error=calibration.adaptive_bins(confidence, correct).error,
        brier=calibration.brier_score(confidence, correct),
        bins=bins,
        curve=selective.risk_coverage(confidence, correct),
    )


def _head_and_tail(
    questions: Sequence[Question], correct: np.ndarray, clips: np.ndarray
) -> tuple[Interval | None, Interval | None, Interval | None]:
    """Accuracy of frequent answers, of rare ones, and the first minus the second."""
    parts = np.array([question.part or "" for question in questions])
    sides = [parts == "head", parts == "tail"]
    head, tail = (
        bootstrap.clustered_interval(correct[side], clips[side]) if side.any() else None
        for side in sides
    )
    if head is None or tail is None:
        return head, tail, None
    either = sides[0] | sides[1]
    return head, tail, bootstrap.group_gap(correct[either], sides[0][either], clips[either])


def _gap_to(other: np.ndarray | None, correct: np.ndarray, clips: np.ndarray) -> Interval | None:
    return None if other is None else bootstrap.paired_difference(correct, other, clips)


def _prior_correct(questions: Sequence[Question], prior: Sequence[str] | None) -> np.ndarray | None:
    if prior is None:
        return None
    return np.array([q.answer == given for q, given in zip(questions, prior, strict=True)])


def _correct(
    questions: Sequence[Question], predictions: Sequence[Prediction] | None
) -> np.ndarray | None:
    if predictions is None:
        return None
    return accuracy.correctness(questions, accuracy.match(questions, predictions))

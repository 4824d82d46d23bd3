"""Do confidences mean what they say? Temperature fitted on validation logits, ECE, Brier score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


def fit_temperature(
    logits: np.ndarray,
    answers: np.ndarray,
    lowest: float = 0.05,
    highest: float = 20.0,
    steps: int = 60,
) -> float:
    """The temperature between `lowest` and `highest` with the best log-likelihood of `answers`.

    logits (N, A), answers (N,) indices. Golden-section search over the logarithm.
    """
    logits, answers = _validated(logits, answers)
    low, high = np.log(lowest), np.log(highest)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    loss_left, loss_right = (_loss(logits, answers, np.exp(t)) for t in (left, right))
    for _ in range(steps):
        if loss_left < loss_right:
            high, right, loss_right = right, left, loss_left
            left = high - _GOLDEN * (high - low)
            loss_left = _loss(logits, answers, np.exp(left))
        else:
            low, left, loss_left = left, right, loss_right
            right = low + _GOLDEN * (high - low)
            loss_right = _loss(logits, answers, np.exp(right))
    return float(np.exp((low + high) / 2))


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Softmax of logits / temperature over the last axis."""
    if temperature <= 0:
        raise ValueError(f"A temperature is above 0, got {temperature}.")
    return np.exp(_log_softmax(np.asarray(logits, dtype=float) / temperature))


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, n_bins: int = 15
) -> float:
    """Mean gap, in percent, between confidence and accuracy over equally wide bins of confidence.

    Bins weigh as much as they have rows. `confidence` (N,) in [0, 1], `correct` (N,) bool.
    """
    return equal_bins(confidence, correct, n_bins).error


@dataclass(frozen=True)
class Reliability:
    """Bins (K,) of a reliability plot, empty ones left out: percent, percent, number of rows."""

    confidence: np.ndarray
    accuracy: np.ndarray
    n_rows: np.ndarray

    @property
    def error(self) -> float:
        """Mean gap between confidence and accuracy, in percent, bins weighted by their rows."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((gaps * self.n_rows).sum() / self.n_rows.sum())


def equal_bins(confidence: np.ndarray, correct: np.ndarray, n_bins: int = 15) -> Reliability:
    """Equally wide bins of confidence; `error` is the ECE (Guo et al., ICML 2017)."""
    confidence, correct = _checked(confidence, correct)
    bins = np.clip(np.ceil(confidence * n_bins).astype(int) - 1, 0, n_bins - 1)
    return _reliability(confidence, correct, bins)


def adaptive_bins(confidence: np.ndarray, correct: np.ndarray, n_bins: int = 15) -> Reliability:
    """Bins of equally many rows by rising confidence; `error` is the adaptive ECE.

    Rows of equal confidence share a bin (Nguyen & O'Connor, EMNLP 2015; Nixon et al., 2019).
    """
    confidence, correct = _checked(confidence, correct)
    ranks = np.searchsorted(np.sort(confidence), confidence)  # first place of equal ones
    return _reliability(confidence, correct, ranks * n_bins // len(confidence))


def brier_score(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean squared distance of the confidence of the given answer from right (1) or wrong (0).

    Brier (1950) for the one event "this answer is right"; 0 is best, and 0.25 is what 50 % on
    everything gets.
    """
    confidence, correct = _checked(confidence, correct)
    return float(((confidence - correct) ** 2).mean())


def _checked(confidence: np.ndarray, correct: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = np.asarray(confidence, dtype=float), np.asarray(correct, dtype=float)
    if confidence.shape != correct.shape or confidence.ndim != 1 or not len(confidence):
        raise ValueError(f"Needs equal (N,) arrays, got {confidence.shape} and {correct.shape}.")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("Confidences lie between 0 and 1.")
    return confidence, correct


def _reliability(confidence: np.ndarray, correct: np.ndarray, bins: np.ndarray) -> Reliability:
    n_rows = np.bincount(bins)
    used = n_rows > 0
    confidences = np.bincount(bins, weights=confidence)[used] / n_rows[used]
    accuracies = np.bincount(bins, weights=correct)[used] / n_rows[used]
    return Reliability(100.0 * confidences, 100.0 * accuracies, n_rows[used])


def _validated(logits: np.ndarray, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    logits, answers = np.asarray(logits, dtype=float), np.asarray(answers)
    if logits.ndim != 2 or answers.shape != logits.shape[:1] or not len(answers):
        raise ValueError(f"Needs (N, A) and (N,), got {logits.shape} and {answers.shape}.")
    if answers.min() < 0 or answers.max() >= logits.shape[1]:
        raise ValueError("An answer index lies outside of the logits.")
    return logits, answers


def _loss(logits: np.ndarray, answers: np.ndarray, temperature: float) -> float:
    return -float(_log_softmax(logits / temperature)[np.arange(len(answers)), answers].mean())


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))

"""Answer only where sure: risk (share of wrong answers) against coverage (share answered)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RiskCoverage:
    """Risk at each coverage that a threshold on confidence can reach, from the surest on.

    Questions of equal confidence are answered together; the last point answers all and its risk is
    the error rate. Both arrays (K,) are in percent, coverage rises.
    """

    coverage: np.ndarray
    risk: np.ndarray
    area: float
    """AURC in percent: the mean risk over all coverages (Geifman & El-Yaniv, NeurIPS 2017)."""
    best_area: float
    """AURC if the same answers were sorted by an oracle: right ones first."""

    def coverage_at(self, risk: float) -> float:
        """Largest coverage, in percent, of which the risk is at most `risk` percent; 0 if none."""
        kept = self.coverage[self.risk <= risk]
        return float(kept.max(initial=0.0))


def risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> RiskCoverage:
    """Risk and coverage of answers with `confidence` (N,), right where `correct` (N,) is true."""
    confidence, wrong = np.asarray(confidence, dtype=float), ~np.asarray(correct, dtype=bool)
    if confidence.shape != wrong.shape or confidence.ndim != 1 or not len(confidence):
        raise ValueError(f"Needs equal (N,) arrays, got {confidence.shape} and {wrong.shape}.")
    order = np.argsort(-confidence, kind="stable")
    last = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # of each equal confidence
    n_answered = last + 1
    n_wrong = np.cumsum(wrong[order])[last]
    coverage, risk = 100.0 * n_answered / len(wrong), 100.0 * n_wrong / n_answered
    n_all = np.arange(1, len(wrong) + 1)
    best = np.cumsum(np.sort(wrong)) / n_all
    area = float((risk * np.diff(n_answered, prepend=0)).sum() / len(wrong))
    return RiskCoverage(coverage, risk, area, 100.0 * float(best.mean()))

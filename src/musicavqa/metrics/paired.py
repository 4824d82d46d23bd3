"""Two systems on the same questions: exact McNemar test, and Holm's correction for many tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class McNemar:
    """How many questions only one of two systems answers right, and how likely by chance."""

    only_first: int
    only_second: int
    p_value: float
    """Exact and two-sided; right when questions are independent of each other."""


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Exact McNemar test of two (N,) bool arrays on the same questions in the same order.

    Under the null hypothesis each question that only one system gets right is a fair coin.
    """
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"A pair needs equal (N,) rows, got {first.shape} and {second.shape}.")
    only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
    return McNemar(only_first, only_second, _fair_coin(only_first, only_second))


def holm(p_values: Sequence[float | None]) -> list[float]:
    """Adjusted p-values, in the order given: below 0.05 where Holm's step-down test rejects at 5 %.

    Keeps the chance of any false alarm among them (Holm, Scand. J. Statistics 1979); tests may
    depend on each other. A test without p-value (None) raises ValueError.
    """
    p = np.asarray(p_values, dtype=float)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values lie between 0 and 1, got {list(p_values)}.")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def _fair_coin(heads: int, tails: int) -> float:
    """Two-sided exact p-value: twice the smaller tail of a binomial with share 1/2."""
    n, fewer = heads + tails, min(heads, tails)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0)
        for k in range(fewer + 1)
    ]
    return min(1.0, 2.0 * float(np.exp(np.logaddexp.reduce(logs))))

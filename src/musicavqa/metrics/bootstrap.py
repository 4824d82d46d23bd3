"""Intervals that know that questions about one clip are not independent: clips are resampled.

The resamples give the standard error; the ends follow from Student's t with one degree of freedom
less than there are (effective) clips, for shares in Wilson's form (JASA 1927; clustered: Dean &
Pagano, J. Survey Statistics and Methodology 2015). Percentiles and BCa of the same resamples were
measured too and hold less often what they promise: docs/statistics.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from musicavqa.metrics.clusters import clip_sums, effective_clips
from musicavqa.metrics.distributions import student_cdf, student_quantile

_CHUNK = 1_000_000
"""Clips drawn at once: bounds the memory to some tens of MB, whatever the number of clips."""

Statistic = Callable[[np.ndarray], np.ndarray]
"""Column sums over clips (..., K) -> the statistic (...), in percent."""


@dataclass(frozen=True)
class Interval:
    """A mean in percent (or percentage points), with the ends of its interval."""

    mean: float
    low: float
    high: float
    level: float
    n_rows: int
    n_clips: int
    p_value: float | None = None
    """Two-sided, only for differences: 1 minus the level at which the interval touches zero."""


def clustered_interval(
    correct: np.ndarray,
    clips: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean of `correct` (N,), 0 to 1, where row i belongs to clip `clips[i]`."""
    sums, sizes = clip_sums(correct, clips)
    bootstrap = _Bootstrap(np.stack([sums, sizes], axis=1), _mean, resamples, seed)
    return bootstrap.share(len(correct), level)


def paired_difference(
    first: np.ndarray,
    second: np.ndarray,
    clips: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Interval of mean(first) - mean(second), both (N,) on the same questions in the same order."""
    if np.shape(first) != np.shape(second):
        raise ValueError(f"A pair needs equal rows, got {np.shape(first)} and {np.shape(second)}.")
    difference = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    sums, sizes = clip_sums(difference, clips)
    bootstrap = _Bootstrap(np.stack([sums, sizes], axis=1), _mean, resamples, seed)
    return bootstrap.difference(len(difference), level)


def group_gap(
    correct: np.ndarray,
    inside: np.ndarray,
    clips: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean of `correct` (N,) where `inside` (N,) is true minus that of the rest.

    A clip may have questions on both sides; a resample that leaves one side empty is drawn in vain.
    """
    correct, inside = np.asarray(correct, dtype=float), np.asarray(inside, dtype=bool)
    if inside.shape != correct.shape or inside.all() or not inside.any():
        raise ValueError(f"A gap needs rows on both sides, got {inside.sum()} of {correct.size}.")
    sides = np.stack([correct * inside, inside, correct * ~inside, ~inside], axis=1)
    bootstrap = _Bootstrap(clip_sums(sides, clips)[0], _gap, resamples, seed)
    return bootstrap.difference(len(correct), level)


class _Bootstrap:
    """A statistic of sums over clips and its standard error from resampled clips.

    `columns` (G, K) are the sums of each clip, every second one counts its rows. Level and p-value
    invert each other exactly.
    """

    def __init__(self, columns: np.ndarray, statistic: Statistic, resamples: int, seed: int):
        self.n_clips = len(columns)
        self.estimate = float(statistic(columns.sum(0)))
        self.freedom = max(1.0, effective_clips(columns[:, 1::2].sum(1)) - 1.0)
        widening = math.sqrt((self.freedom + 1.0) / self.freedom)
        self.error = widening * float(_draw(columns, statistic, resamples, seed).std())
        self.spread = self.error > 1e-9

    def share(self, n_rows: int, level: float) -> Interval:
        """The Interval of a share: Wilson's, with as many trials as the standard error is worth."""
        mean, error = self.estimate / 100.0, self.error / 100.0
        if not self.spread:
            return self._without_spread(n_rows, level, lowest=0.0)
        reach = (self._quantile(level) * error) ** 2
        pull = reach / (mean * (1.0 - mean))  # towards one half
        centre, half = mean + pull / 2.0, math.sqrt(reach + pull**2 / 4.0)
        low, high = (100.0 * (centre + side) / (1.0 + pull) for side in (-half, half))
        return Interval(self.estimate, low, high, level, n_rows, self.n_clips)

    def difference(self, n_rows: int, level: float) -> Interval:
        """The Interval of a difference, symmetric, with its p-value."""
        if not self.spread:
            p_value = 1.0 if self.estimate == 0 else min(1.0, 2.0 * 0.5**self.n_clips)
            return replace(self._without_spread(n_rows, level, -100.0), p_value=p_value)
        half = self._quantile(level) * self.error
        low, high = max(-100.0, self.estimate - half), min(100.0, self.estimate + half)
        p_value = 2.0 * student_cdf(-abs(self.estimate) / self.error, self.freedom)
        return Interval(self.estimate, low, high, level, n_rows, self.n_clips, p_value)

    def _without_spread(self, n_rows: int, level: float, lowest: float) -> Interval:
        """Every clip agrees, so resampling is mute: exact binomial bound, each clip one draw."""
        width = 100.0 * (1.0 - _tail(level) ** (1.0 / self.n_clips))
        low, high = max(lowest, self.estimate - width), min(100.0, self.estimate + width)
        return Interval(self.estimate, low, high, level, n_rows, self.n_clips)

    def _quantile(self, level: float) -> float:
        return student_quantile(1.0 - _tail(level), self.freedom)


def _tail(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise ValueError(f"level lies between 0 and 1, got {level}.")
    return (1.0 - level) / 2.0


def _draw(columns: np.ndarray, statistic: Statistic, resamples: int, seed: int) -> np.ndarray:
    """The statistic (resamples,) of as many clips as there are, drawn with replacement."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _CHUNK // len(columns))
    draws = []
    for start in range(0, resamples, at_once):
        size = (min(at_once, resamples - start), len(columns))
        chosen = rng.integers(0, len(columns), size)
        sums = [column[chosen].sum(1) for column in columns.T]
        draws.append(statistic(np.stack(sums, axis=-1)))
    drawn = np.concatenate(draws)
    return drawn[~np.isnan(drawn)]


def _mean(sums: np.ndarray) -> np.ndarray:
    return 100.0 * sums[..., 0] / sums[..., 1]


def _gap(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        first, second = sums[..., 0] / sums[..., 1], sums[..., 2] / sums[..., 3]
    return 100.0 * (first - second)

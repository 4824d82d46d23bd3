"""Intervals that know that questions about one clip are not independent: clips are resampled.

Percentile bootstrap over clips (clusters). All resamples are drawn at once as multinomial weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


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
    """Two-sided, only for differences: how often the resampled difference crosses zero."""


def clustered_interval(
    correct: np.ndarray,
    clips: np.ndarray,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Interval of the mean of `correct` (N,) where row i belongs to clip `clips[i]`."""
    values, clusters = _validated(correct, clips, level)
    means = 100.0 * _resampled_means(values, clusters, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        mean=100.0 * float(values.mean()),
        low=float(low),
        high=float(high),
        level=level,
        n_rows=len(values),
        n_clips=int(clusters.max()) + 1,
    )


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
    values, clusters = _validated(difference, clips, level)
    means = 100.0 * _resampled_means(values, clusters, resamples, seed)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    return Interval(
        mean=100.0 * float(values.mean()),
        low=float(low),
        high=float(high),
        level=level,
        n_rows=len(values),
        n_clips=int(clusters.max()) + 1,
        p_value=min(1.0, 2.0 * (beyond + 1) / (resamples + 1)),
    )


def _validated(
    values: np.ndarray, clips: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Values as float (N,) and cluster numbers (N,) from 0."""
    values = np.asarray(values, dtype=float)
    if values.ndim != 1 or values.shape != np.shape(clips) or not len(values):
        raise ValueError(
            f"Needs one value and one clip per row and at least one row, "
            f"got shapes {values.shape} and {np.shape(clips)}."
        )
    if not 0 < level < 1:
        raise ValueError(f"level lies between 0 and 1, got {level}.")
    return values, np.unique(np.asarray(clips), return_inverse=True)[1]


def _resampled_means(
    values: np.ndarray, clusters: np.ndarray, resamples: int, seed: int
) -> np.ndarray:
    """Means (resamples,) of rows whose clips were drawn with replacement."""
    totals = np.bincount(clusters, weights=values)
    sizes = np.bincount(clusters)
    n_clips = len(sizes)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n_clips, np.full(n_clips, 1.0 / n_clips), size=resamples)
    return (drawn @ totals) / (drawn @ sizes)

"""Several seeds of one method: how much is luck of the seed, how much luck of the clips.

Seeds and clips are crossed, and both are draws from larger populations:

    u[s, g] = seed[s] + clip[g] + residual[s, g]

where u[s, g] is what clip g adds to the accuracy of seed s beyond the mean of all (linearised, so
that clips may have unequal numbers of questions). Mean squares of this two-way table without
replication separate the three. The variance of the mean over S seeds and G clips is

    V = (MS_clip + max(0, MS_seed - MS_residual)) / (S G)

with degrees of freedom by Satterthwaite (Biometrics Bulletin 1946), so that mean +- t sqrt(V)
speaks of other trainings on other clips of the same kind. One seed alone has no MS_seed: its
interval then speaks of this one training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from musicavqa.metrics.bootstrap import Interval
from musicavqa.metrics.clusters import clip_sums, clustered_variance, effective_clips
from musicavqa.metrics.distributions import student_cdf, student_quantile


@dataclass(frozen=True)
class SeedReport:
    """Accuracy over several seeds, in percent; standard deviations in points."""

    mean: Interval
    """Of the mean over seeds, for other seeds and other clips."""
    accuracies: tuple[float, ...]
    spread: float
    """Standard deviation of the accuracies as they are, on the same questions."""
    seed_deviation: float
    """Of a seed's own effect: the spread without what the choice of clips adds to it."""
    clip_deviation: float
    """Of the mean, from the choice of clips that all seeds share."""


@dataclass(frozen=True)
class _Squares:
    """Mean squares of seeds x clips, in squared points, and the size of the table."""

    seed: float
    clip: float
    residual: float
    n_seeds: int
    n_clips: int


def seed_report(correct: np.ndarray, clips: np.ndarray, level: float = 0.95) -> SeedReport:
    """Mean, spread and interval of `correct` (S, N): two or more seeds on the same N questions."""
    correct = _table(correct)
    if len(correct) < 2:
        raise ValueError("One seed has no spread; give two or more, or use clustered_interval.")
    squares = _mean_squares(correct, clips)
    cells = squares.n_seeds * squares.n_clips
    accuracies = 100.0 * correct.mean(1)
    return SeedReport(
        mean=_interval(correct.mean(0), [squares], clips, level),
        accuracies=tuple(accuracies.tolist()),
        spread=float(accuracies.std(ddof=1)),
        seed_deviation=math.sqrt(max(0.0, squares.seed - squares.residual) / squares.n_clips),
        clip_deviation=math.sqrt(max(0.0, squares.clip - squares.residual) / cells),
    )


def seeds_difference(
    first: np.ndarray, second: np.ndarray, clips: np.ndarray, level: float = 0.95
) -> Interval:
    """Interval and p-value of mean(first) - mean(second), (S, N) and (R, N) of two methods.

    Seeds of one method are independent of those of the other; clips are shared by all.
    """
    first, second = _table(first), _table(second)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"A pair needs equal rows, got {first.shape[1]} and {second.shape[1]}.")
    squares = [_mean_squares(table, clips) for table in (first, second) if len(table) > 1]
    contrast = first.mean(0) - second.mean(0)
    return _interval(contrast, squares, clips, level, signed=True)


def _interval(
    contrast: np.ndarray,
    tables: list[_Squares],
    clips: np.ndarray,
    level: float,
    signed: bool = False,
) -> Interval:
    """Mean of `contrast` (N,) with the variance of clips and the excess of each table's seeds."""
    n_clips = len(np.unique(clips))
    mean, lowest = 100.0 * float(np.mean(contrast)), -100.0 if signed else 0.0
    if n_clips < 2:  # says nothing about other clips
        p_value = 1.0 if signed else None
        return Interval(mean, lowest, 100.0, level, len(contrast), n_clips, p_value)
    variance = 100.0**2 * clustered_variance(contrast, clips)
    freedom = max(1.0, effective_clips(clip_sums(contrast, clips)[1]) - 1.0)
    parts = [(variance, freedom)]
    for table in tables:
        cells, seeds = table.n_seeds * table.n_clips, table.n_seeds - 1
        variance += max(0.0, table.seed - table.residual) / cells
        parts += [(table.seed / cells, seeds), (table.residual / cells, seeds * freedom)]
    error = math.sqrt(variance)
    freedom_all = _satterthwaite(variance, parts)
    half = error * student_quantile((1.0 + level) / 2.0, freedom_all)
    return Interval(
        mean=mean,
        low=max(lowest, mean - half),
        high=min(100.0, mean + half),
        level=level,
        n_rows=len(contrast),
        n_clips=n_clips,
        p_value=_p_value(mean, error, freedom_all) if signed else None,
    )


def _mean_squares(correct: np.ndarray, clips: np.ndarray) -> _Squares:
    sums, sizes = clip_sums(correct.T, clips)  # (G, S), (G,)
    n_clips, n_seeds = sums.shape
    deviations = sums - correct.mean() * sizes[:, None]
    effects = 100.0 * n_clips / sizes.sum() * deviations.T  # (S, G), u of the docstring
    seed, clip = effects.mean(1), effects.mean(0)
    residual = effects - seed[:, None] - clip
    return _Squares(
        seed=n_clips * float((seed**2).sum()) / (n_seeds - 1),
        clip=n_seeds * float((clip**2).sum()) / max(1, n_clips - 1),
        residual=float((residual**2).sum()) / ((n_seeds - 1) * max(1, n_clips - 1)),
        n_seeds=n_seeds,
        n_clips=n_clips,
    )


def _satterthwaite(variance: float, parts: list[tuple[float, float]]) -> float:
    """Degrees of freedom of a variance that is a sum of independent mean squares; at least 1."""
    below = sum(part**2 / freedom for part, freedom in parts)
    return max(1.0, variance**2 / below) if below > 0 else 1.0


def _p_value(mean: float, error: float, freedom: float) -> float:
    if error == 0.0:
        return 1.0 if mean == 0.0 else 0.0
    return 2.0 * student_cdf(-abs(mean) / error, freedom)


def _table(correct: np.ndarray) -> np.ndarray:
    """(S, N) as float; a single (N,) is one seed."""
    table = np.atleast_2d(np.asarray(correct, dtype=float))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"Needs (seeds, questions), got {np.shape(correct)}.")
    return table

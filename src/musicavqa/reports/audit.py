"""Do the three designs of the survey help? A stated model on the published scores.

accuracy = constant + mark + (year - 2022) + backbone class, ordinary least squares, one row per
method. Year and backbone are the confounds that can be read from the papers; training data,
features and tuning cannot, so an effect here is an association between papers.

* p-value: Freedman and Lane (1983). The residuals of the model without the mark are permuted,
  t of the mark is two-sided.
* interval: methods are drawn with replacement (percentile bootstrap); draws in which the mark
  cannot be told from the covariates are drawn again and counted.
* every p-value of a table is corrected by Holm over the tests of that table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicavqa.metrics.paired import holm
from musicavqa.reports.survey import Bar

OUTCOMES = ("avg", "a_avg", "v_avg", "av_avg", "av_comp", "av_temp")
BACKBONES = ("classic", "transformer", "foundation")
MARKS: dict[str, tuple[str, Callable[[Bar], bool]]] = {
    "spatial-temporal": ("an explicit spatial-temporal design", lambda bar: bar.marked),
    "spatial-temporal, ours": (
        "a spatial-temporal design, debatable cases counted as having one",
        lambda bar: bar.method.spatial_temporal in ("yes", "debatable"),
    ),
    "music-specific": ("music-specific modelling", lambda bar: bar.method.music_specific),
    "specialised input": ("specialised input", lambda bar: bar.method.specialised_input),
}
_FEWEST = 2
"""Methods with and without the mark that a test needs at least."""
_FREEDOM = 3
"""Residual degrees of freedom that a test needs at least."""
_SAME = 1e-8


@dataclass(frozen=True)
class Estimate:
    """The coefficient of a mark, in points of accuracy, and how sure the data are of it."""

    points: float
    low: float
    high: float
    p_value: float
    redrawn: int
    """Bootstrap draws that had to be drawn again."""
    least: tuple[float, str]
    """Smallest coefficient when one method is left out, and which one."""
    most: tuple[float, str]
    p_holm: float = 1.0
    """Corrected over the table that the estimate stands in."""

    @property
    def grade(self) -> str:
        """'shown' if interval and corrected test agree, 'unclear' if one of them alone sees it."""
        beyond_zero = not self.low <= 0 <= self.high
        significant = self.p_holm < 0.05
        if beyond_zero and significant:
            return "shown"
        return "unclear" if beyond_zero or significant else "not shown"


@dataclass(frozen=True)
class Effect:
    """One mark, one outcome, one set of methods; `reason` says why there is no estimate."""

    mark: str
    outcome: str
    n_with: int
    n_without: int
    raw: float | None = None
    """Difference of the plain means, in points: what the radar charts show."""
    estimate: Estimate | None = None
    reason: str = ""


def effect(
    bars: Sequence[Bar], mark: str, outcome: str, permutations: int = 9999, seed: int = 0
) -> Effect:
    """The effect of a mark on an outcome over those bars that have the outcome."""
    bars = [bar for bar in bars if outcome in bar.row.scores]
    values = np.array([bar.row.scores[outcome] for bar in bars])
    marks = np.array([MARKS[mark][1](bar) for bar in bars], dtype=float)
    n_with = int(marks.sum())
    found = Effect(mark, outcome, n_with, len(bars) - n_with)
    if n_with and n_with < len(bars):
        raw = float(values[marks == 1].mean() - values[marks == 0].mean())
        found = replace(found, raw=raw)
    if min(n_with, len(bars) - n_with) < _FEWEST:
        few = "carry" if n_with < _FEWEST else "lack"
        n_few = min(n_with, len(bars) - n_with)
        return replace(found, reason=f"only {n_few} of {len(bars)} methods {few} the mark")
    covariates = design(bars)
    if len(bars) - np.linalg.matrix_rank(covariates) - 1 < _FREEDOM:
        return replace(found, reason=f"{len(bars)} methods are too few for the covariates")
    if not _separable(marks, covariates):
        return replace(found, reason="the mark cannot be told from year and backbone")
    return replace(found, estimate=_estimate(values, marks, covariates, bars, permutations, seed))


def _estimate(
    values: np.ndarray,
    marks: np.ndarray,
    covariates: np.ndarray,
    bars: Sequence[Bar],
    permutations: int,
    seed: int,
) -> Estimate:
    rng = np.random.default_rng(seed)
    low, high, redrawn = _interval(values, marks, covariates, rng)
    left_out = _leave_one_out(values, marks, covariates, [bar.label for bar in bars])
    return Estimate(
        points=float(_coefficient(values, marks, covariates)),
        low=low,
        high=high,
        p_value=freedman_lane(values, marks, covariates, permutations, rng),
        redrawn=redrawn,
        least=min(left_out),
        most=max(left_out),
    )


def table(
    bars: Sequence[Bar],
    marks: Sequence[str] = tuple(MARKS),
    outcomes: Sequence[str] = OUTCOMES,
    permutations: int = 9999,
    seed: int = 0,
) -> list[Effect]:
    """Effects of all marks on all outcomes, with Holm's correction over those that were tested."""
    found = [effect(bars, mark, out, permutations, seed) for mark in marks for out in outcomes]
    corrected = iter(holm([e.estimate.p_value for e in found if e.estimate]))
    return [
        replace(e, estimate=replace(e.estimate, p_holm=next(corrected))) if e.estimate else e
        for e in found
    ]


def design(bars: Sequence[Bar]) -> np.ndarray:
    """(n, k) covariates: constant, year - 2022, one column per backbone class but the first."""
    present = [name for name in BACKBONES if any(bar.method.backbone == name for bar in bars)]
    columns = [np.ones(len(bars)), np.array([bar.method.year - 2022.0 for bar in bars])]
    for name in present[1:]:
        columns.append(np.array([float(bar.method.backbone == name) for bar in bars]))
    return np.stack(columns, axis=1)


def _residuals(values: np.ndarray, covariates: np.ndarray) -> np.ndarray:
    """What the covariates leave of `values`, (n,) or (n, many)."""
    return values - covariates @ np.linalg.lstsq(covariates, values, rcond=None)[0]


def _separable(marks: np.ndarray, covariates: np.ndarray) -> bool:
    return float((_residuals(marks, covariates) ** 2).sum()) > _SAME


def _coefficient(values: np.ndarray, marks: np.ndarray, covariates: np.ndarray) -> float:
    """Least squares coefficient of the mark (Frisch, Waugh and Lovell)."""
    own = _residuals(marks, covariates)
    return own @ values / (own @ own)


def freedman_lane(
    values: np.ndarray,
    marks: np.ndarray,
    covariates: np.ndarray,
    permutations: int,
    rng: np.random.Generator,
) -> float:
    """Two-sided p-value of the mark, (n,), given values (n,) and covariates (n, k)."""
    own = _residuals(marks, covariates)
    rest = _residuals(values, covariates)
    fitted = values - rest
    freedom = len(values) - np.linalg.matrix_rank(covariates) - 1
    shuffled = rng.permuted(np.tile(rest, (permutations, 1)), axis=1)
    worlds = np.concatenate([values[None], fitted + shuffled])  # (1 + permutations, n)
    remaining = _residuals(worlds.T, covariates)  # (n, 1 + permutations)
    points = own @ remaining / (own @ own)
    errors = (remaining**2).sum(axis=0) - points**2 * (own @ own)
    t = np.abs(points) / np.sqrt(np.maximum(errors, _SAME) / freedom / (own @ own))
    return float((1 + (t[1:] >= t[0] - _SAME).sum()) / (1 + permutations))


def _interval(
    values: np.ndarray,
    marks: np.ndarray,
    covariates: np.ndarray,
    rng: np.random.Generator,
    resamples: int = 2000,
) -> tuple[float, float, int]:
    """95 % percentile interval of the coefficient, and how many draws were drawn again."""
    points = np.empty(0)
    redrawn = 0
    while len(points) < resamples:
        rows = rng.integers(0, len(values), (resamples - len(points), len(values)))
        drawn, possible = _coefficients(values[rows], marks[rows], covariates[rows])
        points = np.concatenate([points, drawn[possible]])
        redrawn += int((~possible).sum())
    low, high = np.quantile(points, [0.025, 0.975])
    return float(low), float(high), redrawn


def _coefficients(
    values: np.ndarray, marks: np.ndarray, covariates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (draws,) of many draws, (draws, n), and which of them exist."""
    inverse = np.linalg.pinv(covariates)  # (draws, k, n)
    own = marks - np.einsum("dnk,dk->dn", covariates, np.einsum("dkn,dn->dk", inverse, marks))
    size = (own**2).sum(axis=1)
    possible = size > _SAME
    return (own * values).sum(axis=1) / np.where(possible, size, 1.0), possible


def _leave_one_out(
    values: np.ndarray, marks: np.ndarray, covariates: np.ndarray, names: Sequence[str]
) -> list[tuple[float, str]]:
    found = []
    for index, name in enumerate(names):
        keep = np.arange(len(values)) != index
        if _separable(marks[keep], covariates[keep]):
            points = _coefficient(values[keep], marks[keep], covariates[keep])
            found.append((float(points), name))
    return found

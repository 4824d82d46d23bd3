"""Effects of three switches and their interactions, with intervals over clips and seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablation.design import CELLS, SWITCHES, Cell
from musicavqa.metrics.clusters import clip_sums, clustered_variance, effective_clips
from musicavqa.metrics.distributions import student_quantile

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean in percent, or a difference in points, with its interval of 95 %."""

    mean: float
    low: float
    high: float

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0


def contrasts() -> dict[str, np.ndarray]:
    """Name -> weights (8,) of the cells, in the order of `CELLS`.

    Main effects, interactions, what is lost without one switch alone, and won with one alone.
    """
    sign = {name: _weights(lambda c, n=name: 1 if getattr(c, n) else -1) for name in SWITCHES}
    found = {name: sign[name] / 4 for name in SWITCHES}
    for one, other in combinations(SWITCHES, 2):
        found[f"{one} x {other}"] = sign[one] * sign[other] / 2
    found[" x ".join(SWITCHES)] = np.prod(list(sign.values()), axis=0)
    for name in SWITCHES:
        others = [other for other in SWITCHES if other != name]
        found[f"full, without {name}"] = _weights(
            lambda c, n=name, o=others: all(getattr(c, x) for x in o) * (1 if getattr(c, n) else -1)
        )
        found[f"{name} alone"] = _weights(
            lambda c, n=name, o=others: (
                (not any(getattr(c, x) for x in o)) * (1 if getattr(c, n) else -1)
            )
        )
    return found


def _weights(of: Callable[[Cell], float]) -> np.ndarray:
    return np.array([float(of(cell)) for cell in CELLS])


def estimate(correct: np.ndarray, clips: np.ndarray, weights: Sequence[float]) -> Estimate:
    """The weighted sum of cells with its interval; `correct` (8, S, N) is 0 or 1, clips (N,).

    Variance over clips of the mean over seeds, and over seeds of the mean over questions; degrees
    of freedom by Welch and Satterthwaite. With one seed it is that over clips alone.
    """
    each = 100 * np.tensordot(np.asarray(weights, float), correct, 1)  # (S, N)
    n_seeds = len(each)
    over_clips = clustered_variance(each.mean(0), clips)
    over_seeds = float(each.mean(1).var(ddof=1)) / n_seeds if n_seeds > 1 else 0.0
    mean, variance = float(each.mean()), over_clips + over_seeds
    if not variance:
        return Estimate(mean, mean, mean)
    free_clips = max(1.0, effective_clips(clip_sums(each[0], clips)[1]) - 1)
    parts = over_clips**2 / free_clips + over_seeds**2 / max(1, n_seeds - 1)
    half = student_quantile((1 + LEVEL) / 2, variance**2 / parts) * float(np.sqrt(variance))
    return Estimate(mean, mean - half, mean + half)

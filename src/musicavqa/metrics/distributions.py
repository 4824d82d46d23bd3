"""Student's t without scipy: its distribution function and its quantiles, by plain quadrature."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)


def student_cdf(t: float, freedom: float) -> float:
    """Probability that a t variable with this many degrees of freedom (1 or more) is at most `t`.

    With t = sqrt(freedom) tan(angle) the density is cos(angle)^(freedom - 1), which is smooth.
    """
    if freedom < 1:
        raise ValueError(f"Degrees of freedom are 1 or more, got {freedom}.")
    half = math.atan(abs(t) / math.sqrt(freedom)) / 2.0
    area = half * float(_WEIGHTS @ np.cos(half * (_NODES + 1.0)) ** (freedom - 1.0))
    scale = math.lgamma((freedom + 1.0) / 2.0) - math.lgamma(freedom / 2.0)
    beyond = area * math.exp(scale) / math.sqrt(math.pi)
    return min(1.0, max(0.0, 0.5 + math.copysign(beyond, t)))


@cache
def student_quantile(level: float, freedom: float) -> float:
    """The t below which a share `level` of the distribution lies; by bisection over the angle."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"A level lies between 0 and 1, got {level}.")
    low, high = -math.pi / 2.0, math.pi / 2.0
    for _ in range(60):
        middle = (low + high) / 2.0
        below = student_cdf(math.sqrt(freedom) * math.tan(middle), freedom) < level
        low, high = (middle, high) if below else (low, middle)
    return math.sqrt(freedom) * math.tan((low + high) / 2.0)

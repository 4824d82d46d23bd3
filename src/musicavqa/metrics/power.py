"""What a test set can show at all: the smallest difference that a paired test would detect."""

from __future__ import annotations

import math
from statistics import NormalDist


def minimal_detectable_difference(
    n_rows: int,
    discordance: float,
    design_effect: float = 1.0,
    alpha: float = 0.05,
    power: float = 0.8,
) -> float:
    """Smallest true difference of two accuracies, in points, found with this power; NaN if none.

    `discordance` is the share of questions that exactly one of the two systems gets right. With
    a = z(1 - alpha / 2), b = z(power) and m = n_rows / design_effect independent questions,

        difference = sqrt(discordance) * (a sqrt(m) + b sqrt(m + b^2 - a^2)) / (m + b^2),

    the solution of difference * sqrt(m) = a sqrt(d) + b sqrt(d - difference^2) for discordance d
    (Connor, Biometrics 1987). A difference cannot exceed the discordance: where it would have to,
    this test set is too small, and the result is NaN.
    """
    if n_rows < 1 or not 0.0 <= discordance <= 1.0 or not design_effect > 0.0:
        raise ValueError(
            f"Needs rows, a discordance from 0 to 1 and a design effect above 0, "
            f"got {n_rows}, {discordance} and {design_effect}."
        )
    if not 0.0 < alpha < 1.0 or not 0.0 < power < 1.0:
        raise ValueError(f"alpha and power lie between 0 and 1, got {alpha} and {power}.")
    a, b = NormalDist().inv_cdf(1.0 - alpha / 2.0), NormalDist().inv_cdf(power)
    m = n_rows / design_effect
    inside = m + b * b - a * a
    if inside < 0.0:
        return float("nan")
    share = math.sqrt(discordance) * (a * math.sqrt(m) + b * math.sqrt(inside)) / (m + b * b)
    return 100.0 * share if 0.0 < share <= discordance else float("nan")

"""Minimise a smooth convex function: L-BFGS (Nocedal and Wright, algorithm 7.4 and 7.5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
"""Point -> value and gradient."""

Correction = tuple[np.ndarray, np.ndarray, float]
"""Step s, change of gradient y, and s . y."""


def minimise(
    function: Function,
    start: np.ndarray,
    tolerance: float = 1e-5,
    memory: int = 10,
    max_steps: int = 2000,
) -> np.ndarray:
    """The point where no entry of the gradient exceeds `tolerance`.

    Raises ValueError when `max_steps` do not get there.
    """
    point = start.copy()
    value, gradient = function(point)
    past: deque[Correction] = deque(maxlen=memory)
    for _ in range(max_steps):
        if np.abs(gradient).max(initial=0.0) <= tolerance:
            return point
        direction = -_scaled(gradient, past)
        step = 1.0 if past else min(1.0, 1.0 / np.abs(gradient).sum())
        step, next_value, next_gradient = _search(function, point, value, gradient, direction, step)
        moved, change = step * direction, next_gradient - gradient
        past.append((moved, change, float(moved @ change)))
        point, value, gradient = point + moved, next_value, next_gradient
    raise ValueError(
        f"No minimum after {max_steps} steps: the gradient is {np.abs(gradient).max():.1e}, "
        f"wanted {tolerance:.1e}."
    )


def _scaled(gradient: np.ndarray, past: deque[Correction]) -> np.ndarray:
    """The gradient times the estimated inverse Hessian (two-loop recursion)."""
    found = gradient.copy()
    shares = []
    for step, change, product in reversed(past):
        shares.append(float(step @ found) / product)
        found -= shares[-1] * change
    if past:
        _, change, product = past[-1]
        found *= product / float(change @ change)
    for (step, change, product), share in zip(past, reversed(shares), strict=True):
        found += (share - float(change @ found) / product) * step
    return found


def _search(
    function: Function,
    point: np.ndarray,
    value: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    step: float,
) -> tuple[float, float, np.ndarray]:
    """A step along `direction` that meets the weak Wolfe conditions, by bisection."""
    slope = float(gradient @ direction)
    low, high = 0.0, np.inf
    for _ in range(60):
        next_value, next_gradient = function(point + step * direction)
        if next_value > value + 1e-4 * step * slope:
            high = step
        elif float(next_gradient @ direction) < 0.9 * slope:
            low = step
        else:
            return step, next_value, next_gradient
        step = 2 * low if high == np.inf else (low + high) / 2
    raise ValueError(
        "No step makes the function smaller; its gradient is wrong or it is not smooth."
    )

"""How far evidence points at what is meant: over seconds, or over the cells of a picture.

Evidence is spread over N places and sums to one; the target says how much of each place is meant.

* pointing: the place with most evidence is meant (at least half of it; ties count by their share);
* inside: evidence on what is meant (energy inside), sum of evidence times target;
* overlap: intersection over union of the places with at least half of the largest evidence and
  those that are meant.

A rival is evidence that knows nothing: spread evenly, or a hill in the middle.
"""

from __future__ import annotations

import numpy as np

MEASURES = ("pointing", "inside", "overlap")
HALF = 0.5
_HILL = 6.0
"""The hill's standard deviation is this part of each side."""


def grounding(evidence: np.ndarray, target: np.ndarray) -> tuple[float, float, float]:
    """(pointing, inside, overlap) of evidence (N,) against a target (N,), each 0 to 1.

    ValueError where shapes differ, evidence is negative or nothing, or the target means nothing.
    """
    evidence, target = np.asarray(evidence, dtype=float), np.asarray(target, dtype=float)
    total = evidence.sum()
    if evidence.shape != target.shape or evidence.ndim != 1:
        raise ValueError(f"Evidence and target need one shape, got {evidence.shape, target.shape}.")
    if not np.isfinite(total) or total <= 0 or (evidence < 0).any():
        raise ValueError(f"Evidence is not negative and more than nothing; its sum is {total}.")
    if not (target >= HALF).any():
        raise ValueError("The target means no place at all.")
    meant, top = target >= HALF, evidence >= evidence.max() * (1 - 1e-9)
    marked = evidence >= HALF * evidence.max()
    return (
        float(meant[top].mean()),
        float((evidence * target).sum() / total),
        float((marked & meant).sum() / (marked | meant).sum()),
    )


def even(n_places: int) -> np.ndarray:
    """Evidence (N,) that is everywhere the same: what chance hits."""
    return np.full(n_places, 1.0 / n_places)


def hill(*sides: int) -> np.ndarray:
    """Evidence (N,), N the product of sides, in a Gaussian around the middle."""
    lines = [np.exp(-0.5 * ((np.arange(n) - (n - 1) / 2) / (n / _HILL)) ** 2) for n in sides]
    whole = lines[0]
    for line in lines[1:]:
        whole = np.multiply.outer(whole, line)
    return (whole / whole.sum()).ravel()

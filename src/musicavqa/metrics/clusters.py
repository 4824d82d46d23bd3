"""Questions about one clip belong together: sums per clip, and what that does to a variance."""

from __future__ import annotations

import numpy as np


def clip_sums(values: np.ndarray, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of G clips, in sorted order, the sum of its rows (G, ...) and their number (G,).

    `values` is (N,) or (N, K), `clips` (N,) names the clip of each row.
    """
    values = np.asarray(values, dtype=float)
    if values.ndim not in (1, 2) or values.shape[:1] != np.shape(clips) or not len(values):
        raise ValueError(
            f"Needs one value and one clip per row and at least one row, "
            f"got shapes {values.shape} and {np.shape(clips)}."
        )
    _, number = np.unique(np.asarray(clips), return_inverse=True)
    columns = values.reshape(len(values), -1).T
    sums = np.stack([np.bincount(number, weights=column) for column in columns], axis=-1)
    return sums.reshape(-1, *values.shape[1:]), np.bincount(number)


def clustered_variance(values: np.ndarray, clips: np.ndarray) -> float:
    """Variance of the mean of `values` (N,) when whole clips are drawn; infinite for one clip.

    Linearised ratio estimator: G / (G - 1) * sum over clips of (sum - mean * rows)^2 / N^2.
    """
    sums, sizes = clip_sums(values, clips)
    if len(sizes) < 2:
        return float("inf")
    residuals = sums - sums.sum() / sizes.sum() * sizes
    return len(sizes) / (len(sizes) - 1) * float((residuals**2).sum()) / float(sizes.sum()) ** 2


def effective_clips(sizes: np.ndarray) -> float:
    """How many clips of equal size say as much as clips of these sizes (G,); Kish (1965)."""
    sizes = np.asarray(sizes, dtype=float)
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def design_effect(values: np.ndarray, clips: np.ndarray) -> float:
    """How many times larger the variance of the mean is than if all rows were independent.

    1 for one question per clip; Kish, Survey Sampling (1965). NaN where every row is equal or
    where there is one clip only: nothing can be said there.
    """
    values = np.asarray(values, dtype=float)
    clustered = clustered_variance(values, clips)
    alone = float(values.var(ddof=1)) / len(values) if len(values) > 1 else 0.0
    if alone == 0.0 or np.isinf(clustered):
        return float("nan")
    return clustered / alone

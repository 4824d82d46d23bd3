"""How much a picture or a sound is like those that eye and ear learned from.

Rows of features are compared with those of the training clips: their mean, the directions in which
these differ most, and how far they usually stray from them (probabilistic principal components;
Tipping and Bishop 1999). What lies far outside is from another world: a photograph among drawings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Familiar:
    """What rows (n, D) of one kind are usually like."""

    mean: np.ndarray
    """(D,)."""
    scale: np.ndarray
    """(D,) by which differences from the mean are divided."""
    directions: np.ndarray
    """(R, D), orthonormal."""
    variances: np.ndarray
    """(R,) along the directions."""
    rest: float
    """Mean variance along all others."""
    usual: float
    """Strangeness that is as likely familiar as not."""
    steepness: float
    """Of the share against the strangeness."""

    def strangeness(self, rows: np.ndarray) -> np.ndarray:
        """(n,) logarithm of the mean squared distance; about 0 for rows like those learned from."""
        scaled = (rows - self.mean) / self.scale
        along = scaled @ self.directions.T
        beside = np.maximum((scaled**2).sum(1) - (along**2).sum(1), 0)
        total = (along**2 / self.variances).sum(1) + beside / self.rest
        return np.log(total / rows.shape[1])

    def share(self, rows: np.ndarray) -> float:
        """Probability that a clip with these rows is like those learned from, by its median row."""
        excess = float(np.median(self.strangeness(rows))) - self.usual
        return float(1 / (1 + np.exp(np.clip(self.steepness * excess, -50, 50))))


def learn(rows: np.ndarray, n_directions: int, usual: float, steepness: float = 12.0) -> Familiar:
    """What `rows` (n, D) have in common; `usual` and `steepness` are chosen on others.

    Raises ValueError for fewer rows than directions.
    """
    if len(rows) <= n_directions:
        raise ValueError(
            f"{len(rows)} rows are too few for {n_directions} directions. Give more rows."
        )
    rows = rows.astype(np.float64)
    scale = rows.std(0) + 0.02 * rows.std()  # channels that never changed do not decide alone
    scaled = (rows - rows.mean(0)) / scale
    _, values, directions = np.linalg.svd(scaled, full_matrices=False)
    variances = values[:n_directions] ** 2 / len(rows)
    left = (scaled**2).sum(1).mean() - variances.sum()
    rest = max(float(left) / max(1, rows.shape[1] - n_directions), 1e-9)
    return Familiar(
        rows.mean(0), scale, directions[:n_directions], variances, rest, usual, steepness
    )


def picture_rows(last: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(n, 2 C): mean and spread of each channel of maps (n, C, R, C) over the cells `inside`."""
    cells = last[:, :, inside].astype(np.float64)  # (n, C, cells)
    return np.concatenate([cells.mean(2), cells.std(2)], 1)

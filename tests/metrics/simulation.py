"""Clustered answers with a known truth, to count how often an interval holds what it promises."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = {
    "few": (np.arange(1, 6), [0.68, 0.22, 0.07, 0.02, 0.01]),  # questions per clip, as in v1 test
    "many": (np.arange(10, 60), None),  # as with 20 to 30 wordings per question
    "uneven": (np.array([1, 2, 5, 20]), [0.4, 0.3, 0.2, 0.1]),
}


@dataclass(frozen=True)
class Design:
    """Clips of which the accuracies scatter around `accuracy` with intra-class correlation."""

    n_clips: int
    sizes: str
    accuracy: float
    correlation: float

    def clips(self, rng: np.random.Generator) -> np.ndarray:
        """Clip numbers (N,)."""
        numbers, shares = SIZES[self.sizes]
        return np.repeat(np.arange(self.n_clips), rng.choice(numbers, self.n_clips, p=shares))

    def correct(self, rng: np.random.Generator, clips: np.ndarray) -> np.ndarray:
        """(N,) bool: beta-binomial, so that rows of one clip correlate by `correlation`."""
        strength = 1.0 / self.correlation - 1.0
        shares = rng.beta(self.accuracy * strength, (1 - self.accuracy) * strength, self.n_clips)
        return rng.random(len(clips)) < shares[clips]


def pair(
    rng: np.random.Generator, design: Design, clips: np.ndarray, changed: float
) -> tuple[np.ndarray, np.ndarray]:
    """Two equally good systems: all rows of a share `changed` of the clips are answered anew."""
    first, other = design.correct(rng, clips), design.correct(rng, clips)
    anew = (rng.random(design.n_clips) < changed)[clips]
    return first, np.where(anew, other, first)


def seeds(
    rng: np.random.Generator, design: Design, clips: np.ndarray, n_seeds: int, deviation: float
) -> np.ndarray:
    """(S, N) bool: seeds differ by `deviation` in their accuracy, and by luck in 40 % of rows."""
    strength = 1.0 / design.correlation - 1.0
    shares = rng.beta(design.accuracy * strength, (1 - design.accuracy) * strength, design.n_clips)
    chance = shares[clips] + deviation * rng.standard_normal((n_seeds, 1))
    lucky = rng.random((n_seeds, len(clips))) < 0.4
    draws = np.where(lucky, rng.random((n_seeds, len(clips))), rng.random(len(clips)))
    return draws < chance

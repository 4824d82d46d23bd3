"""Whether the order of systems on one set is their order on another.

Only systems with predictions on both are ranked. Kendall's tau-b of their accuracies is 1 for the
same order and -1 for the opposite one; a reversal is sure where the difference of the two is
significant on both sets, with opposite signs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

Sure = Mapping[frozenset[str], bool]
"""Pair of systems -> whether their difference is significant."""


@dataclass(frozen=True)
class Place:
    """One system on both sets."""

    name: str
    accuracies: tuple[float, float]
    ranks: tuple[int, int]

    @property
    def change(self) -> int:
        """Ranks won (above 0) or lost on the second set."""
        return self.ranks[0] - self.ranks[1]


@dataclass(frozen=True)
class RankChange:
    """The order on a first set against that on a second."""

    first: str
    second: str
    places: list[Place]
    """In the order of the first."""
    tau: float | None
    """Kendall's tau-b; None for fewer than two systems or where all are equal."""
    reversals: int
    """Pairs whose order turns round."""
    sure_reversals: list[tuple[str, str]]
    """Those that are significant on both sets; the former is ahead on the first."""


def rank_change(
    names: tuple[str, str],
    first: Mapping[str, float],
    second: Mapping[str, float],
    sure: tuple[Sure, Sure],
) -> RankChange | None:
    """Compare accuracies on two sets; None where fewer than two systems are on both."""
    common = [name for name in first if name in second]
    if len(common) < 2:
        return None
    pairs = [(a, b) if first[a] >= first[b] else (b, a) for a, b in combinations(common, 2)]
    turned = [
        (ahead, behind)
        for ahead, behind in pairs
        if first[ahead] > first[behind] and second[ahead] < second[behind]
    ]
    ranks = [ranking({name: scores[name] for name in common}) for scores in (first, second)]
    places = [
        Place(name, (first[name], second[name]), (ranks[0][name], ranks[1][name]))
        for name in sorted(common, key=lambda name: -first[name])
    ]
    certain = [pair for pair in turned if all(found.get(frozenset(pair)) for found in sure)]
    return RankChange(*names, places, kendall(pairs, first, second), len(turned), certain)


def ranking(scores: Mapping[str, float]) -> dict[str, int]:
    """1 for the best; equal scores share the better rank."""
    return {name: 1 + sum(other > score for other in scores.values())
            for name, score in scores.items()}  # fmt: skip


def kendall(
    pairs: list[tuple[str, str]], first: Mapping[str, float], second: Mapping[str, float]
) -> float | None:
    """Kendall's tau-b (1945), which allows for ties; None where one side knows no order at all."""
    signs = [
        (_sign(first[a] - first[b]), _sign(second[a] - second[b])) for a, b in pairs
    ]  # fmt: skip
    untied = [sum(sign[side] != 0 for sign in signs) for side in (0, 1)]
    if not all(untied):
        return None
    return sum(one * other for one, other in signs) / math.sqrt(untied[0] * untied[1])


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)

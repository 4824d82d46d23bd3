"""Factor graph attention (Schwartz et al. 2019): several sets of elements decide together.

The weight of an element is the softmax of a learned mix of what speaks for it: itself, its own set,
each of the other sets, and a prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import nn
from torch.nn.functional import normalize


class FactorGraphAttention(nn.Module):
    """The question's elements and further sets -> one vector and the weights of each set.

    Sets are `n_sets`, the question's first, all `width` wide. Unless `sizes` gives the number of
    elements of each set, sets may have any length and an element listens to the mean of another
    set. With `sizes`, similarities are batch-normalised and weighed by learned margins instead
    (the released block has both modes; its model uses the first); masks do not count there.
    """

    def __init__(
        self, width: int, n_sets: int, dropout: float, sizes: Sequence[int] | None = None
    ) -> None:
        super().__init__()

        def sized(first: int, second: int) -> tuple[int, int] | None:
            return None if sizes is None else (sizes[first], sizes[second])

        self.alone = nn.ModuleList(Alone(width, dropout) for _ in range(n_sets))
        self.itself = nn.ModuleList(
            Pair(width, sized(one, one), one_way=True) for one in range(n_sets)
        )
        self.pairs = nn.ModuleDict(
            {f"{one}_{two}": Pair(width, sized(one, two)) for one, two in _pairs(n_sets)}
        )
        self.mix = nn.ModuleList(nn.Linear(n_sets + 2, 1, bias=False) for _ in range(n_sets))

    def forward(
        self,
        sets: Sequence[torch.Tensor],
        there: Sequence[torch.Tensor],
        prior: torch.Tensor,
        rows: torch.Tensor,
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Vectors (B, D) and weights (B, n) of each set.

        `sets[0]` (B, n, D) belongs to the question, the others (C, n, D) to the clip, `there` says
        which elements exist, `prior` (B, n) is that of the question, the other sets have none.
        `rows` (B,) is the clip of each question. What concerns clips alone is done on C rows.
        """
        scores = self._scores(sets, there, rows)
        vectors, weights = [], []
        for place, elements in enumerate(sets):
            last = prior if place == 0 else torch.zeros_like(scores[place][0])
            potentials = torch.stack([*scores[place], last], dim=-1)  # (B, n, n_sets + 2)
            seen = there[0] if place == 0 else there[place][rows]
            mixed = self.mix[place](potentials)[..., 0].masked_fill(~seen, -torch.inf)
            weights.append(mixed.softmax(-1))
            held = elements if place == 0 else elements[rows]
            vectors.append(torch.einsum("bn,bnd->bd", weights[-1], held))
        return vectors, weights

    def _scores(
        self, sets: Sequence[torch.Tensor], there: Sequence[torch.Tensor], rows: torch.Tensor
    ) -> list[list[torch.Tensor]]:
        """For each set: its own, its inner and its pairwise scores, (B, n) each."""
        scores = []
        for place, (elements, seen) in enumerate(zip(sets, there, strict=True)):
            own = self.alone[place](elements)
            inner, _ = self.itself[place](elements, elements, seen, seen)
            scores.append([own, inner] if place == 0 else [own[rows], inner[rows]])
        for one, two in _pairs(len(sets)):
            pair, given = self.pairs[f"{one}_{two}"], (sets[one], sets[two], there[one], there[two])
            if one == 0:
                first, second = pair(*given, rows=rows)
            else:
                first, second = (score[rows] for score in pair(*given))
            scores[one].append(first)
            scores[two].append(second)
        return scores


class Alone(nn.Module):
    """What an element says for itself: (..., n, D) -> (..., n)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, elements: torch.Tensor) -> torch.Tensor:
        return self.score(self.dropout(torch.relu(self.inner(elements))))[..., 0]


class Pair(nn.Module):
    """What two sets say for each other's elements, by cosines of their maps.

    The mean of cosines with a set is the cosine with its mean direction, so no matrix of pairs is
    made unless `sizes` asks for learned margins.
    """

    def __init__(self, width: int, sizes: tuple[int, int] | None, one_way: bool = False) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.sized = sizes is not None
        if sizes is not None:
            self.norm = nn.BatchNorm1d(sizes[0] * sizes[1])
            self.margin_first = nn.Linear(sizes[1], 1)
            self.margin_second = None if one_way else nn.Linear(sizes[0], 1)

    def forward(
        self,
        one: torch.Tensor,
        two: torch.Tensor,
        there_one: torch.Tensor,
        there_two: torch.Tensor,
        rows: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (B, n) and (B, m) of elements (B, n, D) and (B, m, D) or, with `rows`, (C, m, D).

        Second scores of a pair that is `one_way` are the first ones.
        """
        one, two = normalize(self.first(one), dim=-1), normalize(self.second(two), dim=-1)
        if rows is not None:
            two, there_two = two[rows], there_two[rows]
        if self.sized:
            return self._learned(one, two)
        first = torch.einsum("bnd,bd->bn", one, _mean(two, there_two))
        return first, torch.einsum("bnd,bd->bn", two, _mean(one, there_one))

    def _learned(self, one: torch.Tensor, two: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cosines = one @ two.transpose(1, 2)  # (B, n, m)
        cosines = self.norm(cosines.flatten(1)).view_as(cosines)
        first = self.margin_first(cosines)[..., 0]
        if self.margin_second is None:
            return first, first
        return first, self.margin_second(cosines.transpose(1, 2))[..., 0]


def _mean(elements: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
    kept = elements.masked_fill(~there[..., None], 0.0).sum(1)
    return kept / there.sum(1, keepdim=True)


def _pairs(n_sets: int) -> list[tuple[int, int]]:
    return list(combinations(range(n_sets), 2))

"""Hard selection: how much each place matters to a question, and which are the best k.

Places are seconds, segments or patches. What is chosen has no gradient of its own; where a method
wants one, `pass_back` lets the shares of the chosen places learn (straight through).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicavqa.methods.layers.single_query import compare


class Relevance(nn.Module):
    """Query (B, D) and places (B, N, D) -> shares (B, N) that sum to one.

    The weights of a multi-head attention, averaged over the heads; its values are not wanted here,
    so there are none. In training dropout makes some shares zero, as in the released codes.
    """

    def __init__(self, width: int, n_heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, query: Tensor, places: Tensor, valid: Tensor | None = None) -> Tensor:
        scores = compare(
            self.query(query), self.key.weight, self.key.bias, places, self.n_heads
        )  # (B, H, N)
        if valid is not None:
            scores = scores.masked_fill(~valid[:, None], float("-inf"))
        return self.dropout(scores.softmax(-1)).mean(1)


def without_values(official: dict[str, Tensor], attention: str) -> dict[str, Tensor]:
    """Official weights in which a torch attention `attention` became a `Relevance`."""
    adapted = {key: value for key, value in official.items() if not key.startswith(attention)}
    for kind in ("weight", "bias"):
        if f"{attention}in_proj_{kind}" in official:
            query, key, _ = official[f"{attention}in_proj_{kind}"].chunk(3)
            adapted |= {f"{attention}query.{kind}": query, f"{attention}key.{kind}": key}
    return adapted


def best(shares: Tensor, k: int, valid: Tensor | None = None) -> Tensor:
    """Mask (B, N) of the k largest shares; of equal ones the first. All there are, if fewer."""
    if valid is not None:
        shares = shares.masked_fill(~valid, -1.0)
    first = shares.argsort(dim=-1, descending=True, stable=True)[..., :k]
    chosen = torch.zeros_like(shares, dtype=torch.bool).scatter(-1, first, True)
    return chosen if valid is None else chosen & valid


def places_of(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Mask (B, N) -> places (B, K) in their order, and (B, K) False behind the last of a row."""
    n_most = int(chosen.sum(-1).max())
    places = (~chosen).int().argsort(dim=-1, stable=True)[..., :n_most]
    return places, chosen.gather(-1, places)


def pass_back(rows: Tensor, shares: Tensor) -> Tensor:
    """Rows (B, K, ..., D), unchanged in value; backwards their shares (B, K, ...) get a gradient.

    As if each row were weighted by its share; what was not chosen learns through the softmax.
    """
    return rows * (1.0 + shares - shares.detach())[..., None]

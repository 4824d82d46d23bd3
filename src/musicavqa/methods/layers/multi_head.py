"""Multi-head attention with separate maps, for methods whose heads differ from the usual ones."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention


class MultiHead(nn.Module):
    """Queries (B, N, D) over values (B, M, D), of which `there` (B, M) may be seen -> (B, N, D).

    `scale` replaces 1 / sqrt(head width). `bias` is for the maps to queries, keys and values;
    without `merge` the heads are only joined. A row of `there` must not be all False.
    """

    def __init__(
        self,
        width: int,
        n_heads: int,
        dropout: float,
        bias: bool = True,
        merge: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.n_heads, self.dropout, self.scale = n_heads, dropout, scale
        self.query = nn.Linear(width, width, bias)
        self.key = nn.Linear(width, width, bias)
        self.value = nn.Linear(width, width, bias)
        self.merge = nn.Linear(width, width) if merge else nn.Identity()

    def forward(
        self, queries: torch.Tensor, values: torch.Tensor, there: torch.Tensor | None = None
    ) -> torch.Tensor:
        query, key, value = (
            split(layer(rows), self.n_heads)
            for layer, rows in ((self.query, queries), (self.key, values), (self.value, values))
        )
        dropout = self.dropout if self.training else 0.0
        return self.merge(attend(query, key, value, there, dropout, self.scale))


def split(rows: torch.Tensor, n_heads: int) -> torch.Tensor:
    """Rows (B, N, D) as heads (B, H, N, D / H)."""
    return rows.unflatten(-1, (n_heads, -1)).transpose(1, 2)


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    there: torch.Tensor | None = None,
    dropout: float = 0.0,
    scale: float | None = None,
) -> torch.Tensor:
    """What heads find, joined (B, N, D): all of them (B, H, ..., D / H), `there` (B, M) or None."""
    mask = None if there is None else there[:, None, None]
    heads = scaled_dot_product_attention(query, key, value, mask, dropout, scale=scale)
    return heads.transpose(1, 2).flatten(2)

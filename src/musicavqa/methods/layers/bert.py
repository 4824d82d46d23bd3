"""The two halves of a BERT layer, with separate queries and values, and the first token's weights.

Devlin et al., BERT (NAACL 2019): attention and feed-forward step, each with residual, then norm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicavqa.methods.layers.multi_head import attend, split

EPSILON = 1e-12


class BertAttention(nn.Module):
    """Tokens (B, N, D) look at values (B, M, D), of which `there` (B, M) may be seen.

    Returns tokens and the weights (B, M) of the first of them, the mean over heads without dropout.
    With `n_heads=0` there is one value only: nothing has a choice, so there are neither queries nor
    keys. A row of `there` must not be all False.
    """

    def __init__(self, width: int, n_heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.n_heads = n_heads
        if n_heads:
            self.query = nn.Linear(width, width)
            self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, values: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        given = self.value(values)
        if self.n_heads:
            n, dropout = self.n_heads, self.dropout.p if self.training else 0.0
            query, key = split(self.query(tokens), n), split(self.key(values), n)
            found = attend(query, key, split(given, n), there, dropout)
            weights = _weights(query[:, :, 0], key, there)
        else:
            weights = tokens.new_ones(len(tokens), 1)
            found = given.expand(-1, tokens.shape[1], -1)
        return self.norm(tokens + self.dropout(self.merge(found))), weights


def _weights(query: Tensor, key: Tensor, there: Tensor | None) -> Tensor:
    """Mean over heads (B, M) of the weights of a query (B, H, d) over keys (B, H, M, d)."""
    scores = torch.einsum("bhd,bhmd->bhm", query, key) / query.shape[-1] ** 0.5
    if there is not None:
        scores = scores.masked_fill(~there[:, None], -torch.inf)
    return scores.softmax(-1).mean(1)


class BertFeedForward(nn.Module):
    """Tokens (B, N, D) one by one: two layers with GELU between, residual, norm."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        inner = nn.functional.gelu(self.inner(tokens))
        return self.norm(tokens + self.dropout(self.outer(inner)))

"""Attention of one query to many places, without projecting the places.

Scores are (Wq q) (Wk x), values Wv x. With one query it is cheaper to bring the query to the
places, Wk' (Wq q), and to project the one weighted sum of places instead of all of them: four
D x D products for a query, however many places it looks at. The numbers are the same.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ask(
    attention: nn.MultiheadAttention, query: Tensor, places: Tensor, valid: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What `attention` gives for one query: vector (B, D) and weights (B, N), the mean over heads.

    Query (B, D), places (B, N, D), of which those that are False in `valid` (B, N) get no weight.
    As in torch, weights in training are those after dropout, which need not sum to one.
    """
    n_heads = attention.num_heads
    to_query, to_key, to_value = attention.in_proj_weight.chunk(3)
    query_bias, key_bias, value_bias = attention.in_proj_bias.chunk(3)
    query = nn.functional.linear(query, to_query, query_bias)
    scores = compare(query, to_key, key_bias, places, n_heads)
    if valid is not None:
        scores = scores.masked_fill(~valid[:, None], -torch.inf)
    weights = scores.softmax(-1)  # (B, H, N)
    weights = nn.functional.dropout(weights, attention.dropout, attention.training)
    found = torch.einsum("bhd,hed->bhe", weights @ places, to_value.unflatten(0, (n_heads, -1)))
    found = found + value_bias.unflatten(0, (n_heads, -1)) * weights.sum(-1, keepdim=True)
    return attention.out_proj(found.flatten(1)), weights.mean(1)


def compare(query: Tensor, to_key: Tensor, key_bias: Tensor, places: Tensor, n: int) -> Tensor:
    """Scores (B, n, N) in n heads of a query (B, D), projected already, and places (B, N, D)."""
    heads = query.unflatten(-1, (n, -1)) / (query.shape[-1] // n) ** 0.5  # (B, n, D / n)
    reach = torch.einsum("bhe,hed->bhd", heads, to_key.unflatten(0, (n, -1)))
    same = torch.einsum("bhe,he->bh", heads, key_bias.unflatten(0, (n, -1)))
    return reach @ places.transpose(1, 2) + same[..., None]

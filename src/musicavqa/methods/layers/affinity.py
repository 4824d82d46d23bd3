"""Clips that are like each other: DCL's affinity between samples.

Lv et al., Disentangled Counterfactual Learning (NeurIPS 2023), eq. 6-7: each node takes the mean of
the nodes that are most like it, itself among them.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

RELEASED_TEMPERATURE = 0.1


def cosines(nodes: Tensor, others: Tensor) -> Tensor:
    """Of `nodes` (N, D) with `others` (M, D), as (N, M)."""
    return normalize(nodes, dim=-1) @ normalize(others, dim=-1).T


def affinity(alike: Tensor, top_k: int, temperature: float, released: bool = False) -> Tensor:
    """Weights (N, M) from cosines (N, M) of N nodes with M others; each row sums to one.

    exp(cosine / temperature) of the `top_k` most alike, over their sum. As released, it is a
    softmax over exp(cosine) / temperature of those and zero for all others, which leaves nearly
    everything with the node itself.
    """
    most = alike.topk(min(top_k, alike.shape[-1]), dim=-1)
    kept = torch.zeros_like(alike, dtype=torch.bool).scatter(-1, most.indices, True)
    if released:
        return (alike.exp() / temperature).masked_fill(~kept, 0.0).softmax(-1)
    return (alike / temperature).masked_fill(~kept, -torch.inf).softmax(-1)

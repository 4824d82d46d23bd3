"""Streams that tell each other, as Amuse prints it: attention with one head, and two layers behind.

Diao et al., Learning Musical Representations for Music Performance Question Answering (EMNLP
Findings 2024), the interactive encoder: each stream has an adapter for each of the two others, and
what they say is joined by attention. The code that was released later has `channel_adapters.py`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu

from musicavqa.methods.layers.multi_head import MultiHead


class Teller(nn.Module):
    """What one stream (R, N, D) is told by another (R, M, D): attention, linear, GELU, linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = MultiHead(width, 1, 0.0, merge=False)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, tokens: Tensor, told: Tensor, there: Tensor) -> Tensor:
        return self.outer(gelu(self.inner(self.attention(tokens, told, there))))


class Told(nn.Module):
    """A stream with what two others tell it, weighed token by token by an attention to both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tellers = nn.ModuleList(Teller(width) for _ in range(2))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)

    def forward(self, tokens: Tensor, others: list[tuple[Tensor, Tensor]]) -> Tensor:
        told = [tell(tokens, *other) for tell, other in zip(self.tellers, others, strict=True)]
        both = torch.stack(told, dim=-2)  # (R, N, 2, D)
        scores = torch.einsum("rnd,rnkd->rnk", self.query(tokens), self.key(both))
        weights = (scores / tokens.shape[-1] ** 0.5).softmax(-1)
        return tokens + torch.einsum("rnk,rnkd->rnd", weights, both)

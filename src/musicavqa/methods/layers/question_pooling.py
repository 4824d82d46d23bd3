"""When to look or listen: the question as the query of an attention over the seconds."""

from __future__ import annotations

import torch
from torch import nn

from musicavqa.methods.layers.single_query import ask


class QuestionPooling(nn.Module):
    """Question (B, D) and seconds (B, T, D) -> vector (B, D) and attention (B, T).

    Multi-head attention without a residual from the question, then a feed-forward step with
    residual and LayerNorm. Seconds that are False in `valid` (B, T) get no weight; without it all
    are there.
    """

    def __init__(self, width: int, n_heads: int = 4, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, n_heads, dropout, batch_first=True)
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, question: torch.Tensor, sequence: torch.Tensor, valid: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        pooled, weights = ask(self.attention, question, sequence, valid)
        changed = self.outer(self.dropout(torch.relu(self.inner(pooled))))
        return self.norm(pooled + self.dropout(changed)), weights

"""Hybrid attention (HAN): a sequence attends to itself and to its partners, all in one step.

Tian, Li, Xu, Unified Multisensory Perception (ECCV 2020); the PSTP-Net family uses it as
one post-norm transformer layer, with sound and picture as each other's partners.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class HANLayer(nn.Module):
    """Sequence (B, T, D) and partners (B, S, D) -> sequence (B, T, D).

    x = norm(x + attention to itself + attention to each partner), then a feed-forward step with
    residual and norm. Without partners it is a plain self-attention layer. The same weights may
    serve both senses: call it once with sound as the sequence and once as the partner.
    """

    def __init__(
        self, width: int, n_partners: int = 1, n_heads: int = 1, dropout: float = 0.1
    ) -> None:
        super().__init__()

        def attention() -> nn.MultiheadAttention:
            return nn.MultiheadAttention(width, n_heads, dropout, batch_first=True)

        self.itself = attention()
        self.partners = nn.ModuleList(attention() for _ in range(n_partners))
        self.inner = nn.Linear(width, width)
        self.outer = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        sequence: Tensor,
        valid: Tensor | None,
        *partners: tuple[Tensor, Tensor | None],
        rows: Tensor | None = None,
    ) -> Tensor:
        """`valid` (B, T) and that of each partner (B, S) are False where there is nothing.

        As many partners are needed as the layer was made for. Every row needs one valid place.
        With `rows` (B,), the clip of each question, only the last partner belongs to questions;
        all others and the sequence belong to C clips and attend once per clip.
        """
        attended = self._attend(self.itself, sequence, sequence, valid)
        pairs = list(zip(self.partners, partners, strict=True))
        for attention, (partner, there) in pairs if rows is None else pairs[:-1]:
            attended = attended + self._attend(attention, sequence, partner, there)
        if rows is not None:
            attention, (partner, there) = pairs[-1]
            sequence = sequence[rows]
            attended = attended[rows] + self._attend(attention, sequence, partner, there)
        sequence = self.norm1(sequence + attended)
        inner = self.dropout(torch.relu(self.inner(sequence)))
        return self.norm2(sequence + self.dropout(self.outer(inner)))

    def _attend(
        self, attention: nn.Module, queries: Tensor, keys: Tensor, valid: Tensor | None
    ) -> Tensor:
        missing = None if valid is None else ~valid
        found, _ = attention(queries, keys, keys, key_padding_mask=missing, need_weights=False)
        return self.dropout(found)

"""Seconds weighted by bell curves that a question shapes, each curve with an expert of its own.

Kim et al., Question-Aware Gaussian Experts (CVPR 2025): the temporal step of QA-TIGER.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from musicavqa.methods.layers.single_query import ask

NARROWEST, SHRINK = 0.09, 9.0
"""A width is a sigmoid, at least the first, divided by the second; the clip has length 1."""


class GaussianExperts(nn.Module):
    """`curves` says which expert hears which second, `forward` sums what the experts make of them.

    `mixes_items` is how the released code behaves: which expert stands behind a curve is looked up
    in another question of the batch at almost every second. It serves parity only.
    """

    def __init__(
        self, width: int, n_experts: int, top_experts: int, n_heads: int, mixes_items: bool = False
    ) -> None:
        super().__init__()
        self.n_experts, self.top_experts = n_experts, top_experts
        self.mixes_items = mixes_items
        self.attention = nn.MultiheadAttention(width, n_heads, batch_first=True)
        self.shape = nn.Linear(width, 2 * n_experts)
        self.router = nn.Linear(width, n_experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, width))
            for _ in range(n_experts)
        )

    def curves(self, question: Tensor, sequence: Tensor, valid: Tensor) -> Tensor:
        """Question (B, D), what it looks at (B, T, D) and where that is (B, T) -> (B, T, E)."""
        found, _ = ask(self.attention, question, sequence, valid)
        bells = self._bells(found, valid)  # (B, T, E)
        trust, experts = self.router(found).softmax(-1).topk(self.top_experts)  # (B, K)
        trust = trust / trust.sum(-1, keepdim=True)
        n_items, n_seconds = valid.shape
        chosen = experts[:, None].expand(-1, n_seconds, -1)  # (B, T, K)
        values = bells.gather(2, chosen) * trust[:, None]
        if self.mixes_items:
            order = torch.arange(n_items * n_seconds, device=valid.device) % n_items
            chosen = experts[order].view_as(chosen)
        return torch.zeros_like(bells).scatter(2, chosen, values)

    def forward(self, sequence: Tensor, curves: Tensor) -> Tensor:
        """Sequence (B, T, D) and curves (B, T, E) -> (B, D).

        The experts' second layer is linear, so it is applied once to the sum over the seconds.
        """
        total = torch.zeros_like(sequence[:, 0])
        for expert, share in zip(self.experts, curves.unbind(2), strict=True):
            first, act, second = expert
            summed = torch.einsum("bt,bth->bh", share, act(first(sequence)))
            total = total + linear(summed, second.weight) + share.sum(1, True) * second.bias
        return total

    def _bells(self, guide: Tensor, valid: Tensor) -> Tensor:
        """Heights (B, T, E), one at the second nearest to the centre, zero where there is nothing.

        Expert e stays within its own e-th part of the clip; a clip lasts from 0 to 1.
        """
        shift, spread = self.shape(guide).unflatten(-1, (self.n_experts, 2)).unbind(-1)
        half = 0.5 / self.n_experts
        middles = (torch.arange(self.n_experts).to(guide) + 0.5) / self.n_experts
        centres = middles + half * shift.tanh()  # (B, E)
        widths = spread.sigmoid().clamp(min=NARROWEST) / SHRINK
        last = (valid.sum(1, keepdim=True) - 1).clamp(min=1)
        places = torch.arange(valid.shape[1]).to(guide) / last  # (B, T)
        distances = (places[:, :, None] - centres[:, None]) / widths[:, None]
        heights = (-0.5 * distances.square()).masked_fill(~valid[..., None], float("-inf"))
        return (heights - heights.amax(1, keepdim=True)).exp()  # as logarithms, for narrow curves

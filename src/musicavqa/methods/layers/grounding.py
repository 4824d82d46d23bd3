"""Where in the picture the sound is: audio-guided grounding and match head of the AVST family."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize


class AudioGuidedGrounding(nn.Module):
    """Audio (..., D) and pixels (..., P, D) -> visual vector (..., D) and map (..., P).

    The map is the softmax of plain cosines (no temperature), so it is nearly flat by construction;
    the attended vector is the weighted sum of the normalised pixels, as released. It is joined with
    the mean of the pixels, or with another vector `whole` (..., D) of the picture.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(2 * width, width)

    def forward(
        self, audio: torch.Tensor, pixels: torch.Tensor, whole: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        directions = normalize(pixels, dim=-1)
        cosines = torch.einsum("...pd,...d->...p", directions, normalize(audio, dim=-1))
        where = cosines.softmax(-1)
        attended = torch.einsum("...p,...pd->...d", where, directions)
        whole = pixels.mean(-2) if whole is None else whole
        both = torch.cat([whole, attended], dim=-1)
        return self.out(torch.tanh(both)), where


class MatchHead(nn.Module):
    """Do this sound and this picture belong together? Two vectors (..., D) -> logits (..., 2)."""

    def __init__(self, width: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or width
        sizes = (2 * width, inner, inner // 2, inner // 4)
        self.steps = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.out = nn.Linear(sizes[-1], 2)

    def forward(self, audio: torch.Tensor, visual: torch.Tensor) -> torch.Tensor:
        state = torch.cat([audio, visual], dim=-1)
        for step in self.steps:
            state = torch.relu(step(state))
        return self.out(state)


def match_loss(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of match logits (N, 2): `positive` should say 1, `negative` 0."""
    targets = torch.cat([positive.new_ones(len(positive)), negative.new_zeros(len(negative))])
    return cross_entropy(torch.cat([positive, negative]), targets.long())

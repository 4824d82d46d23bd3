"""Where in the picture the sound is: audio-guided grounding and match head of the AVST family."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from musicavqa.methods.layers.drawn_maps import compare_drawn, sum_drawn

SHORTEST = 1e-12
"""Length of a pixel that is divided by, as in torch's `normalize`."""


@dataclass(frozen=True)
class Pictures:
    """Pixels (..., P, D), with what every sound that looks at them needs."""

    pixels: torch.Tensor
    lengths: torch.Tensor
    """(..., P) of the pixels; never zero."""
    means: torch.Tensor
    """(..., D) of all pixels."""

    @classmethod
    def of(cls, pixels: torch.Tensor) -> Pictures:
        """The same pixels, measured."""
        lengths = torch.linalg.vector_norm(pixels, dim=-1).clamp(min=SHORTEST)
        return cls(pixels, lengths, pixels.mean(-2))


class AudioGuidedGrounding(nn.Module):
    """Audio (..., D) and pixels (..., P, D) -> visual vector (..., D) and map (..., P).

    The map is the softmax of plain cosines (no temperature), so it is nearly flat by construction;
    the attended vector is the weighted sum of the normalised pixels, as released. It is joined with
    the mean of the pixels, or with another vector `whole` (..., D) of the picture. Pixels are
    divided by their lengths after the products: normalised ones would be another set of them.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(2 * width, width)

    def forward(
        self,
        audio: torch.Tensor,
        pixels: torch.Tensor | Pictures,
        whole: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        seen = pixels if isinstance(pixels, Pictures) else Pictures.of(pixels)
        dots = torch.einsum("...pd,...d->...p", seen.pixels, normalize(audio, dim=-1))
        where = (dots / seen.lengths).softmax(-1)
        attended = torch.einsum("...p,...pd->...d", where / seen.lengths, seen.pixels)
        return self._joined(seen.means if whole is None else whole, attended), where

    def elsewhere(
        self, audio: torch.Tensor, seen: Pictures, clip: torch.Tensor, second: torch.Tensor
    ) -> torch.Tensor:
        """Visual vectors (C, T, D) of sounds (C, T, D) in other pictures of `seen` (C, T, P, D).

        `clip` and `second` (C, T) say which: the vectors of `forward`, without a copy of pixels.
        """
        rows = (clip * seen.pixels.shape[1] + second).flatten()
        pixels, lengths = seen.pixels.flatten(0, 1), seen.lengths.flatten(0, 1)[rows]
        dots = compare_drawn(pixels, rows, normalize(audio, dim=-1).flatten(0, 1))
        where = (dots / lengths).softmax(-1)
        attended = sum_drawn(pixels, rows, where / lengths)
        found = self._joined(seen.means.flatten(0, 1)[rows], attended)
        return found.unflatten(0, clip.shape)

    def _joined(self, whole: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
        return self.out(torch.tanh(torch.cat([whole, attended], dim=-1)))


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

"""Where in the picture the sound is: audio-guided grounding and match head of the AVST family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from musicavqa.methods.layers.drawn_maps import compare_drawn, sum_drawn
from musicavqa.records import Drawn

SHORTEST = 1e-12
"""Length of a pixel that is divided by, as in torch's `normalize`."""


@dataclass(frozen=True)
class Pictures:
    """Pixels (C, T, P, D), with what every sound that looks at them needs."""

    pixels: torch.Tensor
    lengths: torch.Tensor
    """(C, T, P) of the pixels; never zero."""
    means: torch.Tensor
    """(C, T, D) of all pixels of a picture."""

    rows: torch.Tensor | None = None
    """(C, T) where pictures of other clips lie in `pixels` (M, P, D); None: all, one by one."""

    @classmethod
    def of(cls, pixels: torch.Tensor) -> Pictures:
        """The same pixels, measured."""
        lengths = torch.linalg.vector_norm(pixels, dim=-1).clamp(min=SHORTEST)
        return cls(pixels, lengths, pixels.mean(-2))

    def elsewhere(self, clip: torch.Tensor, second: torch.Tensor) -> Pictures:
        """Of these (C, T, P, D) the pictures that `clip` and `second` (C, T) say, not copied."""
        lengths, means = self.lengths[clip, second], self.means[clip, second]
        rows = clip * self.pixels.shape[1] + second
        return Pictures(self.pixels.flatten(0, 1), lengths, means, rows)

    def compare(self, vectors: torch.Tensor) -> torch.Tensor:
        """Products (C, K, T, P) of pixels with K vectors (C, K, T, D) for each picture."""
        if self.rows is None:
            return torch.einsum("ctpd,cktd->cktp", self.pixels, vectors)
        return self._each(compare_drawn, self.rows, vectors)

    def sum(self, weights: torch.Tensor) -> torch.Tensor:
        """Weighted sums (C, K, T, D) of pixels, by K weights (C, K, T, P) for each picture."""
        if self.rows is None:
            return torch.einsum("ctpd,cktp->cktd", self.pixels, weights)
        return self._each(sum_drawn, self.rows, weights)

    def _each(
        self, product: Callable[..., torch.Tensor], rows: torch.Tensor, given: torch.Tensor
    ) -> torch.Tensor:
        """A product of drawn pictures, all of one picture in a row: it is in the cache then."""
        by_picture = given.transpose(1, 2)  # (C, T, K, ...)
        again = rows[..., None].expand(by_picture.shape[:3]).flatten()
        found = product(self.pixels, again, by_picture.flatten(0, 2))
        return found.unflatten(0, by_picture.shape[:3]).transpose(1, 2)


def drawn_pictures(
    drawn: Mapping[str, torch.Tensor],
    seen: Pictures,
    read: Callable[[Mapping[str, torch.Tensor]], Pictures],
    step: int = 1,
) -> Pictures:
    """Pictures of other clips: of `seen`, if every second that was drawn is there, or `read`."""
    if isinstance(drawn, Drawn) and step == 1:
        return seen.elsewhere(drawn.clip, drawn.second)
    return read(drawn)


class AudioGuidedGrounding(nn.Module):
    """Audio (C, T, D) and pixels (C, T, P, D) -> visual vector (C, T, D) and map (C, T, P).

    The map is the softmax of plain cosines (no temperature), so it is nearly flat by construction;
    the attended vector is the weighted sum of the normalised pixels, as released. It is joined with
    the mean of the pixels, or with another vector `whole` (C, T, D) of the picture. Pixels are
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
        dots = seen.compare(normalize(audio, dim=-1)[:, None])[:, 0]
        where = (dots / seen.lengths).softmax(-1)
        attended = seen.sum((where / seen.lengths)[:, None])[:, 0]
        both = torch.cat([seen.means if whole is None else whole, attended], dim=-1)
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

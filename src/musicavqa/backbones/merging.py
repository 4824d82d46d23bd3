"""Token merging: join the tokens that are most alike, so that a later layer has fewer of them.

Bolya et al. 2023, Token Merging: Your ViT But Faster, section 3: tokens are dealt alternately into
two sets; each of the first set has one edge, to the most similar of the second; the r strongest
edges are merged, as averages weighted by how many patches each token already stands for.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Matching:
    """Which tokens of the first set (even places) stay, and into which of the second others go."""

    kept: Tensor
    """(B, n_first - r) places in the first set, ascending."""
    moved: Tensor
    """(B, r) places in the first set."""
    onto: Tensor
    """(B, r) places in the second set."""


def n_merged(n_tokens: int, r: int) -> int:
    """How many of r wanted merges there can be: half of the tokens beside the class token."""
    return max(0, min(r, (n_tokens - 1) // 2))


def match(keys: Tensor, r: int) -> Matching:
    """The r strongest edges between keys (B, N, D), by cosine; the class token (place 0) stays."""
    keys = functional.normalize(keys, dim=-1)
    first, second = keys[:, ::2], keys[:, 1::2]
    likeness = first @ second.transpose(1, 2)  # (B, n_first, n_second)
    likeness[:, 0] = -torch.inf
    strongest, partner = likeness.max(dim=2)
    order = strongest.argsort(dim=1, descending=True, stable=True)
    moved, kept = order[:, :r], order[:, r:].sort(dim=1).values
    return Matching(kept, moved, partner.gather(1, moved))


def merge(tokens: Tensor, sizes: Tensor, matching: Matching) -> tuple[Tensor, Tensor]:
    """Tokens (B, N, D) and patches each stands for (B, N) -> (B, N - r, D), (B, N - r).

    Order: what stays of the first set, class token in front, then the second set.
    """
    mass = torch.cat([tokens * sizes[..., None], sizes[..., None]], dim=2)  # (B, N, D + 1)
    first, second = mass[:, ::2], mass[:, 1::2]
    width = mass.shape[2]
    moved = first.gather(1, matching.moved[..., None].expand(-1, -1, width))
    onto = matching.onto[..., None].expand(-1, -1, width)
    joined = second.scatter_add(1, onto, moved)
    kept = first.gather(1, matching.kept[..., None].expand(-1, -1, width))
    mass = torch.cat([kept, joined], dim=1)
    return mass[..., :-1] / mass[..., -1:], mass[..., -1]

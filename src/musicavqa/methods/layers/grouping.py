"""Groups that gather tokens: the grouping block of GroupViT, as audio-visual networks use it.

Xu et al., GroupViT (CVPR 2022): every token is assigned to one group, which then takes the mean of
its tokens. Here the sum is divided by the assigned mass plus one, so that a group with few tokens
stays small. Used where each class or instrument has a learnable token of its own.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from musicavqa.methods.layers.multi_head import MultiHead

MIXED = 256
"""Width of the MLP that mixes groups, half of the usual 512."""


class SkippedPath(nn.Module):
    """A residual branch (C, N, D) that is left out for some clips while training."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, branch: Tensor) -> Tensor:
        if not self.training or self.share == 0.0:
            return branch
        kept = torch.rand(len(branch), 1, 1, device=branch.device) >= self.share
        return branch * kept / (1.0 - self.share)


class Mlp(nn.Module):
    """Two layers with GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden)
        self.outer = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.outer(nn.functional.gelu(self.inner(tokens)))


class Attend(nn.Module):
    """Tokens (C, N, D) look at values (C, M, D), then an MLP; residuals around both.

    Norms stand before the attention (`norms="before"`; one norm for both where tokens look at
    themselves, "self") or behind the whole ("after").
    """

    def __init__(
        self,
        width: int,
        n_heads: int,
        drop_path: float,
        norms: Literal["before", "self", "after"],
    ) -> None:
        super().__init__()
        self.alone = norms == "self"
        self.norm_tokens = nn.Identity() if norms == "after" else nn.LayerNorm(width)
        self.norm_values = nn.LayerNorm(width) if norms == "before" else nn.Identity()
        self.attention = MultiHead(width, n_heads, 0.0)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.norm_out = nn.LayerNorm(width) if norms == "after" else nn.Identity()
        self.path = SkippedPath(drop_path)

    def forward(self, tokens: Tensor, values: Tensor, there: Tensor) -> Tensor:
        queries = self.norm_tokens(tokens)
        values = queries if self.alone else self.norm_values(values)
        tokens = tokens + self.path(self.attention(queries, values, there))
        tokens = tokens + self.path(self.mlp(self.norm_mlp(tokens)))
        return self.norm_out(tokens)


class Grouping(nn.Module):
    """Groups (C, N, D) gather seconds (C, M, D): each second is assigned to one group.

    `n_mixed` is N where an MLP of `mixed_width` mixes the groups before. A hard choice takes the
    best group (with Gumbel noise while training) and passes the gradient of the soft one.
    """

    def __init__(
        self,
        width: int,
        n_heads: int,
        drop_path: float,
        n_mixed: int | None,
        hard: bool,
        mixed_width: int = MIXED,
    ) -> None:
        super().__init__()
        self.hard = hard
        self.mix = nn.Identity() if n_mixed is None else Mlp(n_mixed, mixed_width)
        self.norm_groups = nn.LayerNorm(width)
        self.norm_mixed = nn.LayerNorm(width)
        self.norm_seconds = nn.LayerNorm(width)
        self.before = Attend(width, n_heads, drop_path, "after")
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.norm_gathered = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)

    def forward(
        self, groups: Tensor, seconds: Tensor, valid: Tensor, there: Tensor | None = None
    ) -> Tensor:
        """`valid` (C, M) says which seconds there are, `there` (C, N) which groups (all)."""
        return self.assign(groups, seconds, valid, there)[0]

    def assign(
        self, groups: Tensor, seconds: Tensor, valid: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The groups, and the soft shares (C, N, M) of each second, also where the choice is hard.

        Shares sum to one over the groups; those of seconds that are not there mean nothing.
        """
        seconds = self.norm_seconds(seconds)
        groups = self.mix(self.norm_groups(groups).transpose(1, 2)).transpose(1, 2)
        groups = self.before(self.norm_mixed(groups), seconds, valid)
        soft = self._shares(groups, seconds, there)
        shares = _chosen(soft) if self.hard else soft
        shares = shares.masked_fill(~valid[:, None], 0.0)
        shares = shares / (shares.sum(-1, keepdim=True) + 1.0)
        gathered = groups + self.merge(shares @ self.value(seconds))
        return gathered + self.mlp(self.norm_gathered(gathered)), soft

    def _shares(self, groups: Tensor, seconds: Tensor, there: Tensor | None) -> Tensor:
        scores = self.query(groups) @ self.key(seconds).transpose(1, 2) / groups.shape[-1] ** 0.5
        if there is not None:
            scores = scores.masked_fill(~there[..., None], -torch.inf)
        if self.hard and self.training:
            scores = scores - torch.empty_like(scores).exponential_().log()
        return scores.softmax(1)


def _chosen(soft: Tensor) -> Tensor:
    """One at the best group of each second, with the gradient of the soft shares (C, N, M)."""
    chosen = one_hot(soft.argmax(1), soft.shape[1]).transpose(1, 2).to(soft.dtype)
    return chosen + (soft - soft.detach())


OFFICIAL_NAMES = {
    ".norm1.": ".norm_tokens.", ".norm2.": ".norm_mlp.",
    ".attn.": ".attention.", ".proj.": ".merge.", ".q_proj.": ".query.", ".k_proj.": ".key.",
    ".v_proj.": ".value.", ".fc1.": ".inner.", ".fc2.": ".outer.", ".mlp_inter.": ".mix.",
    ".mlp_channels.": ".mlp.", ".pre_assign_attn.": ".before.", ".assign.": ".",
    ".norm_post.": ".norm_out.", ".norm_q.": ".norm_tokens.", ".norm_k.": ".norm_values.",
    ".norm_post_tokens.": ".norm_mixed.", ".norm_x.": ".norm_seconds.",
    ".norm_new_x.": ".norm_gathered.",
}  # fmt: skip


def adapt_grouping(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our names inside these parts; what looks at itself has queries, keys, values fused there."""
    adapted = {}
    for key, tensor in state.items():
        kind = ".norm_groups." if "encoder." in key or "grouping." in key else ".norm_tokens."
        key = key.replace(".norm_tokens.", kind)
        for official, ours in OFFICIAL_NAMES.items():
            key = key.replace(official, ours)
        if ".qkv." in key:
            for name, part in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                adapted[key.replace("qkv", name)] = part
        else:
            adapted[key] = tensor
    return adapted

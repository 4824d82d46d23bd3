"""What is put between the blocks of frozen encoders: LAVisH, DG-SCT and AVMoE.

Lin et al. (CVPR 2023): a few latent tokens gather the other sense, the own tokens ask them, a
grouped bottleneck follows. Duan et al. (NeurIPS 2023) add what the other sense says of channels and
places; Cheng et al. (NeurIPS 2024) mix such adapters with others that see one sense only. All take
tokens (N, P, D) and the other sense's (N, Q, E), and return what is to be added to the tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of one adapter."""

    width: int
    n_tokens: int
    other_width: int
    other_tokens: int


@dataclass(frozen=True)
class Bottleneck:
    """How narrow an adapter is, and what it begins with."""

    n_latents: int
    reduction: int
    """Width over width inside."""
    groups: int
    gated: bool
    """Times a number that begins at 0: the encoder is as it was at first."""
    batch_norm: bool = False

    def __post_init__(self) -> None:
        if min(self.n_latents, self.reduction, self.groups) < 1:
            raise ValueError(
                f"An adapter needs latents, reduction and groups of at least 1, got "
                f"{self.n_latents}, {self.reduction} and {self.groups}."
            )


class Latents(nn.Module):
    """Own tokens ask what a few latents gathered of the other's, without any projection."""

    def __init__(self, width: int, n_latents: int, uniform: bool = False) -> None:
        super().__init__()
        start = torch.rand(n_latents, width) if uniform else torch.zeros(n_latents, width)
        self.latents = nn.Parameter(start)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, tokens: Tensor, other: Tensor) -> Tensor:
        """Tokens (N, P, D), other (N, Q, D)."""
        shares = (self.latents @ other.transpose(1, 2)).softmax(-1)  # (N, m, Q)
        gathered = self.latents + shares @ other
        return tokens + self.gate * ((tokens @ gathered.transpose(1, 2)).softmax(-1) @ gathered)


class Narrow(nn.Module):
    """Norm, grouped layer down, ReLU (or none), grouped layer up, norm, gate."""

    def __init__(self, width: int, sizes: Bottleneck, bends: bool = True) -> None:
        super().__init__()
        inside, groups = width // sizes.reduction, sizes.groups
        if not inside or width % groups or inside % groups:
            raise ValueError(
                f"Tokens of {width} numbers cannot be narrowed {sizes.reduction} times in "
                f"{groups} groups."
            )
        self.before, self.behind = nn.LayerNorm(width), nn.LayerNorm(width)
        self.down = nn.Conv1d(width, inside, 1, groups=groups, bias=False)
        self.up = nn.Conv1d(inside, width, 1, groups=groups, bias=False)
        self.down_norm = nn.BatchNorm1d(inside) if sizes.batch_norm else nn.Identity()
        self.up_norm = nn.BatchNorm1d(width) if sizes.batch_norm else nn.Identity()
        self.gate = nn.Parameter(torch.zeros(1)) if sizes.gated else None
        self.bends = bends

    def forward(self, tokens: Tensor) -> Tensor:
        inside = self.down_norm(self.down(self.before(tokens).transpose(1, 2)))
        inside = torch.relu(inside) if self.bends else inside
        out = self.behind(self.up_norm(self.up(inside)).transpose(1, 2))
        return out if self.gate is None else self.gate * out


class Align(nn.Module):
    """The other's tokens (N, Q, E) as many and as wide as the own: (N, P, D)."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.tokens = nn.Linear(shape.other_tokens, shape.n_tokens)
        self.channels = nn.Linear(shape.other_width, shape.width)

    def forward(self, other: Tensor) -> Tensor:
        return self.channels(self.tokens(other.transpose(1, 2)).transpose(1, 2))


class LatentAdapter(nn.Module):
    """LAVisH's; both senses have tokens of the same width."""

    def __init__(self, shape: Shape, sizes: Bottleneck, uniform: bool = False) -> None:
        super().__init__()
        if shape.width != shape.other_width:
            raise ValueError(
                f"Both senses must be equally wide, not {shape.width} and {shape.other_width}."
            )
        self.meet = Latents(shape.width, sizes.n_latents, uniform)
        self.narrow = Narrow(shape.width, sizes)

    def forward(self, tokens: Tensor, other: Tensor) -> Tensor:
        return self.narrow(self.meet(tokens, other))


class GuidedAdapter(nn.Module):
    """DG-SCT's: channels and places that the other sense speaks of count more.

    `shares` gives the weights (N, P) with which its own tokens are pooled at the end.
    """

    def __init__(self, shape: Shape, sizes: Bottleneck, channels: float, places: float) -> None:
        super().__init__()
        width, half = shape.width, shape.width // 2
        self.channel_share, self.place_share = channels, places
        self.align = Align(shape)
        self.meet = Latents(width, sizes.n_latents)
        self.other_in, self.own_in = nn.Linear(width, width), nn.Linear(width, width)
        self.channel_inner, self.channel_out = nn.Linear(width, half), nn.Linear(half, width)
        self.own_place, self.other_place = nn.Linear(width, half), nn.Linear(width, half)
        self.place_out = nn.Linear(half, 1)
        self.narrow = Narrow(width, sizes)

    def forward(self, tokens: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added, and `shares`."""
        other = self.align(other)
        tokens, summary = self.meet(tokens, other), other.mean(1, keepdim=True)
        said = torch.relu(self.other_in(summary))
        both = (said * torch.relu(self.own_in(tokens))).mean(1, keepdim=True)
        channels = self.channel_out(torch.relu(self.channel_inner(both))).sigmoid()  # (N, 1, D)
        near = torch.relu(self.own_place(tokens * (channels + 1)))
        places = self.place_out(near * torch.relu(self.other_place(summary)))  # (N, P, 1)
        kept = 1 - self.channel_share  # the official sum is 1 and the share of the places
        gain = self.channel_share * channels + self.place_share * places.sigmoid() + kept
        return self.narrow(tokens * gain), places[..., 0].tanh().softmax(-1)


class OwnAdapter(nn.Module):
    """AVMoE's expert for one sense: a bottleneck, behind attention to the own tokens if asked for.

    `across_rows` is how the released code attends: token p of a row looks at tokens p of all rows
    of the batch.
    """

    def __init__(
        self, width: int, sizes: Bottleneck, bends: bool, heads: int, across_rows: bool
    ) -> None:
        super().__init__()
        self.across_rows = across_rows
        self.attention = (
            nn.MultiheadAttention(width, heads, dropout=0.2, batch_first=True) if heads else None
        )
        self.narrow = Narrow(width, sizes, bends)

    def forward(self, tokens: Tensor) -> Tensor:
        if self.attention is not None:
            asked = tokens.transpose(0, 1) if self.across_rows else tokens
            found = self.attention(asked, asked, asked, need_weights=False)[0]
            tokens = found.transpose(0, 1) if self.across_rows else found
        return self.narrow(tokens)


@dataclass(frozen=True)
class Experts:
    """How many of each kind AVMoE mixes, and how its own-sense experts are made."""

    both: int
    own: int
    bends: bool
    """A ReLU inside the experts for one sense; the released code makes one and never calls it."""
    heads: int = 0
    """Of their attention; 0 leaves it out, as the released configuration does."""
    across_rows: bool = False


class MixedAdapter(nn.Module):
    """AVMoE's: experts for both senses and for one, mixed by a router that sees both means."""

    def __init__(self, shape: Shape, sizes: Bottleneck, experts: Experts) -> None:
        super().__init__()
        width = shape.width
        same = Shape(width, shape.n_tokens, width, shape.n_tokens)
        self.align = Align(shape)
        self.both = nn.ModuleList(
            LatentAdapter(same, sizes, uniform=True) for _ in range(experts.both)
        )
        self.own = nn.ModuleList(
            OwnAdapter(width, sizes, experts.bends, experts.heads, experts.across_rows)
            for _ in range(experts.own)
        )
        self.router = nn.Sequential(
            nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU(),
            nn.Linear(32, experts.both + experts.own),
        )  # fmt: skip

    def forward(self, tokens: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """What is to be added, and the shares (N, E) of the experts."""
        other = self.align(other)
        shares = self.router(torch.cat([tokens.mean(1), other.mean(1)], dim=-1)).softmax(-1)
        said = [expert(tokens, other) for expert in self.both]
        said += [expert(tokens) for expert in self.own]
        return torch.einsum("ne,enpd->npd", shares, torch.stack(said)), shares


ADAPTER_NAMES = {
    "my_tokens": "meet.latents",
    "gate_av": "meet.gate",
    "gate": "narrow.gate",
    "down_sampler.weight": "narrow.down.weight",
    "up_sampler.weight": "narrow.up.weight",
    "bn1.": "narrow.down_norm.",
    "bn2.": "narrow.up_norm.",
    "ln_before.": "narrow.before.",
    "ln_post.": "narrow.behind.",
    "conv_adapter.": "align.tokens.",
    "fc.": "align.channels.",
    "fc_affine_audio_1.": "other_in.",
    "fc_affine_video_1.": "own_in.",
    "fc_affine_bottleneck.": "channel_inner.",
    "fc_affine_v_c_att.": "channel_out.",
    "fc_affine_video_2.": "own_place.",
    "fc_affine_audio_2.": "other_place.",
    "fc_affine_v_s_att.": "place_out.",
    "self_attention.": "attention.",
    "router.": "router.",
}
"""Official names within an adapter -> ours, by their beginning, the longest that fits."""


def official_adapter(key: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Name and shape here of one official tensor of an adapter."""
    head, rest = "", key
    for theirs, ours in (("multimodal_experts.", "both."), ("singlemodal_experts.", "own.")):
        if key.startswith(theirs):
            number, _, rest = key[len(theirs) :].partition(".")
            head = f"{ours}{number}."
    fits = [name for name in ADAPTER_NAMES if rest == name or rest.startswith(f"{name}")]
    name = max(fits, key=len, default=None)
    if name is None:
        raise KeyError(key)
    if rest.startswith("conv_adapter.weight"):
        tensor = tensor.flatten(1) if tensor.ndim > 2 else tensor
    elif "_sampler." in rest:
        tensor = tensor.squeeze(-1)
    return head + ADAPTER_NAMES[name] + rest[len(name) :], tensor

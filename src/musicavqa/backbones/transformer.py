"""The pre-norm transformer of CLIP and of the vision transformers, for pictures and for texts.

Vaswani et al. 2017 with the norms first; Dosovitskiy et al. 2021 for pictures. Tensor names are
timm's, other layouts are renamed by the encoders that read them. Between attention and
feed-forward, tokens may be merged (`merging.py`), as in Bolya et al. 2023.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.backbones.merging import match, merge, n_merged


@dataclass(frozen=True)
class Sizes:
    """What a stack of layers is built from."""

    width: int
    layers: int
    heads: int
    hidden: int
    eps: float = 1e-5
    quick: bool = False
    """x sigmoid(1.702 x) in place of the exact GELU, as OpenAI trained CLIP."""


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(
        self, x: Tensor, causal: bool = False, sizes: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, N, D) -> the same and the keys (B, N, D / heads), averaged over the heads.

        A token that stands for s patches weighs as s of them (Bolya et al., equation 1).
        """
        query, key, value = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weight = None if sizes is None else sizes.log()[:, None, None, :]
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=weight, is_causal=causal
        )
        return self.proj(seen.transpose(1, 2).flatten(2)), key.mean(dim=1)


class FeedForward(nn.Module):
    """Widen, bend, narrow."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.fc1 = nn.Linear(sizes.width, sizes.hidden)
        self.fc2 = nn.Linear(sizes.hidden, sizes.width)
        self.quick = sizes.quick

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        return self.fc2(x * torch.sigmoid(1.702 * x) if self.quick else functional.gelu(x))


class Layer(nn.Module):
    """Attention and feed-forward, each behind its norm and added to what came in."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(sizes.width, sizes.eps)
        self.attn = Attention(sizes.width, sizes.heads)
        self.norm2 = nn.LayerNorm(sizes.width, sizes.eps)
        self.mlp = FeedForward(sizes)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        x = x + self.attn(self.norm1(x), causal)[0]
        return x + self.mlp(self.norm2(x))

    def merging(self, x: Tensor, sizes: Tensor, r: int) -> tuple[Tensor, Tensor]:
        """The same with r tokens fewer; the keys say which are alike."""
        seen, keys = self.attn(self.norm1(x), sizes=sizes)
        x = x + seen
        if r := n_merged(x.shape[1], r):
            x, sizes = merge(x, sizes, match(keys, r))
        return x + self.mlp(self.norm2(x)), sizes


class Patches(nn.Module):
    """Square patches of the picture as tokens, row by row."""

    def __init__(self, width: int, side: int, bias: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, side, side, bias=bias)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.proj(pictures).flatten(2).transpose(1, 2)


class PictureTower(nn.Module):
    """A vision transformer: pictures (B, 3, H, W) -> normalised tokens (B, 1 + patches, D)."""

    def __init__(
        self, sizes: Sizes, side: int, n_tokens: int, *, norm_first: bool, bias: bool
    ) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, sizes.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, n_tokens, sizes.width))
        self.patch_embed = Patches(sizes.width, side, bias)
        self.norm_pre = nn.LayerNorm(sizes.width, sizes.eps) if norm_first else nn.Identity()
        self.blocks = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, sizes.eps)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.begin(pictures)
        for layer in self.blocks:
            x = layer(x)
        return self.norm(x)

    def merged(self, pictures: Tensor, merges: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Tokens left when layer i merges `merges[i]` (B, n, D), and patches each stands for."""
        x = self.begin(pictures)
        sizes = x.new_ones(x.shape[:2])
        for layer, r in zip(self.blocks, merges, strict=True):
            x, sizes = layer.merging(x, sizes, r)
        return self.norm(x), sizes

    def begin(self, pictures: Tensor) -> Tensor:
        """Class token and patches, before the first layer."""
        patches = self.patch_embed(pictures)
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return self.norm_pre(x + self.pos_embed)


class TextTower(nn.Module):
    """A causal transformer over word pieces: ids (B, W) -> normalised states (B, W, D)."""

    def __init__(self, sizes: Sizes, n_pieces: int, longest: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(n_pieces, sizes.width)
        self.pos_embed = nn.Parameter(torch.zeros(longest, sizes.width))
        self.blocks = nn.ModuleList(Layer(sizes) for _ in range(sizes.layers))
        self.norm = nn.LayerNorm(sizes.width, sizes.eps)

    def forward(self, pieces: Tensor) -> Tensor:
        x = self.token_embedding(pieces) + self.pos_embed[: pieces.shape[1]]
        for layer in self.blocks:
            x = layer(x, causal=True)
        return self.norm(x)

"""BEATs: an audio transformer with gated relative places; network and official file layout.

Chen et al. 2023, BEATs: Audio Pre-Training with Acoustic Tokenizers; the gates are those of WavLM
(Chen et al. 2022, section 4.1), the residual weights those of DeepNorm (Wang et al. 2022).
Official files hold `cfg` (the sizes) and `model`; fine-tuned ones also a classifier, left out here.

From the behaviour of the official code: the gate hears the query before it is divided by the root
of the head's width, and one table of places, that of the first layer, serves all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into
from musicavqa.features.encoders.nested import read_nested

GATES = 8  # values of which four and four are summed to the two gates
IGNORED = ("predictor.",)


@dataclass(frozen=True)
class Sizes:
    """What is read of `cfg`, under its names."""

    input_patch_size: int
    embed_dim: int
    encoder_layers: int
    encoder_embed_dim: int
    encoder_ffn_embed_dim: int
    encoder_attention_heads: int
    conv_pos: int
    conv_pos_groups: int
    num_buckets: int
    max_distance: int
    deep_norm: bool
    conv_bias: bool = False


# Switches that all published files set alike; another value would be another network.
FIXED = {
    "layer_norm_first": False,
    "relative_position_embedding": True,
    "gru_rel_pos": True,
    "activation_fn": "gelu",
}


class Attention(nn.Module):
    """Self-attention with a bias for each distance, scaled by two gates that hear the query."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width, self.heads = sizes.encoder_embed_dim, sizes.encoder_attention_heads
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(width, width))
        self.grep_linear = nn.Linear(width // self.heads, GATES)
        self.grep_a = nn.Parameter(torch.ones(1, self.heads, 1, 1))

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """(B, N, D) and the bias of each head and pair (H, N, N) -> (B, N, D)."""
        query, key, value = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        gates = self.grep_linear(query).unflatten(3, (2, GATES // 2)).sum(dim=4).sigmoid()
        update, reset = gates.split(1, dim=3)  # (B, H, N, 1)
        weight = update * (reset * self.grep_a - 1.0) + 2.0
        heard = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=weight * places
        )
        return self.out_proj(heard.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention and feed-forward; what came in is weighted up, added, and normalised."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.encoder_embed_dim
        self.self_attn = Attention(sizes)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, sizes.encoder_ffn_embed_dim)
        self.fc2 = nn.Linear(sizes.encoder_ffn_embed_dim, width)
        self.final_layer_norm = nn.LayerNorm(width)
        self.residual = (2 * sizes.encoder_layers) ** 0.25 if sizes.deep_norm else 1.0

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        x = self.self_attn_layer_norm(self.residual * x + self.self_attn(x, places))
        inner = self.fc2(functional.gelu(self.fc1(x)))
        return self.final_layer_norm(self.residual * x + inner)


class BEATs(nn.Module):
    """Spectra (B, frames, bands) -> tokens (B, frames / 16 * bands / 16, D), time by time."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes, width, patch = sizes, sizes.encoder_embed_dim, sizes.input_patch_size
        self.patch_embedding = nn.Conv2d(1, sizes.embed_dim, patch, patch, bias=sizes.conv_bias)
        self.layer_norm = nn.LayerNorm(sizes.embed_dim)
        same = sizes.embed_dim == width
        self.post_extract_proj = nn.Identity() if same else nn.Linear(sizes.embed_dim, width)
        self.places = nn.Conv1d(
            width, width, sizes.conv_pos, padding=sizes.conv_pos // 2, groups=sizes.conv_pos_groups
        )
        self.distances = nn.Embedding(sizes.num_buckets, sizes.encoder_attention_heads)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.encoder_layers))

    def forward(self, spectra: Tensor) -> Tensor:
        patches = self.patch_embedding(spectra[:, None]).flatten(2).transpose(1, 2)
        x = self.post_extract_proj(self.layer_norm(patches))
        around = self.places(x.transpose(1, 2))[..., : x.shape[1]]
        x = self.norm(x + functional.gelu(around).transpose(1, 2))
        bias = self.distances(self._buckets(x.shape[1]).to(x.device)).permute(2, 0, 1)
        for layer in self.layers:
            x = layer(x, bias)
        return x

    def _buckets(self, n: int) -> Tensor:
        """Bucket (n, n) of each distance: exact when short, logarithmic when long (T5)."""
        step = torch.arange(n)[None, :] - torch.arange(n)[:, None]
        half = self.sizes.num_buckets // 2
        exact = half // 2
        distance = step.abs()
        growth = math.log(self.sizes.max_distance / exact)
        far = torch.log(distance.clamp(min=1).float() / exact) / growth * (half - exact)
        far = (exact + far.long()).clamp(max=half - 1)
        return torch.where(distance < exact, distance, far) + half * (step > 0)


def load_beats(path: Path) -> BEATs:
    """The network of an official file (.pt with `cfg` and `model`)."""
    checkpoint = read_nested(path)
    cfg, state = checkpoint.get("cfg"), checkpoint.get("model")
    if not isinstance(cfg, Mapping) or not isinstance(state, Mapping):
        raise WeightError(f"{path.name} is no BEATs file: it lacks 'cfg' or 'model'.")
    network = BEATs(read_sizes(cfg, path))
    load_into(network, our_names(state), path, IGNORED)
    return network


def read_sizes(cfg: Mapping[str, Any], path: Path) -> Sizes:
    """The sizes in `cfg`; WeightError for one that is missing or for another kind of network."""
    other = {name: cfg.get(name) for name, value in FIXED.items() if cfg.get(name) != value}
    if other:
        raise WeightError(f"{path.name} is another kind of BEATs: {other}; we know {FIXED}.")
    wanted = [field.name for field in fields(Sizes) if field.name != "conv_bias"]
    missing = [name for name in wanted if name not in cfg]
    if missing:
        raise WeightError(f"The cfg of {path.name} lacks {', '.join(missing)}.")
    return Sizes(**{name: cfg[name] for name in wanted}, conv_bias=cfg.get("conv_bias", False))


def our_names(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors under our names: one table of distances, direction and length multiplied."""
    ours = {}
    for key, tensor in official.items():
        name = key.removeprefix("encoder.")
        if name.endswith("self_attn.relative_attention_bias.weight"):
            if name.startswith("layers.0."):
                ours["distances.weight"] = tensor
        elif name == "pos_conv.0.weight_v":
            length = official["encoder.pos_conv.0.weight_g"]  # (1, 1, kernel)
            ours["places.weight"] = tensor * length / tensor.norm(dim=(0, 1), keepdim=True)
        elif name == "pos_conv.0.bias":
            ours["places.bias"] = tensor
        elif key == "encoder.layer_norm.weight" or key == "encoder.layer_norm.bias":
            ours[name.replace("layer_norm", "norm")] = tensor
        elif name != "pos_conv.0.weight_g":
            ours[name] = tensor
    return ours

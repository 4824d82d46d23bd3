"""OneLLM: one encoder and one projection for every sense; experts mixed by a soft router.

Han et al. 2024 (CVPR, arXiv 2312.03700). Convolutions of its own make tokens of each sense, CLIP's
transformer reads all. The universal projection (section 3.1): learned tokens of the sense stand
before what was read; each expert is a stack of transformer blocks; a router of the sense weighs
the experts for every token, and the outputs at the learned tokens, 30 of them, go to Llama.

Pictures are averaged over all frames and crops before the projection, as released, so the order of
events is lost; of the sound the first 10.24 s are heard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import build
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="OneLLM: one framework to align all modalities with language",
    system="OneLLM",
    year=2024,
    venue="CVPR",
    senses="AV",
    tier="re-implemented architecture",
    checked="shares of the router, the mixture by its equation, 30 tokens of each sense",
    missing="published weights (Llama 2's terms; names not known here); senses besides these two",
    licence="Llama 2 community licence, of code and weights",
    trained_on="nothing of it",
)


@dataclass(frozen=True)
class Options:
    """Defaults are the published sizes."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }
    )  # fmt: skip
    """Of CLIP."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of Llama; empty is Llama 2's 7B."""
    end: int = 2
    frames: int = 5
    bands: int = 128
    slice_frames: int = 1024
    patch: int = 16
    """Sides of the patches of a spectrum."""
    step: int = 10
    """From one to the next."""
    experts: int = 3
    blocks: int = 8
    """Of an expert."""
    heads: int = 16
    inner: int = 4096
    tokens: int = 30


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 400,
    },
    frames=2, bands=32, slice_frames=64, step=16, experts=2, blocks=1, heads=2, inner=64, tokens=3,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads: three crops of each picture, the begin of the sound."""
    ear = Listening(  # AudioSet's mean and deviation, as for other towers of spectra
        1, options.slice_frames, options.bands, mean=-4.2677, deviation=2 * 4.5690, choice="start"
    )
    eye = Looking(options.frames, options.picture["image_size"], fit="crops")
    after = "\nAnswer the question using a single word or phrase.\n### Assistant:\n"
    return Wanted(eye, ear, "### Human: ", after)


class Projection(nn.Module):
    """The universal projection: (B, N, D) -> (B, K, D) of one sense."""

    def __init__(self, options: Options, width: int, senses: Sequence[str]) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, options.heads, options.inner, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.experts = nn.ModuleList(
            nn.TransformerEncoder(layer, options.blocks, enable_nested_tensor=False)
            for _ in range(options.experts)
        )
        for expert in self.experts:  # stacks begin as copies of one layer
            expert.apply(_begin_anew)
        self.routers = nn.ModuleDict({
            sense: nn.Sequential(
                nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, options.experts)
            )
            for sense in senses
        })  # fmt: skip
        self.tokens = nn.ParameterDict(
            {sense: 0.02 * torch.randn(1, options.tokens, width) for sense in senses}
        )

    def forward(self, read: Tensor, sense: str) -> Tensor:
        learned = self.tokens[sense]
        x = torch.cat([learned.expand(len(read), -1, -1), read], dim=1)
        shares = self.shares(x, sense)
        found = [expert(x) for expert in self.experts]
        mixed = sum(shares[..., at, None] * y for at, y in enumerate(found))
        assert isinstance(mixed, Tensor)
        return mixed[:, : learned.shape[1]]

    def shares(self, x: Tensor, sense: str) -> Tensor:
        """(B, N, experts), of sum 1: how much each token asks of each expert."""
        shares: Tensor = self.routers[sense](x).softmax(-1)
        return shares


class Model(Speaking):
    """CLIP's transformer for both senses, the projection, and Llama."""

    frozen = ("reader",)

    def __init__(self, options: Options) -> None:
        super().__init__("llama", options.language, options.end)
        self.options, width = options, options.picture["hidden_size"]
        self.reader = build("clip", options.picture)
        self.patches = nn.Conv2d(1, width, options.patch, options.step)
        n = [
            (size - options.patch) // options.step + 1
            for size in (options.slice_frames, options.bands)
        ]
        self.places = nn.Parameter(0.02 * torch.randn(1, n[0] * n[1], width))
        self.project = Projection(options, width, ("pictures", "sound"))
        self.speak = nn.ModuleDict(
            {sense: nn.Linear(width, self.width) for sense in ("pictures", "sound")}
        )

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        read = {}
        if clips.pictures is not None:
            flat = clips.pictures.flatten(0, 1)
            seen = self._transform(_part(self.reader, "embeddings")(flat))
            read["pictures"] = seen.unflatten(0, clips.pictures.shape[:2]).mean(1)
        if clips.sound is not None:
            patches = self.patches(clips.sound[:, :1]).flatten(2).transpose(1, 2)
            read["sound"] = self._transform(patches + self.places)
        return {sense: self.speak[sense](self.project(x, sense)) for sense, x in read.items()}

    def _transform(self, tokens: Tensor) -> Tensor:
        normed = _part(self.reader, "pre_layrnorm")(tokens)
        states: Tensor = _part(self.reader, "encoder")(inputs_embeds=normed).last_hidden_state
        return states


def _part(network: nn.Module, name: str) -> Any:
    """A part of CLIP's eye, which some versions of transformers keep one level deeper."""
    return getattr(getattr(network, "vision_model", network), name)


def _begin_anew(module: nn.Module) -> None:
    if isinstance(module, nn.MultiheadAttention):
        module._reset_parameters()
    elif isinstance(module, nn.Linear):
        module.reset_parameters()

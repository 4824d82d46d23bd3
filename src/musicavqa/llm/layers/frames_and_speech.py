"""The network of VITA, which MAVEN debiases: InternViT and an ear for speech before Mixtral."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import build, each, two_layers

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Sizes:
    """Defaults are VITA 1.0's."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {"image_size": [448, 448], "patch_size": [14, 14]}
    )
    """Of InternViT; defaults are the 300M's."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of Mixtral; empty is 8x7B."""
    end: int = 2
    frames: int = 16
    sound_frames: int = 6000
    """Of 10 ms; more is not heard."""
    bands: int = 80
    ear_width: int = 1024
    ear_layers: int = 24
    ear_heads: int = 16


TINY = Sizes(
    picture={
        "image_size": [56, 56], "patch_size": [14, 14], "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_dropout_prob": 0.0,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 400,
        "num_local_experts": 2, "num_experts_per_tok": 1,
    },
    frames=2, sound_frames=64, bands=32, ear_width=32, ear_layers=1, ear_heads=2,
)  # fmt: skip


def senses_of(sizes: Sizes) -> tuple[Looking, Listening]:
    """What of a clip is read: padded squares, and filter banks of the whole sound."""
    side = sizes.picture["image_size"][0]
    eye = Looking(sizes.frames, side, *IMAGENET, fit="pad")
    return eye, Listening(1, sizes.sound_frames, sizes.bands, choice="start", fill="silence")


class Ear(nn.Module):
    """Spectra (B, frames, bands) -> (B, frames / 8, D): four convolutions, then a transformer.

    Three of the four halve the time, so 2 s are 25 tokens.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = sizes.ear_width
        self.shorten = nn.ModuleList(
            nn.Conv1d(sizes.bands if at == 0 else width, width, 3, 1 if at == 3 else 2, 1)
            for at in range(4)
        )
        layer = nn.TransformerEncoderLayer(
            width, sizes.ear_heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, sizes.ear_layers, nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, spectra: Tensor) -> Tensor:
        x = spectra.transpose(1, 2)
        for convolution in self.shorten:
            x = functional.gelu(convolution(x))
        x = x.transpose(1, 2)
        heard: Tensor = self.layers(x + _waves(x))
        return heard


class FramesAndSpeech(Speaking):
    """Each picture becomes a quarter as many tokens as patches, the sound 12.5 a second."""

    frozen = ("eye", "ear")

    def __init__(self, sizes: Sizes) -> None:
        super().__init__("mixtral", sizes.language, sizes.end)
        self.eye, self.ear = build("internvit", sizes.picture), Ear(sizes)
        self.bridge = two_layers(4 * self.eye.config.hidden_size, self.width)
        self.ear_bridge = two_layers(sizes.ear_width, self.width)

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        found = {}
        if clips.pictures is not None:
            patches = each(self.eye, clips.pictures)[:, :, 1:]
            found["pictures"] = self.bridge(four_as_one(patches)).flatten(1, 2)
        if clips.sound is not None:
            found["sound"] = self.ear_bridge(self.ear(clips.sound[:, 0]))
        return found


def four_as_one(patches: Tensor) -> Tensor:
    """(B, T, H * W, C) -> (B, T, H * W / 4, 4 * C): squares of two by two patches side by side."""
    side = round(patches.shape[2] ** 0.5)
    maps = patches.unflatten(2, (side // 2, 2, side // 2, 2))  # (B, T, h, 2, w, 2, C)
    return maps.permute(0, 1, 2, 4, 3, 5, 6).flatten(4, 6).flatten(2, 3)


def _waves(x: Tensor) -> Tensor:
    """Sines and cosines of the place (Vaswani et al. 2017, section 3.5), shape of x (B, N, D)."""
    n, width = x.shape[1:]
    place = torch.arange(n, device=x.device, dtype=torch.float32)[:, None]
    rate = 10000 ** (-torch.arange(0, width, 2, device=x.device) / width)
    both = torch.stack([(place * rate).sin(), (place * rate).cos()], dim=-1)
    return both.flatten(1)[:, :width].to(x.dtype)

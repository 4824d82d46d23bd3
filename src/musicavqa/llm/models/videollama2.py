"""VideoLLaMA 2.1-AV: SigLIP and BEATs before Qwen2, with convolutions in space and time.

Cheng et al. 2024 (arXiv 2406.07476), audio-visual branch, version 2.1-7B-AV. Patches of 16 pictures
go through residual convolutions, a 3-D convolution that halves time, height and width (no padding
in this version), residual convolutions again, and two layers: 16 x 27 x 27 become 8 x 13 x 13 =
1,352 tokens. BEATs hears 30 s of 128 bands, 1,496 tokens. The eye's last layer but one is read.

The released evaluation glues eight stretches of 2 s: ask with the policy `frames=16 sound=8x2`.
`convert` brings official weights under our names. Its residual block is that of RegNet (Radosavovic
et al. 2020) as timm has it: 1x1, 3x3 in each channel alone, squeeze and excite, 1x1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from musicavqa.features.encoders import beats as beats_file
from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import BEATS, beats, build, each, two_layers
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="VideoLLaMA 2: advancing spatial-temporal modeling and audio understanding in video-LLMs",
    system="VideoLLaMA-2",
    year=2024,
    venue="arXiv",
    senses="AV",
    tier="re-implemented with weight loading",
    checked="the connector: lengths, blocks by hand; official names and shapes at full size",
    missing="never run with official weights",
    licence="Apache-2.0; BEATs MIT",
    trained_on="its training split is in the joint training set",
)


@dataclass(frozen=True)
class Options:
    """Defaults are those of 2.1-7B-AV."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
            "num_attention_heads": 16, "image_size": 384, "patch_size": 14,
            "vision_use_head": False,
        }
    )  # fmt: skip
    """Of SigLIP."""
    sound: Mapping[str, Any] = field(default_factory=lambda: dict(BEATS))
    """Of BEATs."""
    language: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
            "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064,
            "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        }
    )  # fmt: skip
    """Of Qwen2."""
    end: int = 151645
    frames: int = 16
    sound_frames: int = 2998
    """Of 10 ms: 30 s."""
    bands: int = 128
    depth: int = 4
    """Residual blocks before, and after, the 3-D convolution."""
    padding: int = 0
    """Of the 3-D convolution; 1 in versions before 2.1."""


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 56, "patch_size": 14, "vision_use_head": False,
    },
    sound={
        "input_patch_size": 16, "embed_dim": 16, "encoder_layers": 1, "encoder_embed_dim": 32,
        "encoder_ffn_embed_dim": 64, "encoder_attention_heads": 2, "conv_pos": 4,
        "conv_pos_groups": 2, "num_buckets": 32, "max_distance": 80, "deep_norm": True,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 400,
        "max_position_embeddings": 256, "tie_word_embeddings": False,
    },
    end=2, frames=4, sound_frames=64, bands=32, depth=1,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; Qwen2's chat around the bare question."""
    ear = Listening(
        1, options.sound_frames, options.bands, window="povey", mean=15.41663,
        deviation=2 * 6.55582, scale=2.0**15, choice="start", fill="silence",
    )  # fmt: skip
    half = (0.5, 0.5, 0.5)
    eye = Looking(options.frames, options.picture["image_size"], half, half, fit="pad")
    before = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
    return Wanted(eye, ear, before, "<|im_end|>\n<|im_start|>assistant\n")


class Normed(nn.LayerNorm):
    """Layer norm over the channels of maps (B, C, H, W)."""

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(maps.movedim(1, -1)).movedim(-1, 1)


class Residual(nn.Module):
    """RegNet's block on maps (B, C, H, W), with SiLU and layer norm."""

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        squeezed = round(width / 4)
        self.conv1 = nn.Conv2d(width, out, 1, bias=False)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False)
        self.conv3 = nn.Conv2d(out, out, 1, bias=False)
        self.norm1, self.norm2, self.norm3 = Normed(out), Normed(out), Normed(out)
        self.squeeze, self.excite = nn.Conv2d(out, squeezed, 1), nn.Conv2d(squeezed, out, 1)
        same = width == out
        past = (nn.Conv2d(width, out, 1, bias=False), Normed(out))
        self.past = nn.Identity() if same else nn.Sequential(*past)

    def forward(self, maps: Tensor) -> Tensor:
        x = functional.silu(self.norm1(self.conv1(maps)))
        x = functional.silu(self.norm2(self.conv2(x)))
        whole = x.mean((2, 3), keepdim=True)
        x = x * self.excite(functional.silu(self.squeeze(whole))).sigmoid()
        return functional.silu(self.norm3(self.conv3(x)) + self.past(maps))


class Connector(nn.Module):
    """STC: patches (B, T, N, C) -> tokens (B, M, D), M about an eighth of T * N."""

    def __init__(self, width: int, out: int, depth: int, padding: int) -> None:
        super().__init__()
        widths = [width, *[out] * depth]
        self.before = nn.Sequential(*(Residual(a, b) for a, b in pairwise(widths)))
        self.sampler = nn.Conv3d(out, out, 2, 2, padding)
        self.after = nn.Sequential(*(Residual(out, out) for _ in range(depth)))
        self.readout = two_layers(out, out)

    def forward(self, patches: Tensor) -> Tensor:
        n_times, n_patches = patches.shape[1:3]
        side = round(n_patches**0.5)
        maps = patches.unflatten(2, (side, side)).flatten(0, 1).permute(0, 3, 1, 2)
        x = self.before(maps).unflatten(0, (-1, n_times)).transpose(1, 2)
        x = functional.silu(self.sampler(x)).transpose(1, 2)  # (B, T', D, H', W')
        x = self.after(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        return self.readout(x.permute(0, 1, 3, 4, 2).flatten(1, 3))


class Model(Speaking):
    """SigLIP, BEATs, two bridges and Qwen2."""

    frozen = ("eye",)

    def __init__(self, options: Options) -> None:
        super().__init__("qwen2", options.language, options.end)
        self.options = options
        self.eye, self.ear = build("siglip", options.picture), beats(options.sound)
        self.bridge = Connector(
            options.picture["hidden_size"], self.width, options.depth, options.padding
        )
        self.ear_bridge = two_layers(options.sound["encoder_embed_dim"], self.width)

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        found = {}
        if clips.pictures is not None:
            found["pictures"] = self.bridge(each(self.eye, clips.pictures, layer=-2))
        if clips.sound is not None:
            heard = self.ear(clips.sound.flatten(0, 1)).unflatten(0, clips.sound.shape[:2])
            found["sound"] = self.ear_bridge(heard.flatten(1, 2))
        return found


LEFT_BEHIND = re.compile(r"vision_model\.head\.|^model\.audio_tower\.predictor|position_ids$")
OFFICIAL_NAMES = (
    (r"^model\.vision_tower\.vision_tower\.(vision_model\.)?", "eye."),
    (r"^model\.mm_projector_a\.", "ear_bridge."),
    (r"^model\.mm_projector\.s1\.b", "bridge.before.b"),
    (r"^model\.mm_projector\.s2\.b", "bridge.after.b"),
    (r"^model\.mm_projector\.sampler\.0\.", "bridge.sampler."),
    (r"^model\.mm_projector\.readout\.", "bridge.readout."),
    (r"\.conv(\d)\.conv\.", r".conv\1."),
    (r"\.conv(\d)\.bn\.", r".norm\1."),
    (r"\.se\.fc1\.", ".squeeze."),
    (r"\.se\.fc2\.", ".excite."),
    (r"\.downsample\.conv\.", ".past.0."),
    (r"\.downsample\.bn\.", ".past.1."),
    (r"^(model\.|lm_head\.)", r"language.\1"),
)


def convert(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors under our names; Qwen2 keeps its own."""
    ours, heard = {}, {}
    for name, tensor in official.items():
        if LEFT_BEHIND.search(name):
            continue
        if name.startswith("model.audio_tower."):
            heard[name.removeprefix("model.audio_tower.")] = tensor
            continue
        for pattern, ours_is in OFFICIAL_NAMES:
            name = re.sub(pattern, ours_is, name)
        name = re.sub(  # blocks count from one there
            r"^(bridge\.\w+\.)b(\d+)\.", lambda found: f"{found[1]}{int(found[2]) - 1}.", name
        )
        ours[name] = tensor
    return ours | {f"ear.{name}": x for name, x in beats_file.our_names(heard).items()}

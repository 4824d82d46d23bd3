"""Meerkat: tokens of pictures and sound made of the language model's own words, and aligned.

Chowdhury et al. 2024 (ECCV, arXiv 2407.01851). Patches of CLIP and the last map of CLAP are
shortened by convolutions without padding and then attend to the whole table of word vectors, so
what Llama reads of a clip lies among its words. Two losses align the senses:

* `transport_loss` (AVOpT): optimal transport between tokens of pictures and of sound, cosine cost,
  by IPOT (Xie et al. 2020, algorithm 1) with equal shares;
* `consistency_loss` (AVACE): attention of sound to patches lies within the box of what sounds.

The paper's body could not be read, so these follow the released program, with two differences: its
transport term is overwritten before it reaches the loss, here it counts; its consistency is for
attention of patches to sound, whose mean over sound is the same everywhere, here sound attends to
patches and the map is divided by its largest value. Without boxes there is no consistency term.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking, Prompt
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import build, each
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="Meerkat: audio-visual large language model for grounding in space and time",
    system="Meerkat",
    year=2024,
    venue="ECCV",
    senses="AV",
    tier="re-implemented architecture",
    checked="shares and optimum of the transport, consistency by its equation, numbers of tokens",
    missing="weights, which were not given out; its paper could not be read; answers with boxes",
    licence="Apache-2.0; Llama 2's terms",
    trained_on="unknown",
)


@dataclass(frozen=True)
class Options:
    """Defaults are those of the released script."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "image_size": 224, "patch_size": 16,
        }
    )  # fmt: skip
    """Of CLIP."""
    sound: Mapping[str, Any] = field(default_factory=lambda: {"enable_fusion": False})
    """Of CLAP's audio tower."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of Llama; empty is Llama 2's 7B."""
    end: int = 2
    frames: int = 6
    slice_frames: int = 1000
    bands: int = 64
    shared: int = 512
    """Width in which the senses are compared."""
    picture_kernel: int = 6
    picture_stride: int = 2
    sound_kernel: int = 12
    sound_stride: int = 9
    heads: int = 16
    """Of the attention to words."""
    map_heads: int = 8
    dropout: float = 0.1
    transport: float = 0.1
    """Share of the loss of transport."""
    consistency: float = 0.2
    """Share of that of attention, where there are boxes."""
    threshold: float = 0.1
    """Costs below min + threshold * (max - min) count nothing."""
    rounds: int = 30


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    },
    sound={
        "enable_fusion": False, "spec_size": 32, "num_mel_bins": 16, "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 16, "depths": [1, 1], "num_attention_heads": [2, 2],
        "window_size": 2, "hidden_size": 32, "num_hidden_layers": 2, "drop_path_rate": 0.0,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 400,
    },
    frames=2, slice_frames=64, bands=16, shared=32, picture_kernel=3, picture_stride=2,
    sound_kernel=4, sound_stride=3, heads=2, map_heads=2, dropout=0.0, rounds=10,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; Alpaca's form of an instruction."""
    ear = Listening(1, options.slice_frames, options.bands)
    eye = Looking(options.frames, options.picture["image_size"])
    return Wanted(eye, ear, "### Instruction:\n", "\n\n### Response:\n")


class AmongWords(nn.Module):
    """Tokens (B, N, C) -> fewer tokens (B, M, D), mixtures of the words of a table (V, D)."""

    def __init__(self, width: int, out: int, kernel: int, stride: int, options: Options) -> None:
        super().__init__()
        self.shorten = nn.Conv1d(width, width, kernel, stride)
        self.project = nn.Linear(width, out)
        self.attend = nn.MultiheadAttention(
            out, options.heads, options.dropout, add_bias_kv=True, add_zero_attn=True,
            batch_first=True,
        )  # fmt: skip

    def forward(self, tokens: Tensor, table: Tensor) -> Tensor:
        asked = self.project(self.shorten(tokens.transpose(1, 2)).transpose(1, 2))
        words = table[None].expand(len(tokens), -1, -1)
        found: Tensor = self.attend(asked, words, words, need_weights=False)[0]
        return found


class Model(Speaking):
    """CLIP, CLAP, tokens among words, and Llama."""

    order = ("before", "sound", "pictures", "question", "after")
    frozen = ("eye", "ear")

    def __init__(self, options: Options) -> None:
        super().__init__("llama", options.language, options.end)
        self.options, o = options, options
        self.eye, self.ear = build("clip", o.picture), build("htsat", o.sound)
        heard = self.ear.audio_encoder.num_features
        self.see = nn.Linear(o.picture["hidden_size"], o.shared, bias=False)
        self.picture_words = AmongWords(o.shared, self.width, o.picture_kernel, o.picture_stride, o)
        self.sound_words = AmongWords(heard, self.width, o.sound_kernel, o.sound_stride, o)
        self.to_patches = nn.MultiheadAttention(o.shared, o.map_heads, batch_first=True)

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        table, tokens = self.language.get_input_embeddings().weight, self.tokens(clips)
        bridges = {"pictures": self.picture_words, "sound": self.sound_words}
        return {sense: bridges[sense](x, table) for sense, x in tokens.items()}

    def loss(
        self,
        clips: ClipTensors,
        prompts: Sequence[Prompt],
        answers: Sequence[Sequence[int]],
        boxes: Tensor | None = None,
    ) -> Tensor:
        """Words, transport and, with `boxes` (B, 4), attention.

        A box is left, top, right, bottom, from 0 to 1.
        """
        total, tokens = super().loss(clips, prompts, answers), self.tokens(clips)
        if {"pictures", "sound"} - set(tokens):
            return total
        sound = self.narrowed(tokens["sound"])
        o = self.options
        total = total + o.transport * transport_loss(
            tokens["pictures"], sound, o.rounds, o.threshold
        )
        if boxes is not None:
            maps = self.attention_map(tokens["pictures"], sound)
            total = total + o.consistency * consistency_loss(maps, boxes)
        return total

    def tokens(self, clips: ClipTensors) -> dict[str, Tensor]:
        """Patches (B, T * P, shared) without class tokens, and sound (B, N, C)."""
        found = {}
        if clips.pictures is not None:
            found["pictures"] = self.see(each(self.eye, clips.pictures)[:, :, 1:]).flatten(1, 2)
        if clips.sound is not None:
            last = self.ear(clips.sound[:, :1]).last_hidden_state  # (B, C, bands, times)
            found["sound"] = last.flatten(2).transpose(1, 2)
        return found

    def narrowed(self, sound: Tensor) -> Tensor:
        """Sound pooled to the width of patches."""
        return functional.adaptive_avg_pool1d(sound, self.options.shared)

    def attention_map(self, patches: Tensor, sound: Tensor) -> Tensor:
        """(B, side, side), largest value 1: where sound attends, mean over all but the place."""
        weights = self.to_patches(sound, patches, patches)[1].mean(1)
        flat = weights.unflatten(1, (self.options.frames, -1)).mean(1)
        side = round(flat.shape[1] ** 0.5)
        return (flat / flat.amax(1, keepdim=True)).unflatten(1, (side, side))


def transport_plan(cost: Tensor, rounds: int, beta: float = 0.5) -> Tensor:
    """(B, N, M) plan of cost (B, N, M) by IPOT: rows sum to 1 / N in the end, columns to 1 / M."""
    n, m = cost.shape[1:]
    kernel = torch.exp(-cost / beta)
    plan, right = torch.ones_like(cost), torch.full_like(cost[:, 0], 1 / m)
    for _ in range(rounds):
        step = kernel * plan
        left = 1 / (n * torch.einsum("bnm,bm->bn", step, right))
        right = 1 / (m * torch.einsum("bnm,bn->bm", step, left))
        plan = left[:, :, None] * step * right[:, None]
    return plan


def transport_loss(pictures: Tensor, sound: Tensor, rounds: int, threshold: float) -> Tensor:
    """Mean cost of the best plan between tokens (B, N, D) and (B, M, D); the plan is held fixed.

    Cosine cost; small costs count nothing: relu(C - min - threshold * (max - min)), per clip.
    """
    a, b = functional.normalize(pictures, dim=-1), functional.normalize(sound, dim=-1)
    cost = 1 - a @ b.transpose(1, 2)
    least, most = (
        cost.detach().amin((1, 2), keepdim=True),
        cost.detach().amax((1, 2), keepdim=True),
    )
    cost = functional.relu(cost - least - threshold * (most - least))
    plan = transport_plan(cost.detach(), rounds)
    return (plan * cost).sum((1, 2)).mean()


def consistency_loss(maps: Tensor, boxes: Tensor, pixels: int = 224) -> Tensor:
    """1/2 sum(M A) / (sum(M) + 0.1) + 1/2 (1 - sum((1-M) A) / (sum(1-M) + 0.1)), mean over clips.

    A is the map (B, side, side) brought to `pixels`, M is 1 outside the box of each clip.
    """
    a = functional.interpolate(maps[:, None], (pixels, pixels), mode="bilinear")[:, 0]
    place = (torch.arange(pixels, device=maps.device) + 0.5) / pixels
    left, top, right, bottom = boxes[:, :, None].unbind(1)
    across, down = (place >= left) & (place < right), (place >= top) & (place < bottom)
    inside = (down[:, :, None] & across[:, None]).to(a.dtype)
    outside = 1 - inside
    without = (outside * a).sum((1, 2)) / (outside.sum((1, 2)) + 0.1)
    within = (inside * a).sum((1, 2)) / (inside.sum((1, 2)) + 0.1)
    return ((without + 1 - within) / 2).mean()

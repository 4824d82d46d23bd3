"""ChatBridge: one query transformer makes 32 words each of pictures and sound.

Zhao et al. 2023 (arXiv 2305.16103). EVA-CLIP sees 4 pictures, BEATs hears one slice of 10.24 s;
both stay as they are, as does Vicuna-13B. Learned queries of each sense read the tokens through one
query transformer (`layers/querying.py`), one linear layer makes words of what they found. Tokens of
sound are first brought to the width of pictures, those of pictures marked by their time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.querying import Querying
from musicavqa.llm.layers.speaking import Speaking
from musicavqa.llm.layers.towers import BEATS, beats, build, each
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="ChatBridge: bridging modalities with large language model as a language catalyst",
    system="ChatBridge",
    year=2023,
    venue="arXiv",
    senses="AV",
    tier="re-implemented architecture",
    checked="numbers of soft tokens whatever the length, one reader for both senses",
    missing="published weights; its paper could not be read, its training in two stages",
    licence="BSD-3-Clause; Vicuna under LLaMA's terms",
    trained_on="nothing of it",
)


@dataclass(frozen=True)
class Options:
    """Defaults are the released sizes."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 39,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }
    )  # fmt: skip
    """Of EVA-CLIP, as transformers names those of BLIP-2's eye."""
    sound: Mapping[str, Any] = field(default_factory=lambda: dict(BEATS))
    """Of BEATs."""
    reader: Mapping[str, Any] = field(default_factory=lambda: {"encoder_hidden_size": 1408})
    """Of the query transformer; defaults are BLIP-2's."""
    language: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
            "num_attention_heads": 40, "vocab_size": 32001,
        }
    )  # fmt: skip
    """Of Llama."""
    end: int = 2
    frames: int = 4
    queries: int = 32
    slice_frames: int = 1024
    bands: int = 64


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "initializer_range": 0.02,
    },
    sound={
        "input_patch_size": 16, "embed_dim": 16, "encoder_layers": 1, "encoder_embed_dim": 16,
        "encoder_ffn_embed_dim": 32, "encoder_attention_heads": 2, "conv_pos": 4,
        "conv_pos_groups": 2, "num_buckets": 32, "max_distance": 80, "deep_norm": True,
    },
    reader={
        "encoder_hidden_size": 32, "hidden_size": 32, "intermediate_size": 64,
        "num_hidden_layers": 2, "num_attention_heads": 2, "cross_attention_frequency": 2,
        "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    },
    language={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "vocab_size": 400,
    },
    frames=2, queries=3, slice_frames=64, bands=32,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; Vicuna's first form of a talk, the wish in our words."""
    ear = Listening(
        1, options.slice_frames, options.bands, window="povey", mean=15.41663,
        deviation=2 * 6.55582, scale=2.0**15,
    )  # fmt: skip
    eye = Looking(options.frames, options.picture["image_size"])
    return Wanted(eye, ear, "###Human: ", " Answer briefly.\n###Assistant:\n")


class Model(Speaking):
    """EVA-CLIP, BEATs, the query transformer and Llama."""

    frozen = ("eye", "ear", "language")

    def __init__(self, options: Options) -> None:
        super().__init__("llama", options.language, options.end)
        self.options = options
        self.eye, self.ear = build("eva", options.picture), beats(options.sound)
        width = options.picture["hidden_size"]
        self.widen = nn.Linear(options.sound["encoder_embed_dim"], width)
        self.times = nn.Parameter(0.02 * torch.randn(1, options.frames, 1, width))
        queries = {"pictures": options.queries, "sound": options.queries}
        self.bridge = Querying(options.reader, queries)
        self.speak = nn.Linear(self.bridge.width, self.width)

    def media(self, clips: ClipTensors, questions: Sequence[Tensor]) -> dict[str, Tensor]:
        tokens = {}
        if clips.pictures is not None:
            tokens["pictures"] = (each(self.eye, clips.pictures) + self.times).flatten(1, 2)
        if clips.sound is not None:
            heard = self.ear(clips.sound.flatten(0, 1)).unflatten(0, clips.sound.shape[:2])
            tokens["sound"] = self.widen(heard.flatten(1, 2))
        return {kind: self.speak(self.bridge(x, kind)) for kind, x in tokens.items()}

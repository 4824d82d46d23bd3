"""VAST: BERT that answers while it attends to every token of EVA-CLIP and of BEATs.

Chen et al. 2023 (NeurIPS, arXiv 2305.18500). The same decoder as VALOR (`layers/fusing.py`) with
larger towers; of a clip it sees 8 pictures of 257 tokens and hears 2 slices of 10.24 s, 256 tokens
each. The numbers of the front end are those of the released program.

`convert` brings official weights under our names: BERT, BEATs, EVA-CLIP and the two streams. Heads
for retrieval, and everything about subtitles, are left behind: no answer goes through them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from musicavqa.features.encoders import beats as beats_file
from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.fusing import Fusing, Marks, Stream
from musicavqa.llm.layers.towers import BEATS, beats, build, each
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="VAST: a vision-audio-subtitle-text omni-modality foundation model and dataset",
    system="VAST",
    year=2023,
    venue="NeurIPS",
    senses="AV",
    tier="re-implemented with weight loading",
    checked="as valor; official names and shapes at full size, without the weights themselves",
    missing="subtitles, retrieval; three beams (one is followed); never run with official weights",
    licence="MIT",
    trained_on="fine-tuned on its training split",
)


@dataclass(frozen=True)
class Options:
    """Defaults are the published sizes."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 40,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }
    )  # fmt: skip
    """Of EVA-CLIP, as transformers names those of BLIP-2's eye."""
    sound: Mapping[str, Any] = field(default_factory=lambda: dict(BEATS))
    """Of BEATs."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of BERT; empty is bert-base-uncased."""
    marks: Marks = field(default_factory=Marks)
    words: int = 40
    frames: int = 8
    clips: int = 2
    """Slices of sound, of `slice_frames` frames and `bands` bands."""
    slice_frames: int = 1024
    bands: int = 64
    mixes: tuple[str, ...] = ("AV",)


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14, "initializer_range": 0.02,
    },
    sound={
        "input_patch_size": 16, "embed_dim": 16, "encoder_layers": 1, "encoder_embed_dim": 32,
        "encoder_ffn_embed_dim": 64, "encoder_attention_heads": 2, "conv_pos": 4,
        "conv_pos_groups": 2, "num_buckets": 32, "max_distance": 80, "deep_norm": True,
    },
    language={
        "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 80, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    marks=Marks(0, 1, 2, 3, 5), frames=2, clips=2, slice_frames=32, bands=32,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads; the bare question."""
    ear = Listening(
        options.clips, options.slice_frames, options.bands, window="povey",
        mean=15.41663, deviation=2 * 6.55582, scale=2.0**15,
    )  # fmt: skip
    return Wanted(Looking(options.frames, options.picture["image_size"]), ear)


class Model(Fusing):
    """EVA-CLIP, BEATs and BERT."""

    def __init__(self, options: Options) -> None:
        super().__init__(options.language, options.marks, options.words)
        self.options, self.mixes = options, options.mixes
        self.eye, self.ear = build("eva", options.picture), beats(options.sound)
        width = self.language.config.hidden_size
        self.pictures = Stream(options.picture["hidden_size"], width, options.frames, normed=True)
        self.sound = Stream(options.sound["encoder_embed_dim"], width, options.clips, normed=True)

    def condition(self, clips: ClipTensors) -> dict[str, Tensor]:
        found = {}
        if clips.pictures is not None:
            found["pictures"] = self.pictures(each(self.eye, clips.pictures))
        found["sound"] = self.sound(self._heard(clips))
        return found

    def _heard(self, clips: ClipTensors) -> Tensor:
        """(B, N, tokens, D); a clip without sound is heard as zeros."""
        o, weight, spectra = self.options, self.pictures.project.weight, clips.sound
        if spectra is None:
            rows = 1 if clips.pictures is None else len(clips.pictures)
            shape = (rows, o.clips, o.slice_frames, o.bands)
            spectra = torch.zeros(shape, device=weight.device, dtype=weight.dtype)
        return self.ear(spectra.flatten(0, 1)).unflatten(0, spectra.shape[:2])


LEFT_BEHIND = re.compile(
    r"^(contra_|itm_head|hidden_trans_subtitle|subtitle_type)|relative_position_index$"
    r"|^audio_encoder\.predictor|^vision_encoder\.(visual\.)?head\.|position_ids$"
    r"|^vision_encoder\.(text|logit_scale)"
)
OFFICIAL_NAMES = (
    (r"^multimodal_encoder\.", "language."),
    (r"^hidden_trans_vision_multimodal\.0\.", "pictures.project."),
    (r"^hidden_trans_vision_multimodal\.1\.", "pictures.norm."),
    (r"^hidden_trans_audio_multimodal\.0\.", "sound.project."),
    (r"^hidden_trans_audio_multimodal\.1\.", "sound.norm."),
    (r"^vision_frame_embedding$", "pictures.times"),
    (r"^audio_frame_embedding$", "sound.times"),
    (r"^vision_type_embeddings$", "pictures.sense"),
    (r"^audio_type_embeddings$", "sound.sense"),
    (r"^vision_encoder\.(?:visual\.)?cls_token$", "eye.embeddings.class_embedding"),
    (r"^vision_encoder\.(?:visual\.)?pos_embed$", "eye.embeddings.position_embedding"),
    (r"^vision_encoder\.(?:visual\.)?patch_embed\.proj\.", "eye.embeddings.patch_embedding."),
    (r"^vision_encoder\.(?:visual\.)?norm\.", "eye.post_layernorm."),
    (r"^vision_encoder\.(?:visual\.)?blocks\.", "eye.encoder.layers."),
    (r"^(eye\.encoder\.layers\.\d+)\.norm([12])\.", r"\1.layer_norm\2."),
    (r"^(eye\.encoder\.layers\.\d+)\.attn\.proj\.", r"\1.self_attn.projection."),
    (r"^(eye\.encoder\.layers\.\d+)\.attn\.", r"\1.self_attn."),
)


def convert(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors under our names.

    EVA-CLIP keeps biases of queries and of values, and none of keys; ours are all in one.
    """
    ours: dict[str, Tensor] = {}
    heard = {}
    for name, tensor in official.items():
        if LEFT_BEHIND.search(name):
            continue
        if name.startswith("audio_encoder."):
            heard[name.removeprefix("audio_encoder.")] = tensor
            continue
        for pattern, ours_is in OFFICIAL_NAMES:
            name = re.sub(pattern, ours_is, name)
        ours[name] = tensor
    for name in [key for key in ours if key.endswith(".self_attn.q_bias")]:
        query, value = ours.pop(name), ours.pop(name.replace("q_bias", "v_bias"))
        joined = torch.cat([query, torch.zeros_like(query), value])
        ours[name.replace("q_bias", "qkv.bias")] = joined
    ours.update({f"ear.{name}": x for name, x in beats_file.our_names(heard).items()})
    for name, other in TIED.items():
        if name not in ours and other in ours:
            ours[name] = ours[other]
    return ours


TIED = {
    "language.cls.predictions.decoder.weight": "language.bert.embeddings.word_embeddings.weight",
    "language.cls.predictions.decoder.bias": "language.cls.predictions.bias",
}
"""One tensor under two names; a file may hold either or both."""

"""Networks of every family at a size of kilobytes, with random weights and our own words."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch

from musicavqa.answers import ANSWERS
from musicavqa.llm.families.local import LocalModel
from musicavqa.llm.families.prompting import Chat
from musicavqa.llm.families.table import FAMILIES
from musicavqa.questions import TEMPLATES

MARKS = {
    "qwen2_5_vl": ("<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>"),
    "qwen2_5_omni_thinker": (
        "<|vision_bos|>", "<|vision_eos|>", "<|VIDEO|>", "<|IMAGE|>", "<|audio_bos|>",
        "<|audio_eos|>", "<|AUDIO|>",
    ),
    "qwen3_omni_moe_thinker": (
        "<|vision_start|>", "<|vision_end|>", "<|video_pad|>", "<|image_pad|>", "<|audio_start|>",
        "<|audio_end|>", "<|audio_pad|>",
    ),
    "qwen2_audio": ("<|audio_bos|>", "<|audio_eos|>", "<|AUDIO|>"),
    "audioflamingo3": ("<sound>",),
    "musicflamingo": ("<sound>", "<|sound_bos|>", "<|sound_eos|>"),
}  # fmt: skip
KINDS = tuple(MARKS)
TEXT = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, max_position_embeddings=40000, pad_token_id=0,
)  # fmt: skip
MROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
EYE = dict(
    depth=2, hidden_size=32, intermediate_size=48, num_heads=2, patch_size=14, out_hidden_size=32,
    window_size=56, fullatt_block_indexes=[1],
)  # fmt: skip
EAR = dict(
    num_mel_bins=16, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32, d_model=32,
)  # fmt: skip


@functools.cache
def tokenizer(kind: str) -> Any:
    """Byte-level BPE of the questions and answers, with the marks of the family."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import Qwen2Tokenizer

    words = [template.text for template in TEMPLATES] * 2 + [a.replace("_", " ") for a in ANSWERS]
    made = ByteLevelBPETokenizer()
    made.train_from_iterator(words, vocab_size=500, special_tokens=["<|endoftext|>"])
    import json

    told = json.loads(made.to_str())["model"]
    merges = [
        tuple(pair) if not isinstance(pair, str) else tuple(pair.split()) for pair in told["merges"]
    ]
    found = Qwen2Tokenizer(vocab=told["vocab"], merges=merges)
    found.add_special_tokens(
        {"additional_special_tokens": ["<|im_start|>", "<|im_end|>", *MARKS[kind]]}
    )
    return found


def config(kind: str) -> Any:
    """Of a small network of this kind."""
    import transformers as t

    words = tokenizer(kind)
    at = {mark: words.convert_tokens_to_ids(mark) for mark in MARKS[kind]}
    text = {**TEXT, "vocab_size": len(words) + 8}
    if kind == "qwen2_5_vl":
        return t.Qwen2_5_VLConfig(
            text_config={**text, "rope_parameters": MROPE},
            vision_config={**EYE, "tokens_per_second": 2},
            image_token_id=at["<|image_pad|>"], video_token_id=at["<|video_pad|>"],
            vision_start_token_id=at["<|vision_start|>"], vision_end_token_id=at["<|vision_end|>"],
        )  # fmt: skip
    if kind == "qwen2_5_omni_thinker":
        return t.Qwen2_5OmniThinkerConfig(
            text_config={**text, "rope_parameters": MROPE}, vision_config=EYE,
            audio_config={**EAR, "n_window": 25, "output_dim": 32},
            audio_token_index=at["<|AUDIO|>"], image_token_index=at["<|IMAGE|>"],
            video_token_index=at["<|VIDEO|>"], audio_start_token_id=at["<|audio_bos|>"],
            audio_end_token_id=at["<|audio_eos|>"], vision_start_token_id=at["<|vision_bos|>"],
            vision_end_token_id=at["<|vision_eos|>"],
        )  # fmt: skip
    if kind == "qwen3_omni_moe_thinker":
        eye = {k: v for k, v in EYE.items() if k not in ("window_size", "fullatt_block_indexes")}
        return t.Qwen3OmniMoeThinkerConfig(
            text_config={
                **text, "rope_parameters": {**MROPE, "mrope_interleaved": True}, "num_experts": 4,
                "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 16,
            },
            vision_config={
                **eye, "patch_size": 16, "deepstack_visual_indexes": [0],
                "num_position_embeddings": 256,
            },
            audio_config={**EAR, "output_dim": 32, "downsample_hidden_size": 8},
            position_id_per_seconds=13,
            audio_token_id=at["<|audio_pad|>"], image_token_id=at["<|image_pad|>"],
            video_token_id=at["<|video_pad|>"], audio_start_token_id=at["<|audio_start|>"],
            audio_end_token_id=at["<|audio_end|>"], vision_start_token_id=at["<|vision_start|>"],
            vision_end_token_id=at["<|vision_end|>"],
        )  # fmt: skip
    if kind == "qwen2_audio":
        return t.Qwen2AudioConfig(
            audio_config=EAR, text_config={**text, "model_type": "qwen2"},
            audio_token_index=at["<|AUDIO|>"],
        )  # fmt: skip
    ear = dict(
        num_mel_bins=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        hidden_size=32,
        model_type="audioflamingo3_encoder",
    )  # fmt: skip
    shared = dict(
        audio_config=ear, text_config={**text, "model_type": "qwen2"}, audio_token_id=at["<sound>"]
    )
    if kind == "audioflamingo3":
        return t.AudioFlamingo3Config(**shared)
    return t.MusicFlamingoConfig(
        **shared, audio_bos_token_id=at["<|sound_bos|>"], audio_eos_token_id=at["<|sound_eos|>"]
    )


def extractor(kind: str) -> Any:
    """Mel features at 16 bins; Omni takes 300 s in one window, the others 30."""
    from transformers import WhisperFeatureExtractor

    if kind == "qwen2_5_vl":
        return None
    return WhisperFeatureExtractor(
        feature_size=16, chunk_length=300 if kind == "qwen2_5_omni_thinker" else 30
    )


@functools.cache
def network(kind: str) -> Any:
    """Random weights from a fixed seed, large enough that inputs tell."""
    import transformers

    torch.manual_seed(0)
    model = getattr(transformers, FAMILIES[kind].classes[0])(config(kind)).eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim > 1:
                weights.mul_(4.0)
    return model


def adapter(kind: str, **more: Any) -> LocalModel:
    """The adapter of a family with the small network in it."""
    model = network(kind)
    chat = Chat(FAMILIES[kind], model.config, tokenizer(kind), extractor(kind), **more)
    return LocalModel(model, chat, {"model": f"tiny-{kind}", "revision": "random 0"})


def save(kind: str, folder: Path) -> Path:
    """The same as a folder of `save_pretrained`."""
    network(kind).save_pretrained(folder)
    tokenizer(kind).save_pretrained(folder)
    if (sound := extractor(kind)) is not None:
        sound.save_pretrained(folder)
    return folder

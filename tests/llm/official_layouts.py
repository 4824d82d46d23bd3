"""The names and shapes of published weights of language models, as their authors keep them.

Written down from the dossiers and from their code; sizes are those of the papers, or small ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Layout = dict[str, tuple[int, ...]]
Sizes = dict[str, int]
_EAR = dict(ear=768, ear_taken=512, ear_inner=3072, ear_layers=12, ear_heads=12, ear_groups=16,
            ear_kernel=128, ear_buckets=320)  # fmt: skip
_SMALL_EAR = dict(ear=32, ear_taken=16, ear_inner=64, ear_layers=1, ear_heads=2, ear_groups=2,
                  ear_kernel=4, ear_buckets=32)  # fmt: skip
PUBLISHED: dict[str, Sizes] = {
    "videollama2": dict(
        eye=1152, eye_inner=4304, eye_layers=27, places=729, width=3584, inner=18944, layers=28,
        shared=512, words=152064, depth=4, **_EAR,
    ),
    "vast": dict(
        eye=1408, eye_inner=6144, eye_layers=40, places=257, width=768, inner=3072, layers=12,
        words=30522, positions=512, frames=8, slices=2, **_EAR,
    ),
}  # fmt: skip
SMALL: dict[str, Sizes] = {
    "videollama2": dict(
        eye=32, eye_inner=64, eye_layers=2, places=16, width=32, inner=64, layers=2, shared=16,
        words=400, depth=1, **_SMALL_EAR,
    ),
    "vast": dict(
        eye=32, eye_inner=64, eye_layers=1, places=5, width=32, inner=64, layers=2, words=400,
        positions=80, frames=2, slices=2, **_SMALL_EAR,
    ),
}  # fmt: skip


def conv_norm(prefix: str, inputs: int, outputs: int, kernel: int) -> Layout:
    return {
        f"{prefix}.conv.weight": (outputs, inputs, kernel, kernel),
        f"{prefix}.bn.weight": (outputs,),
        f"{prefix}.bn.bias": (outputs,),
    }


def stage(prefix: str, width: int, out: int, depth: int) -> Layout:
    """RegStage of timm, with one channel to a group."""
    found = {}
    for block in range(1, depth + 1):
        inputs, at = (width if block == 1 else out), f"{prefix}.b{block}"
        squeezed = round(inputs * 0.25)
        found |= conv_norm(f"{at}.conv1", inputs, out, 1) | conv_norm(f"{at}.conv2", 1, out, 3)
        found |= conv_norm(f"{at}.conv3", out, out, 1)
        found |= {f"{at}.se.fc1.weight": (squeezed, out, 1, 1), f"{at}.se.fc1.bias": (squeezed,)}
        found |= {f"{at}.se.fc2.weight": (out, squeezed, 1, 1), f"{at}.se.fc2.bias": (out,)}
        if inputs != out:
            found |= conv_norm(f"{at}.downsample", inputs, out, 1)
    return found


def linear(prefix: str, inputs: int, outputs: int) -> Layout:
    return {f"{prefix}.weight": (outputs, inputs), f"{prefix}.bias": (outputs,)}


def norm(prefix: str, width: int) -> Layout:
    return {f"{prefix}.weight": (width,), f"{prefix}.bias": (width,)}


def beats(prefix: str, s: Sizes) -> Layout:
    """BEATs iter3+ as its authors name it."""
    width, taken = s["ear"], s["ear_taken"]
    found = {"patch_embedding.weight": (taken, 1, 16, 16)}
    found |= linear("post_extract_proj", taken, width)
    found |= norm("layer_norm", taken) | norm("encoder.layer_norm", width)
    found |= {
        "encoder.pos_conv.0.weight_v": (width, width // s["ear_groups"], s["ear_kernel"]),
        "encoder.pos_conv.0.weight_g": (1, 1, s["ear_kernel"]),
        "encoder.pos_conv.0.bias": (width,),
    }
    for layer in range(s["ear_layers"]):
        at = f"encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= linear(f"{at}.self_attn.{name}", width, width)
        found |= linear(f"{at}.self_attn.grep_linear", width // s["ear_heads"], 8)
        found |= {
            f"{at}.self_attn.grep_a": (1, s["ear_heads"], 1, 1),
            f"{at}.self_attn.relative_attention_bias.weight": (s["ear_buckets"], s["ear_heads"]),
        }
        found |= linear(f"{at}.fc1", width, s["ear_inner"])
        found |= linear(f"{at}.fc2", s["ear_inner"], width)
        found |= norm(f"{at}.self_attn_layer_norm", width) | norm(f"{at}.final_layer_norm", width)
    return {f"{prefix}{name}": shape for name, shape in found.items()}


def videollama2(s: Sizes) -> Layout:
    """VideoLLaMA2.1-7B-AV; its parts are LLaVA's, its ear that of BEATs with its classes."""
    eye, out = s["eye"], s["width"]
    found = beats("model.audio_tower.", s) | linear("model.audio_tower.predictor", s["ear"], 527)
    at = "model.mm_projector"
    found |= stage(f"{at}.s1", eye, out, s["depth"]) | stage(f"{at}.s2", out, out, s["depth"])
    found |= {f"{at}.sampler.0.weight": (out, out, 2, 2, 2), f"{at}.sampler.0.bias": (out,)}
    found |= linear(f"{at}.readout.0", out, out) | linear(f"{at}.readout.2", out, out)
    found |= linear("model.mm_projector_a.0", s["ear"], out)
    found |= linear("model.mm_projector_a.2", out, out)
    found |= qwen2(s)
    at = "model.vision_tower.vision_tower.vision_model"
    found |= {
        f"{at}.embeddings.patch_embedding.weight": (eye, 3, 14, 14),
        f"{at}.embeddings.patch_embedding.bias": (eye,),
        f"{at}.embeddings.position_embedding.weight": (s["places"], eye),
        f"{at}.head.probe": (1, 1, eye),
    }
    found |= norm(f"{at}.post_layernorm", eye)
    for layer in range(s["eye_layers"]):
        here = f"{at}.encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= linear(f"{here}.self_attn.{name}", eye, eye)
        found |= linear(f"{here}.mlp.fc1", eye, s["eye_inner"])
        found |= linear(f"{here}.mlp.fc2", s["eye_inner"], eye)
        found |= norm(f"{here}.layer_norm1", eye) | norm(f"{here}.layer_norm2", eye)
    return found


def qwen2(s: Sizes) -> Layout:
    """As transformers names it."""
    width, inner = s["width"], s["inner"]
    found = {
        "model.embed_tokens.weight": (s["words"], width), "lm_head.weight": (s["words"], width),
        "model.norm.weight": (width,),
    }  # fmt: skip
    for layer in range(s["layers"]):
        at = f"model.layers.{layer}"
        found |= linear(f"{at}.self_attn.q_proj", width, width)
        found |= linear(f"{at}.self_attn.k_proj", width, s["shared"])
        found |= linear(f"{at}.self_attn.v_proj", width, s["shared"])
        found |= {
            f"{at}.self_attn.o_proj.weight": (width, width),
            f"{at}.mlp.gate_proj.weight": (inner, width),
            f"{at}.mlp.up_proj.weight": (inner, width),
            f"{at}.mlp.down_proj.weight": (width, inner),
            f"{at}.input_layernorm.weight": (width,),
            f"{at}.post_attention_layernorm.weight": (width,),
        }  # fmt: skip
    return found


def vast(s: Sizes) -> Layout:
    """A checkpoint of VAST: EVA-CLIP, BEATs, BERT, and what retrieval and subtitles add."""
    eye, width = s["eye"], s["width"]
    found = beats("audio_encoder.", s) | linear("hidden_trans_vision_multimodal.0", eye, width)
    found |= linear("hidden_trans_audio_multimodal.0", s["ear"], width)
    found |= norm("hidden_trans_vision_multimodal.1", width)
    found |= norm("hidden_trans_audio_multimodal.1", width)
    found |= linear("hidden_trans_subtitle_multimodal.0", width, width) | {"contra_temp": ()}
    found |= {
        "vision_frame_embedding": (1, s["frames"], width),
        "audio_frame_embedding": (1, s["slices"], width),
        "vision_type_embeddings": (1, 1, width), "audio_type_embeddings": (1, 1, width),
        "subtitle_type_embeddings": (1, 1, width),
    }  # fmt: skip
    at = "vision_encoder.visual"
    found |= {f"{at}.cls_token": (1, 1, eye), f"{at}.pos_embed": (1, s["places"], eye)}
    found |= {f"{at}.patch_embed.proj.weight": (eye, 3, 14, 14)}
    found |= {f"{at}.patch_embed.proj.bias": (eye,)} | norm(f"{at}.norm", eye)
    found |= linear(f"{at}.head", eye, 1024)
    for layer in range(s["eye_layers"]):
        here = f"{at}.blocks.{layer}"
        found |= norm(f"{here}.norm1", eye) | norm(f"{here}.norm2", eye)
        found |= {
            f"{here}.attn.qkv.weight": (3 * eye, eye), f"{here}.attn.q_bias": (eye,),
            f"{here}.attn.v_bias": (eye,),
        }  # fmt: skip
        found |= linear(f"{here}.attn.proj", eye, eye)
        found |= linear(f"{here}.mlp.fc1", eye, s["eye_inner"])
        found |= linear(f"{here}.mlp.fc2", s["eye_inner"], eye)
    return found | bert(s)


def bert(s: Sizes) -> Layout:
    """With cross-attention and the head that guesses words."""
    at, width = "multimodal_encoder.bert", s["width"]
    found = {
        f"{at}.embeddings.word_embeddings.weight": (s["words"], width),
        f"{at}.embeddings.position_embeddings.weight": (s["positions"], width),
        f"{at}.embeddings.token_type_embeddings.weight": (2, width),
        f"{at}.embeddings.position_ids": (1, s["positions"]),
        "multimodal_encoder.cls.predictions.bias": (s["words"],),
        "multimodal_encoder.cls.predictions.decoder.weight": (s["words"], width),
    }
    found |= norm(f"{at}.embeddings.LayerNorm", width)
    found |= linear("multimodal_encoder.cls.predictions.transform.dense", width, width)
    found |= norm("multimodal_encoder.cls.predictions.transform.LayerNorm", width)
    for layer in range(s["layers"]):
        here = f"{at}.encoder.layer.{layer}"
        for kind in ("attention", "crossattention"):
            for name in ("query", "key", "value"):
                found |= linear(f"{here}.{kind}.self.{name}", width, width)
            found |= linear(f"{here}.{kind}.output.dense", width, width)
            found |= norm(f"{here}.{kind}.output.LayerNorm", width)
        found |= linear(f"{here}.intermediate.dense", width, s["inner"])
        found |= linear(f"{here}.output.dense", s["inner"], width)
        found |= norm(f"{here}.output.LayerNorm", width)
    return found


LAYOUTS: dict[str, Callable[[Sizes], Layout]] = {"videollama2": videollama2, "vast": vast}
"""Of every model whose published weights get in."""


TIED = {
    "multimodal_encoder.cls.predictions.decoder.weight": (
        "multimodal_encoder.bert.embeddings.word_embeddings.weight"
    )
}
"""BERT guesses words by the table that it reads them with."""


def official_weights(name: str, seed: int = 0) -> dict[str, Any]:
    """Random tensors under the official names, at the size of `TINY`."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    found = {
        key: torch.zeros(shape, dtype=torch.long)
        if key.endswith("position_ids")
        else torch.randn(shape, generator=draw) * 0.2
        for key, shape in LAYOUTS[name](SMALL[name]).items()
    }
    for key, other in TIED.items():
        if key in found:
            found[key] = found[other].clone()
    return found

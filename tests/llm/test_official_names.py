"""Published weights by their own names, on tensors without content at full size."""

from __future__ import annotations

import pytest
import torch

from llm.own_models import network
from musicavqa.llm.models import build_model, model_file


def conv_norm(prefix, inputs, outputs, kernel):
    return {
        f"{prefix}.conv.weight": (outputs, inputs, kernel, kernel),
        f"{prefix}.bn.weight": (outputs,),
        f"{prefix}.bn.bias": (outputs,),
    }


def stage(prefix, width, out, depth):
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


def linear(prefix, inputs, outputs):
    return {f"{prefix}.weight": (outputs, inputs), f"{prefix}.bias": (outputs,)}


def norm(prefix, width):
    return {f"{prefix}.weight": (width,), f"{prefix}.bias": (width,)}


def beats(prefix, bias=False):
    """BEATs iter3+ as its authors name it."""
    found = {"patch_embedding.weight": (512, 1, 16, 16), **linear("post_extract_proj", 512, 768)}
    found |= norm("layer_norm", 512) | norm("encoder.layer_norm", 768)
    found |= {
        "encoder.pos_conv.0.weight_v": (768, 48, 128), "encoder.pos_conv.0.weight_g": (1, 1, 128),
        "encoder.pos_conv.0.bias": (768,),
    }  # fmt: skip
    for layer in range(12):
        at = f"encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= linear(f"{at}.self_attn.{name}", 768, 768)
        found |= linear(f"{at}.self_attn.grep_linear", 64, 8)
        found |= {
            f"{at}.self_attn.grep_a": (1, 12, 1, 1),
            f"{at}.self_attn.relative_attention_bias.weight": (320, 12),
        }
        found |= linear(f"{at}.fc1", 768, 3072) | linear(f"{at}.fc2", 3072, 768)
        found |= norm(f"{at}.self_attn_layer_norm", 768) | norm(f"{at}.final_layer_norm", 768)
    return {f"{prefix}{name}": shape for name, shape in found.items()}


def videollama2():
    found = beats("model.audio_tower.") | linear("model.audio_tower.predictor", 768, 527)
    at = "model.mm_projector"
    found |= stage(f"{at}.s1", 1152, 3584, 4) | stage(f"{at}.s2", 3584, 3584, 4)
    found |= {f"{at}.sampler.0.weight": (3584, 3584, 2, 2, 2), f"{at}.sampler.0.bias": (3584,)}
    found |= linear(f"{at}.readout.0", 3584, 3584) | linear(f"{at}.readout.2", 3584, 3584)
    found |= linear("model.mm_projector_a.0", 768, 3584)
    found |= linear("model.mm_projector_a.2", 3584, 3584)
    found |= qwen2(3584, 18944, 28, 512, 152064)
    at = "model.vision_tower.vision_tower.vision_model"
    found |= {
        f"{at}.embeddings.patch_embedding.weight": (1152, 3, 14, 14),
        f"{at}.embeddings.patch_embedding.bias": (1152,),
        f"{at}.embeddings.position_embedding.weight": (729, 1152),
        f"{at}.head.probe": (1, 1, 1152),
    }
    found |= norm(f"{at}.post_layernorm", 1152)
    for layer in range(27):
        here = f"{at}.encoder.layers.{layer}"
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            found |= linear(f"{here}.self_attn.{name}", 1152, 1152)
        found |= linear(f"{here}.mlp.fc1", 1152, 4304) | linear(f"{here}.mlp.fc2", 4304, 1152)
        found |= norm(f"{here}.layer_norm1", 1152) | norm(f"{here}.layer_norm2", 1152)
    return found


def qwen2(width, inner, layers, shared, words):
    found = {
        "model.embed_tokens.weight": (words, width), "lm_head.weight": (words, width),
        "model.norm.weight": (width,),
    }  # fmt: skip
    for layer in range(layers):
        at = f"model.layers.{layer}"
        found |= linear(f"{at}.self_attn.q_proj", width, width)
        found |= linear(f"{at}.self_attn.k_proj", width, shared)
        found |= linear(f"{at}.self_attn.v_proj", width, shared)
        found |= {
            f"{at}.self_attn.o_proj.weight": (width, width),
            f"{at}.mlp.gate_proj.weight": (inner, width),
            f"{at}.mlp.up_proj.weight": (inner, width),
            f"{at}.mlp.down_proj.weight": (width, inner),
            f"{at}.input_layernorm.weight": (width,),
            f"{at}.post_attention_layernorm.weight": (width,),
        }  # fmt: skip
    return found


def vast():
    found = beats("audio_encoder.") | linear("hidden_trans_vision_multimodal.0", 1408, 768)
    found |= linear("hidden_trans_audio_multimodal.0", 768, 768)
    found |= norm("hidden_trans_vision_multimodal.1", 768)
    found |= norm("hidden_trans_audio_multimodal.1", 768)
    found |= linear("hidden_trans_subtitle_multimodal.0", 768, 768) | {"contra_temp": ()}
    found |= {
        "vision_frame_embedding": (1, 8, 768), "audio_frame_embedding": (1, 2, 768),
        "vision_type_embeddings": (1, 1, 768), "audio_type_embeddings": (1, 1, 768),
        "subtitle_type_embeddings": (1, 1, 768),
    }  # fmt: skip
    at = "vision_encoder.visual"
    found |= {f"{at}.cls_token": (1, 1, 1408), f"{at}.pos_embed": (1, 257, 1408)}
    found |= {f"{at}.patch_embed.proj.weight": (1408, 3, 14, 14)}
    found |= {f"{at}.patch_embed.proj.bias": (1408,)} | norm(f"{at}.norm", 1408)
    found |= linear(f"{at}.head", 1408, 1024)
    for layer in range(40):
        here = f"{at}.blocks.{layer}"
        found |= norm(f"{here}.norm1", 1408) | norm(f"{here}.norm2", 1408)
        found |= {
            f"{here}.attn.qkv.weight": (3 * 1408, 1408), f"{here}.attn.q_bias": (1408,),
            f"{here}.attn.v_bias": (1408,),
        }  # fmt: skip
        found |= linear(f"{here}.attn.proj", 1408, 1408)
        found |= linear(f"{here}.mlp.fc1", 1408, 6144) | linear(f"{here}.mlp.fc2", 6144, 1408)
    return found | bert()


def bert():
    at, words = "multimodal_encoder.bert", 30522
    found = {
        f"{at}.embeddings.word_embeddings.weight": (words, 768),
        f"{at}.embeddings.position_embeddings.weight": (512, 768),
        f"{at}.embeddings.token_type_embeddings.weight": (2, 768),
        f"{at}.embeddings.position_ids": (1, 512),
        "multimodal_encoder.cls.predictions.bias": (words,),
        "multimodal_encoder.cls.predictions.decoder.weight": (words, 768),
    }
    found |= norm(f"{at}.embeddings.LayerNorm", 768)
    found |= linear("multimodal_encoder.cls.predictions.transform.dense", 768, 768)
    found |= norm("multimodal_encoder.cls.predictions.transform.LayerNorm", 768)
    for layer in range(12):
        here = f"{at}.encoder.layer.{layer}"
        for kind in ("attention", "crossattention"):
            for name in ("query", "key", "value"):
                found |= linear(f"{here}.{kind}.self.{name}", 768, 768)
            found |= linear(f"{here}.{kind}.output.dense", 768, 768)
            found |= norm(f"{here}.{kind}.output.LayerNorm", 768)
        found |= linear(f"{here}.intermediate.dense", 768, 3072)
        found |= linear(f"{here}.output.dense", 3072, 768)
        found |= norm(f"{here}.output.LayerNorm", 768)
    return found


@pytest.mark.parametrize(("name", "official"), [("videollama2", videollama2), ("vast", vast)])
def test_official_names_and_shapes_are_ours_at_full_size(name, official):
    with torch.device("meta"):
        given = {key: torch.empty(shape) for key, shape in official().items()}
        model = build_model(name)
        ours = {key: tuple(x.shape) for key, x in model_file(name).convert(given).items()}
    assert ours == {key: tuple(x.shape) for key, x in model.state_dict().items()}


def test_keys_of_eva_have_no_bias_and_queries_and_values_keep_theirs():
    prefix = "vision_encoder.visual.blocks.0.attn."
    given = {f"{prefix}q_bias": torch.ones(4), f"{prefix}v_bias": torch.full((4,), 3.0)}
    given |= {"audio_encoder.encoder.pos_conv.0.weight_v": torch.ones(2, 2, 2)}
    given |= {"audio_encoder.encoder.pos_conv.0.weight_g": torch.ones(1, 1, 2)}
    ours = model_file("vast").convert(given)
    bias = ours["eye.encoder.layers.0.self_attn.qkv.bias"]
    assert bias.tolist() == [1.0] * 4 + [0.0] * 4 + [3.0] * 4


def test_qwen2_keeps_its_names():
    model = network("videollama2")
    given = {
        k.removeprefix("language."): x for k, x in model.state_dict().items() if "language" in k
    }
    given |= {"model.audio_tower.encoder.pos_conv.0.weight_v": torch.ones(2, 2, 2)}
    given |= {"model.audio_tower.encoder.pos_conv.0.weight_g": torch.ones(1, 1, 2)}
    ours = model_file("videollama2").convert(given)
    assert {k for k in ours if k.startswith("language.")} == {
        k for k in model.state_dict() if k.startswith("language.")
    }

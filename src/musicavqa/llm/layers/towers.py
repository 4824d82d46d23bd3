"""Networks of transformers by a short name and their sizes; always with random weights.

Weights are loaded into the whole model afterwards, so nothing is ever fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from musicavqa.features.encoders.beats import BEATs, Sizes

NETWORKS = {
    "clip": ("CLIPVisionConfig", "CLIPVisionModel"),
    "siglip": ("SiglipVisionConfig", "SiglipVisionModel"),
    "eva": ("Blip2VisionConfig", "Blip2VisionModel"),
    "internvit": ("InternVLVisionConfig", "InternVLVisionModel"),
    "ast": ("ASTConfig", "ASTModel"),
    "htsat": ("ClapAudioConfig", "ClapAudioModel"),
    "qformer": ("Blip2QFormerConfig", "Blip2QFormerModel"),
    "bert": ("BertConfig", "BertLMHeadModel"),
    "llama": ("LlamaConfig", "LlamaForCausalLM"),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM"),
    "opt": ("OPTConfig", "OPTForCausalLM"),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM"),
}
"""Our name -> classes of transformers. `eva` is ViT-g of EVA-CLIP as BLIP-2 has it, `internvit`
InternViT as InternVL has it, `htsat` the audio tower of CLAP."""

BEATS = {
    "input_patch_size": 16, "embed_dim": 512, "encoder_layers": 12, "encoder_embed_dim": 768,
    "encoder_ffn_embed_dim": 3072, "encoder_attention_heads": 12, "conv_pos": 128,
    "conv_pos_groups": 16, "num_buckets": 320, "max_distance": 800, "deep_norm": True,
}  # fmt: skip
"""Sizes of the published BEATs."""


def build(kind: str, sizes: Mapping[str, Any]) -> Any:
    """The network of this kind; ImportError says what to install."""
    try:
        import transformers
    except ImportError as error:
        raise ImportError("This needs transformers: pip install 'musicavqa[encoders]'") from error
    config, network = (getattr(transformers, name) for name in NETWORKS[kind])
    return network(config(**sizes))


def beats(sizes: Mapping[str, Any]) -> BEATs:
    """BEATs: (B, frames, bands) -> (B, tokens, D)."""
    return BEATs(Sizes(**sizes))


def each(tower: nn.Module, pictures: Tensor, layer: int = -1) -> Tensor:
    """Tokens (B, T, N, D) of pictures (B, T, 3, H, W), each looked at alone.

    `layer` -1 is the tower's last, -2 that before, as transformers counts hidden states.
    """
    flat = pictures.flatten(0, 1)
    if layer == -1:
        seen = tower(flat).last_hidden_state
    else:
        seen = tower(flat, output_hidden_states=True).hidden_states[layer]
    return seen.unflatten(0, pictures.shape[:2])


def two_layers(width: int, out: int) -> nn.Sequential:
    """Linear, GELU, linear: the usual bridge between a tower and a language model."""
    return nn.Sequential(nn.Linear(width, out), nn.GELU(), nn.Linear(out, out))

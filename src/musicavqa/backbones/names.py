"""Official names of towers' tensors -> those of the networks here."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_RECKONED = re.compile(r"\.(relative_position_index|relative_coords_table|attn_mask|k_bias)$")
"""Tables that follow from sizes, and a bias of zeros."""
_SWIN = (
    (r"^patch_embed\.proj\.", "embeddings.patch_embeddings.projection."),
    (r"^patch_embed\.norm\.", "embeddings.norm."),
    (r"^layers\.", "encoder.layers."),
    (r"^norm\.", "layernorm."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.cpb_mlp\.", ".attention.self.continuous_position_bias_mlp."),
    (r"\.attn\.logit_scale$", ".attention.self.logit_scale"),
    (r"\.attn\.q_bias$", ".attention.self.query.bias"),
    (r"\.attn\.v_bias$", ".attention.self.value.bias"),
)
_PARTS = ("query", "key", "value")


def official_swin(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """timm's Swin-V2 (0.6), whose names begin with `prefix`, under transformers' names.

    Other tensors stay as they are.
    """
    named: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if not key.startswith(prefix):
            named[key] = tensor
        elif not _RECKONED.search(key):
            inside = key[len(prefix) :]
            if inside.endswith(".attn.qkv.weight"):
                block = inside.removesuffix(".attn.qkv.weight")
                parts = zip(_PARTS, tensor.chunk(3), strict=True)
                places = {f"{block}.attention.self.{part}.weight": piece for part, piece in parts}
            else:
                places = {inside: tensor}
            for name, value in places.items():
                for theirs, ours in _SWIN:
                    name = re.sub(theirs, ours, name)
                named[prefix + name] = value
    return named


# Front end as layers, classifier, masks that follow from the window's size.
_HTSAT_UNUSED = re.compile(
    r"^(spectrogram_extractor|logmel_extractor|tscam_conv|head)\.|\.attn_mask$"
)
_INDEX = ".relative_position_index"
_HTSAT = (
    (r"^bn0\.", "batch_norm."),
    (r"\.norm1\.", ".layernorm_before."),
    (r"\.norm2\.", ".layernorm_after."),
    (r"\.mlp\.fc1\.", ".intermediate.dense."),
    (r"\.mlp\.fc2\.", ".output.dense."),
    (r"\.attn\.proj\.", ".attention.output.dense."),
    (r"\.attn\.(relative_position_(bias_table|index))$", r".attention.self.\1"),
)


def htsat_names(official: Mapping[str, Tensor], index: bool = False) -> dict[str, Tensor]:
    """The original HTS-AT under transformers' names; query, key and value part.

    `index` keeps the tables of places within a window, which are reckoned, not learnt.
    """
    ours: dict[str, Tensor] = {}
    for key, tensor in official.items():
        if _HTSAT_UNUSED.search(key) or (key.endswith(_INDEX) and not index):
            continue
        if ".attn.qkv." in key:
            for part, piece in zip(_PARTS, tensor.chunk(3), strict=True):
                ours[key.replace(".attn.qkv.", f".attention.self.{part}.")] = piece
            continue
        for pattern, name in _HTSAT:
            key = re.sub(pattern, name, key)
        ours[key] = tensor
    return ours


def official_htsat(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The original HTS-AT, whose names begin with `prefix`; other tensors stay as they are."""
    inside = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    named = {f"{prefix}{key}": tensor for key, tensor in htsat_names(inside, index=True).items()}
    return {k: v for k, v in state.items() if not k.startswith(prefix)} | named

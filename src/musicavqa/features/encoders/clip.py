"""CLIP: pictures and sentences in one space, from OpenAI's or transformers' weight files.

Radford et al. 2021. Both towers are built from the shapes in the file; a head is 64 wide, as in all
official sizes, unless config.json says otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from musicavqa.backbones.transformer import PictureTower, Sizes, TextTower
from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into, read_state
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import CLIP, PictureEncoder, asked, fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.files import read_json

HEAD_WIDTH = 64
TEXT_BATCH = 64

# Official names -> ours, applied in this order; ours begin with 'picture.' or 'text.'.
OPENAI_NAMES = (
    (r"^visual\.proj$", "picture.projection.weight"),
    (r"^visual\.class_embedding$", "picture.tower.cls_token"),
    (r"^visual\.positional_embedding$", "picture.tower.pos_embed"),
    (r"^visual\.conv1\.", "picture.tower.patch_embed.proj."),
    (r"^visual\.ln_pre\.", "picture.tower.norm_pre."),
    (r"^visual\.ln_post\.", "picture.tower.norm."),
    (r"^visual\.transformer\.resblocks\.", "picture.tower.blocks."),
    (r"^text_projection$", "text.projection.weight"),
    (r"^token_embedding\.", "text.tower.token_embedding."),
    (r"^positional_embedding$", "text.tower.pos_embed"),
    (r"^ln_final\.", "text.tower.norm."),
    (r"^transformer\.resblocks\.", "text.tower.blocks."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.attn\.in_proj_", ".attn.qkv."),
    (r"\.attn\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.c_fc\.", ".mlp.fc1."),
    (r"\.mlp\.c_proj\.", ".mlp.fc2."),
)
TRANSFORMERS_NAMES = (
    (r"^visual_projection\.", "picture.projection."),
    (r"^text_projection\.", "text.projection."),
    (r"^vision_model\.", "picture.tower."),
    (r"^text_model\.", "text.tower."),
    (r"\.embeddings\.class_embedding$", ".cls_token"),
    (r"\.embeddings\.position_embedding\.weight$", ".pos_embed"),
    (r"\.embeddings\.patch_embedding\.", ".patch_embed.proj."),
    (r"\.embeddings\.token_embedding\.", ".token_embedding."),
    (r"\.pre_layrnorm\.", ".norm_pre."),
    (r"\.(post_layernorm|final_layer_norm)\.", ".norm."),
    (r"\.encoder\.layers\.", ".blocks."),
    (r"\.layer_norm([12])\.", r".norm\1."),
    (r"\.self_attn\.out_proj\.", ".attn.proj."),
    (r"\.self_attn\.([qkv])_proj\.", r".attn.\1."),
)
# The temperature of the contrast, sizes that OpenAI's archive keeps as tensors, place numbers.
UNUSED = re.compile(r"^(logit_scale|input_resolution|context_length|vocab_size)$|\.position_ids$")


class Projected(nn.Module):
    """A tower and the linear map into the common space."""

    def __init__(self, tower: nn.Module, width: int, out: int) -> None:
        super().__init__()
        self.tower = tower
        self.projection = nn.Linear(width, out, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Every token in the common space (B, N, out)."""
        return self.projection(self.tower(inputs))


def picture_encoder(spec: Spec, device: str, *, patches: bool) -> PictureEncoder:
    """The picture tower behind `spec`: all tokens, class token first, or only the class token."""
    path = weight_file(spec.weights[0])
    network = frozen(load_tower(path, "picture"), device)
    tower = network.tower
    n_tokens, out = tower.pos_embed.shape[1], network.projection.out_features
    side = tower.patch_embed.proj.kernel_size[0] * math.isqrt(n_tokens - 1)
    if (side, side) != asked(spec).size:
        raise WeightError(f"{path.name} looks at {side} pixels, {spec.name} reads {asked(spec)}.")
    fits(spec, (n_tokens, out) if patches else (out,), path)
    if patches:
        return PictureEncoder(spec, network, CLIP, device)
    return PictureEncoder(
        spec, lambda pixels: network.projection(tower(pixels)[:, 0]), CLIP, device
    )


def load_tower(path: Path, sense: str) -> Projected:
    """'picture' or 'text', from any of the official layouts."""
    config = _config(path)
    ours = our_names(read_state(path))
    state = {
        key.removeprefix(f"{sense}."): tensor
        for key, tensor in ours.items()
        if not key.startswith("text." if sense == "picture" else "picture.")
    }
    try:
        build = _build_picture if sense == "picture" else _build_text
        network = build(state, config)
    except KeyError as error:
        raise WeightError(f"{path.name} is no CLIP that we know: it lacks {error}.") from error
    load_into(network, state, path)
    return network


def our_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official tensors under our names, in our shapes; what is not used by design is left out."""
    openai = "visual.proj" in state
    names = OPENAI_NAMES if openai else TRANSFORMERS_NAMES
    ours: dict[str, Tensor] = {}
    for key, tensor in state.items():
        if UNUSED.search(key):
            continue
        for pattern, name in names:
            key = re.sub(pattern, name, key)
        if openai and key.endswith(".projection.weight"):
            tensor = tensor.T  # OpenAI multiplies from the right
        ours[key] = tensor
    return _joined(_with_batch_axis(ours))


def _with_batch_axis(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    tower = "picture.tower."
    for name, n_axes in (("cls_token", 2), ("pos_embed", 1)):
        if (key := tower + name) in ours:
            ours[key] = ours[key][(None,) * n_axes]
    return ours


def _joined(ours: dict[str, Tensor]) -> dict[str, Tensor]:
    """Query, key and value one below the other, as OpenAI keeps them."""
    for key in [key for key in ours if ".attn.q." in key]:
        parts = [key.replace(".attn.q.", f".attn.{part}.") for part in "qkv"]
        if all(part in ours for part in parts):
            joined = key.replace(".attn.q.", ".attn.qkv.")
            ours[joined] = torch.cat([ours.pop(part) for part in parts])
    return ours


def _build_picture(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Projected:
    sizes = _sizes(state, config.get("vision_config", {}))
    tower = PictureTower(
        sizes,
        state["tower.patch_embed.proj.weight"].shape[-1],
        state["tower.pos_embed"].shape[1],
        norm_first=True,
        bias=False,
    )
    return Projected(tower, sizes.width, len(state["projection.weight"]))


def _build_text(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Projected:
    sizes = _sizes(state, config.get("text_config", {}))
    tower = TextTower(
        sizes,
        len(state["tower.token_embedding.weight"]),
        len(state["tower.pos_embed"]),
    )
    return Projected(tower, sizes.width, len(state["projection.weight"]))


def _sizes(state: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sizes:
    width = state["tower.pos_embed"].shape[-1]
    activation = config.get("hidden_act", "quick_gelu")
    if activation not in ("quick_gelu", "gelu"):
        raise WeightError(f"config.json asks for {activation!r}; CLIP has quick_gelu or gelu.")
    return Sizes(
        width,
        len({key.split(".")[2] for key in state if key.startswith("tower.blocks.")}),
        config.get("num_attention_heads", max(1, width // HEAD_WIDTH)),
        len(state["tower.blocks.0.mlp.fc1.bias"]),
        quick=activation == "quick_gelu",
    )


def _config(path: Path) -> dict[str, Any]:
    """config.json beside the weights; OpenAI's archives need none."""
    beside = path.parent / "config.json"
    return read_json(beside) if beside.is_file() else {}


class TextEncoder:
    """The text tower: sentences, or words in their sentence.

    A text is cut to 77 pieces, with the marks of begin and end, and filled up with piece 0, which
    is what OpenAI's tokeniser does and what published models were trained on.
    """

    def __init__(self, spec: Spec, device: str = "cpu", *, words: bool) -> None:
        from tokenizers import Tokenizer

        path = weight_file(spec.weights[0])
        beside = path.parent / "tokenizer.json"
        if not beside.is_file():
            raise WeightError(
                f"{spec.name} needs tokenizer.json beside {path.name}: put both into one folder "
                f"and run `musicavqa doctor --add {spec.weights[0]}=FOLDER`."
            )
        self.spec, self.words, self.device = spec, words, device
        self.network = frozen(load_tower(path, "text"), device)
        self.longest = len(self.network.tower.pos_embed)
        out = self.network.projection.out_features
        fits(spec, (self.longest, out) if words else (out,), path)
        self.tokenizer = Tokenizer.from_file(str(beside))
        self.tokenizer.enable_truncation(self.longest)
        self.tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 512 or 768) float32 of the end marks, not normalised; or (n, 77, ...) of all pieces.

        The states behind the end are those of the filling, which the published word streams keep.
        """
        starts = range(0, len(texts), TEXT_BATCH)
        blocks = [self._embed(texts[start : start + TEXT_BATCH]) for start in starts]
        return np.concatenate([np.zeros((0, *self.spec.shape), np.float32), *blocks])

    @torch.inference_mode()
    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        found = [encoding.ids for encoding in self.tokenizer.encode_batch(list(texts))]
        pieces = torch.zeros((len(found), self.longest), dtype=torch.long)
        for row, ids in zip(pieces, found, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        states = self.network(pieces.to(self.device))  # (n, 77, out)
        if not self.words:
            states = states[torch.arange(len(found)), [len(ids) - 1 for ids in found]]
        return states.cpu().numpy()

"""ImageBind: pictures, sound and sentences in one space, each through its own transformer.

Girdhar et al. 2023, ImageBind: One Embedding Space To Bind Them All. The official file
(imagebind_huge.pth) holds six senses; three are read here. Sizes are those of the file. Rows are
brought to length one: a dot product is a cosine. The official program further multiplies those of
sound by 20 and those of sentences by the file's temperature; `Sense.temperature` keeps it.

From the behaviour of the official code: sound has a key and a value of its own in each attention
(bias_k, bias_v), pictures a norm before the first block, a still is shown twice; GELU is exact.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into, read_state

EPS = 1e-6
HEAD_WIDTH = {"vision": 80, "audio": 64, "text": 64}  # of imagebind_huge; no shape tells it
STRIDE = 10  # of sound's patches, in frames and in bands
ALWAYS_ON_TOP = re.compile(r"^modality_postprocessors\.|\.mask$")


class Block(nn.Module):
    """Attention and feed-forward, each behind its norm and added to what came in."""

    def __init__(self, width: int, hidden: int, heads: int, own_key: bool) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads, add_bias_kv=own_key, batch_first=True)
        self.norm_1 = nn.LayerNorm(width, EPS)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.norm_2 = nn.LayerNorm(width, EPS)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        heard = self.norm_1(x)
        x = x + self.attn(heard, heard, heard, need_weights=False, attn_mask=mask)[0]
        return x + self.mlp["fc2"](functional.gelu(self.mlp["fc1"](self.norm_2(x))))


class Sense(nn.Module):
    """One sense: how it becomes tokens is left to the three below."""

    def __init__(self, state: Mapping[str, Tensor], sense: str) -> None:
        super().__init__()
        blocks = [key for key in state if key.endswith(".mlp.fc1.weight")]
        hidden, width = state[blocks[0]].shape
        heads = max(1, width // HEAD_WIDTH[sense])
        own_key = "blocks.0.attn.bias_k" in state
        self.first_norm = nn.LayerNorm(width, EPS) if sense == "vision" else nn.Identity()
        self.blocks = nn.ModuleList(Block(width, hidden, heads, own_key) for _ in blocks)
        self.norm = nn.LayerNorm(width, EPS)
        self.project = nn.Linear(width, len(state["project.weight"]), bias=False)
        self.temperature = 1.0

    def walk(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Tokens (B, N, D) through all blocks."""
        x = self.first_norm(x)
        for block in self.blocks:
            x = block(x, mask)
        return x

    def place(self, token: Tensor) -> Tensor:
        """One token each (B, D) in the common space, of length one (B, out)."""
        return functional.normalize(self.project(self.norm(token)), dim=-1)


class Patched(Sense):
    """Pictures or spectra: patches behind a token of their own, with learnt places."""

    def __init__(self, state: Mapping[str, Tensor], sense: str) -> None:
        super().__init__(state, sense)
        width, *patch = state["stem.weight"].shape
        kernel = tuple(patch[1:])
        stem = nn.Conv3d if len(kernel) == 3 else nn.Conv2d
        stride = kernel if len(kernel) == 3 else STRIDE
        self.stem = stem(patch[0], width, kernel, stride, bias=False)
        self.stem_norm = nn.LayerNorm(width) if "stem_norm.weight" in state else nn.Identity()
        self.cls_token = nn.Parameter(torch.zeros(state["cls_token"].shape))
        self.places = nn.Parameter(torch.zeros(state["places"].shape))

    def forward(self, inputs: Tensor) -> Tensor:
        """Pictures (B, 3, H, W), or spectra (B, 1, bands, frames) -> (B, out)."""
        if isinstance(self.stem, nn.Conv3d):  # a still is shown as often as the patch is long
            inputs = inputs[:, :, None].expand(-1, -1, self.stem.kernel_size[0], -1, -1)
        patches = self.stem_norm(self.stem(inputs).flatten(2).transpose(1, 2))
        x = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], dim=1)
        return self.place(self.walk(x + self.places)[:, 0])


class Sentences(Sense):
    """Word pieces, read from left to right; the end mark speaks for the sentence."""

    def __init__(self, state: Mapping[str, Tensor], sense: str) -> None:
        super().__init__(state, sense)
        self.pieces = nn.Embedding(*state["pieces.weight"].shape)
        self.places = nn.Parameter(torch.zeros(state["places"].shape))

    def forward(self, pieces: Tensor) -> Tensor:
        """Ids (B, W) -> (B, out). The end mark has the highest id of all."""
        n = pieces.shape[1]
        later = torch.ones(n, n, dtype=torch.bool, device=pieces.device).triu(1)
        x = self.walk(self.pieces(pieces) + self.places[:, :n], later)
        return self.place(x[torch.arange(len(x)), pieces.argmax(dim=1)])


# Official name without its sense -> ours.
NAMES = (
    (r"^modality_trunks\.pre_transformer_layer\.0\.", "first_norm."),
    (r"^modality_trunks\.blocks\.", "blocks."),
    (r"^modality_heads\.(0|proj\.0)\.", "norm."),
    (r"^modality_heads\.(2|proj\.1)\.", "project."),
    (r"^modality_preprocessors\.rgbt_stem\.proj\.(1\.)?", "stem."),
    (r"^modality_preprocessors\.rgbt_stem\.norm_layer\.", "stem_norm."),
    (r"^modality_preprocessors\.pos_embedding_helper\.pos_embed$", "places"),
    (r"^modality_preprocessors\.cls_token$", "cls_token"),
    (r"^modality_preprocessors\.token_embedding\.", "pieces."),
    (r"^modality_preprocessors\.pos_embed$", "places"),
)


def our_names(official: Mapping[str, Tensor], sense: str) -> dict[str, Tensor]:
    """The tensors of one sense under our names; what is reckoned or only scales is left out."""
    ours = {}
    for key, tensor in official.items():
        room, _, rest = key.partition(".")
        if not rest.startswith(f"{sense}.") or ALWAYS_ON_TOP.search(key):
            continue
        name = f"{room}.{rest.removeprefix(f'{sense}.')}"
        for pattern, replacement in NAMES:
            name = re.sub(pattern, replacement, name)
        ours[name] = tensor
    return ours


def load_sense(path: Path, sense: str) -> Patched | Sentences:
    """'vision', 'audio' or 'text' of the official file."""
    official = read_state(path)
    state = our_names(official, sense)
    try:
        network = (Sentences if sense == "text" else Patched)(state, sense)
    except (KeyError, IndexError) as error:
        raise WeightError(
            f"{path.name} has no {sense} of ImageBind: {error} is missing."
        ) from error
    load_into(network, state, path)
    scale = official.get(f"modality_postprocessors.{sense}.1.log_logit_scale")
    network.temperature = 1.0 if scale is None else float(scale.exp().clamp(max=100.0))
    return network

"""Swin V2 from transformers: the last map of a picture, by name of the official weights.

Liu et al. 2022, Swin Transformer V2. The folder's config.json says the size; the network is
transformers' own (extra `encoders`).
"""

from __future__ import annotations

import re
from pathlib import Path

from torch import Tensor, nn

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import (
    config_beside,
    load_into,
    read_state,
    transformers,
)
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import IMAGENET, PictureEncoder, asked, fits, frozen
from musicavqa.features.encoders.weights import weight_file

HEAD = ("classifier.",)
RECKONED = re.compile(r"\.(relative_position_index|relative_coords_table)$")
"""Tables that follow from the window's size; older files carry them."""


class LastMap(nn.Module):
    """The normalised tokens of the last stage, back in their places: (B, D, H / 32, W / 32)."""

    def __init__(self, swinv2: nn.Module) -> None:
        super().__init__()
        self.swinv2 = swinv2

    def forward(self, pictures: Tensor) -> Tensor:
        tokens = self.swinv2(pictures).last_hidden_state  # (B, H/32 W/32, D), row by row
        return tokens.transpose(1, 2).unflatten(2, (pictures.shape[2] // 32, -1))


def map_encoder(spec: Spec, device: str) -> PictureEncoder:
    """The encoder behind `spec`."""
    path = weight_file(spec.weights[0])
    network = load_swin(path)
    config = network.swinv2.config
    height, width = asked(spec).size
    fits(spec, (network.swinv2.num_features, height // 32, width // 32), path)
    if config.image_size != height:
        raise WeightError(f"{path.name} looks at {config.image_size} pixels, not at {height}.")
    return PictureEncoder(spec, frozen(network, device), IMAGENET, device)


def load_swin(path: Path) -> LastMap:
    """The network from a folder in transformers' layout, with or without a classifier."""
    library = transformers()
    config = library.Swinv2Config.from_dict(config_beside(path))
    network = LastMap(library.Swinv2Model(config, add_pooling_layer=False))
    state = {key: v for key, v in read_state(path).items() if not RECKONED.search(key)}
    if not any(key.startswith("swinv2.") for key in state):  # saved without its head
        state = {f"swinv2.{key}": v for key, v in state.items()}
    load_into(network, state, path, HEAD)
    return network

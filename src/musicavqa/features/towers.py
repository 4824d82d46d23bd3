"""Official weights for the encoders inside a method, from the same supply as those of streams.

A method that reaches into its backbones (`musicavqa.backbones`) says in `Model.weights` which part
of it has which official weights; training hands them over before the first step. A checkpoint holds
them, so answering needs no supply.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from musicavqa.features.encoders.audio_ast import load_ast
from musicavqa.features.encoders.clip import load_tower
from musicavqa.features.encoders.htsat import load_htsat
from musicavqa.features.encoders.swin import load_swin
from musicavqa.features.encoders.weights import weight_file

NETWORKS: dict[str, Callable[[Path], Any]] = {
    "swin_v2_l": lambda path: load_swin(path).swinv2,
    "swin_v2_t": lambda path: load_swin(path).swinv2,
    "htsat": lambda path: load_htsat(path).encoder,
    "ast": load_ast,
    "clip_l14": lambda path: load_tower(path, "picture").tower,
}
"""Name of official weights -> their network, as the encoders load it."""


def supply(model: nn.Module) -> None:
    """Fill the parts of `model.weights` (part -> name); a model without it is left alone.

    WeightError where weights are not here (with the command that gets them) or do not fit.
    """
    for part, name in getattr(model, "weights", {}).items():
        found = NETWORKS[name](weight_file(name))
        model.get_submodule(part).load_state_dict(found.state_dict())

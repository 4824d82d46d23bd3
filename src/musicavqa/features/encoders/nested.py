"""Read weight files that hold more than tensors, still without running any code of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from musicavqa.features.encoders.cache import WeightError


def read_nested(path: Path) -> dict[str, Any]:
    """The mapping of a torch.save file: tensors, numbers, texts, lists and mappings only."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle, zip and torch each have their own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightError(f"{path} cannot be read as weights ({reason}).") from error
    if not isinstance(loaded, Mapping):
        raise WeightError(f"{path} holds a {type(loaded).__name__}, not a mapping.")
    return dict(loaded)


def tensors_of(loaded: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """The state dict in a training checkpoint (`state_dict` or `model`), or the mapping itself."""
    for name in ("state_dict", "model"):
        if isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
            break
    state = {key: value for key, value in loaded.items() if isinstance(value, Tensor)}
    if not state:
        raise WeightError(f"{path.name} holds no tensors.")
    return state

"""Read weight files that hold more than tensors, still without running any code of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from musicavqa.features.encoders.cache import WeightError
from musicavqa.tensor_files import TensorFileError, read_torch_file


def read_nested(path: Path) -> dict[str, Any]:
    """The mapping of a torch.save file: tensors, numbers, texts, lists and mappings only."""
    try:
        loaded = read_torch_file(path)
    except (TensorFileError, FileNotFoundError) as error:
        raise WeightError(str(error)) from error
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

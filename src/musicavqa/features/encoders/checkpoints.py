"""Read official weight files safely, and put them into a network without losing a tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from musicavqa.features.encoders.cache import WeightError
from musicavqa.files import read_json
from musicavqa.tensor_files import (
    TensorFileError,
    read_safetensors,
    read_torch_file,
    tensors_by_name,
)

NAMED = 8  # keys that a message lists


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by name, on the CPU.

    .safetensors, or a file of torch.save (.pth, .pt, .bin) that holds nothing but tensors, or a
    TorchScript archive (OpenAI's .pt), of which the tensors are read and no code is run.
    WeightError for anything else.
    """
    try:
        if path.suffix == ".safetensors":
            return read_safetensors(path)[0]
        return tensors_by_name(read_torch_file(path), path)
    except (TensorFileError, FileNotFoundError) as error:
        raise WeightError(str(error)) from error


def load_into(
    network: nn.Module, state: Mapping[str, Tensor], path: Path, ignored: Sequence[str] = ()
) -> None:
    """Load every tensor; keys that begin like one of `ignored` are left out on purpose.

    WeightError names keys that are unknown, missing or of another shape.
    """
    ours = network.state_dict()
    given = {key: v for key, v in state.items() if not key.startswith(tuple(ignored))}
    faults = {
        "unknown": sorted(given.keys() - ours.keys()),
        "missing": sorted(ours.keys() - given.keys()),
        "of another shape": sorted(
            key for key in given.keys() & ours.keys() if given[key].shape != ours[key].shape
        ),
    }
    if any(faults.values()):
        told = [f"{what}: {_few(keys)}" for what, keys in faults.items() if keys]
        raise WeightError(f"{path.name} does not fit {type(network).__name__}: {'; '.join(told)}.")
    network.load_state_dict({key: v.to(ours[key].dtype) for key, v in given.items()})


def _few(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
    return ", ".join(keys[:NAMED]) + more


def transformers() -> Any:
    """The package of that name; ImportError says what to install."""
    try:
        import transformers as library
    except ImportError as error:
        raise ImportError("This needs transformers: pip install 'musicavqa[encoders]'") from error
    return library


def config_beside(path: Path) -> dict[str, Any]:
    """config.json of a folder in transformers' layout, in which `path` holds the weights."""
    beside = path.parent / "config.json"
    if not beside.is_file():
        raise WeightError(f"{path.name} needs config.json beside it; add the folder of both.")
    return read_json(beside)

"""Read files of tensors without running what they hold: safetensors, torch.save, TorchScript.

Every reader here gives tensors on the CPU or raises TensorFileError with one line; damaged files
never give anything else, and no file takes more memory than it is large.
"""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class TensorFileError(ValueError):
    """A file of tensors that is damaged, or holds what is not read."""


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors by name and the texts of the header; FileNotFoundError, TensorFileError."""
    from safetensors import safe_open

    _must_exist(path)
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except Exception as error:  # the reader's own kind, and whatever torch stumbles over
        raise _damaged(path, error) from error


def read_torch_file(path: Path) -> Any:
    """What torch.save wrote: tensors, numbers, texts, lists and mappings of them, and no code.

    Of a TorchScript archive the tensors by name: its pickle is read by a reader that knows tensors
    only, and its code is not looked at. (torch.load itself would run it in some versions.)
    """
    _must_exist(path)
    try:
        if _is_torchscript(path):
            return _script_tensors(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_numpy_values()):
            warnings.simplefilter("ignore", UserWarning)  # guesses about pickle protocols
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        why = " ".join(str(error).rpartition("WeightsUnpickler error:")[2].split())[:60]
        raise TensorFileError(
            f"{path} holds more than tensors, or is no PyTorch file ({why}); only weights "
            "are read. Save model.state_dict() where its own code runs."
        ) from error
    except Exception as error:  # damaged files raise whatever the reader stumbles over
        raise _damaged(path, error) from error


def tensors_by_name(held: Any, path: Path) -> dict[str, Tensor]:
    """`held` if it is a mapping of names to tensors that take no more memory than the file."""
    if not isinstance(held, Mapping) or not all(isinstance(v, Tensor) for v in held.values()):
        raise TensorFileError(f"{path} holds more than tensors; a plain state dict is expected.")
    for name, tensor in held.items():
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            shape = tuple(tensor.shape)
            raise TensorFileError(f"{path} is damaged: {name} says {shape} and has fewer values.")
    return dict(held)


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise TensorFileError(f"{path} is empty: no PyTorch file. Copy, fetch or make it again.")


def _damaged(path: Path, error: Exception) -> TensorFileError:
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    kind = "safetensors" if path.suffix == ".safetensors" else "PyTorch"
    return TensorFileError(
        f"{path} is no {kind} file, or damaged ({reason}). Copy, fetch or make it again."
    )


def _numpy_values() -> list[Any]:
    """What numbers and arrays of numpy beside weights (a best score) are made of, old names too."""
    import numpy as np
    from numpy import dtypes

    scalar: Any = np.float64(0).__reduce__()[0]
    reconstruct: Any = np.zeros(0).__reduce__()[0]
    kinds = [kind for name in dtypes.__all__ if isinstance(kind := getattr(dtypes, name), type)]
    renamed = [
        (made, f"numpy.{core}.multiarray.{made.__name__}")
        for made in (scalar, reconstruct)
        for core in ("core", "_core")
    ]
    return [np.ndarray, np.dtype, *kinds, *renamed]


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("constants.pkl") for name in archive.namelist())


def _script_tensors(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        (pickled,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
        place = pickled.removesuffix(".pkl")
        file = io.BytesIO(_stored(archive, pickled))
        root = _ScriptReader(file, lambda key: _stored(archive, f"{place}/{key}")).load()
    return tensors_by_name(dict(_named(root, "")), path)


def _stored(archive: zipfile.ZipFile, name: str) -> bytes:
    """A member that lies in the archive as it is, so that it cannot be larger than the file."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise pickle.UnpicklingError(f"{name} is compressed")
    return archive.read(name)


class _Attributes(dict):
    """A module of TorchScript: what it holds, by name, and none of what it does."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("a module unpacks its tensors by code of its own")
        self.update(state)


class _ScriptReader(pickle.Unpickler):
    """Builds tensors, numbers, texts, tuples, lists and `_Attributes`; anything else is refused."""

    def __init__(self, file: Any, stored: Callable[[str], bytes]) -> None:
        super().__init__(file)
        self.stored = stored

    def find_class(self, module: str, name: str) -> Any:
        """Stands in for what the pickle names; nothing is imported."""
        if module.split(".")[0] == "__torch__":
            return _Attributes
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda held, offset, size, stride, *_: held.as_strided(size, stride, offset)
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name.startswith("build_"):
            return lambda items: list(items)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise pickle.UnpicklingError(f"it wants {module}.{name}")

    def persistent_load(self, pid: Any) -> Tensor:
        """A storage, as a tensor with one axis."""
        _, dtype, key, _, n_values = pid
        content = bytearray(self.stored(key))
        if not n_values:
            return torch.zeros(0, dtype=dtype)
        return torch.frombuffer(content, dtype=dtype, count=n_values)


_STORAGES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def _named(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Tensors of a module and of those within, named as a state dict names them."""
    for name, value in module.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Attributes):
            yield from _named(value, f"{prefix}{name}.")

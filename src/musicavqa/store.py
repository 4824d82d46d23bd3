"""Keep encoded clips on disk: <root>/<set>/<encoder>-<hash8>/ with a manifest and shards.

A shard is one safetensors file of arrays by clip id, (T, *shape) each. Shards are only ever added:
a shard is complete or absent (temporary name, then rename) and the manifest is written last, so a
run that was killed goes on where it stopped. A folder with a manifest can be read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.files import replacing

FORMAT = 1
DTYPES = ("float16", "float32", "uint8", "bool")
SHARD_CLIPS = 256
SHARD_BYTES = 256 * 2**20
ALIGNMENT = "row i is the second from i to i + 1"


class FeatureError(ValueError):
    """Encoded clips are missing or are not what the store holds."""


@dataclass(frozen=True)
class Description:
    """What makes two stores of an encoder the same."""

    encoder: str
    hash8: str
    """Of the encoder's card and weights; part of the folder's name."""
    shape: tuple[int, ...]
    """Of one row; an array is (T, *shape)."""
    rate_hz: float = 1.0
    dtype: str = "float16"
    weights: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each set of weights."""
    alignment: str = ALIGNMENT
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype!r} cannot be stored; choose one of {DTYPES}.")

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "shape": list(self.shape), "weights": dict(self.weights)}

    @property
    def folder_name(self) -> str:
        return f"{self.encoder}-{self.hash8}"


class Writer:
    """Adds clips to one folder; several writers may share it if no clip is given to two of them."""

    def __init__(
        self,
        folder: Path,
        description: Description,
        shard_clips: int = SHARD_CLIPS,
        shard_bytes: int = SHARD_BYTES,
    ) -> None:
        self.folder, self.description = Path(folder), description
        self.shard_clips, self.shard_bytes = shard_clips, shard_bytes
        self.waiting: dict[str, np.ndarray] = {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stored = set(_index(self.folder))
        _check_same(self.folder, description)

    def done(self) -> set[str]:
        """Ids of the clips that are safe on disk."""
        return set(self.stored)

    def add(self, clip_id: str, array: np.ndarray) -> None:
        """Take one clip's array (T, *shape); it is on disk once its shard is full or closed."""
        if clip_id in self.stored or clip_id in self.waiting:
            raise FeatureError(
                f"{self.folder}: clip {clip_id!r} is stored already; a store is append-only."
            )
        self.waiting[clip_id] = _as_stored(clip_id, array, self.description)
        n_bytes = sum(rows.nbytes for rows in self.waiting.values())
        if len(self.waiting) >= self.shard_clips or n_bytes >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the waiting clips as one shard, named after the first of them."""
        from safetensors.numpy import save

        if not self.waiting:
            return
        name = hashlib.sha256(next(iter(self.waiting)).encode()).hexdigest()[:16]
        _write(self.folder / f"{name}.safetensors", save(self.waiting))
        self.stored |= set(self.waiting)
        self.waiting = {}

    def close(self, skipped: Mapping[str, str] | None = None) -> None:
        """Write what waits, then the manifest; `skipped` tells why a clip has no array."""
        self.flush()
        self.stored = set(_index(self.folder))
        path = self.folder / "manifest.json"
        earlier = _read_manifest(self.folder)["skipped"] if path.is_file() else {}
        reasons = {**earlier, **(skipped or {})}
        manifest = {
            **self.description.as_dict(),
            "n_clips": len(self.stored),
            "skipped": {name: reasons[name] for name in sorted(reasons.keys() - self.stored)},
        }
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        _write(path, text.encode())


class Store:
    """Arrays by clip id; shards are opened once per process, after a fork or spawn again."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.manifest = _read_manifest(self.folder)
        fields = {name: self.manifest[name] for name in Description.__dataclass_fields__}
        self.description = Description(**{**fields, "shape": tuple(fields["shape"])})
        self.shards = _index(self.folder)
        self._opened: dict[Path, Any] = {}
        self._process = os.getpid()

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a finished store for reading."""
        return cls(folder)

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """Array (T, *shape) of one clip."""
        if clip_id not in self.shards:
            self.require([clip_id])
        return self._shard(self.shards[clip_id]).get_tensor(clip_id)

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self.shards

    def __len__(self) -> int:
        return len(self.shards)

    def ids(self) -> list[str]:
        """All clip ids, sorted."""
        return sorted(self.shards)

    def require(self, clip_ids: Iterable[str]) -> None:
        """Raise FeatureError if any of the clips is missing; a missing row is never made up."""
        wanted = list(dict.fromkeys(clip_ids))
        missing = [clip_id for clip_id in wanted if clip_id not in self.shards]
        if not missing:
            return
        first, encoder = missing[0], self.description.encoder
        reason = self.manifest["skipped"].get(first)
        raise FeatureError(
            f"{encoder!r} rows for {len(missing)} of {len(wanted)} clips are missing "
            f"(first: {first}{', ' + reason if reason else ''}). "
            f"Run: musicavqa features {self.folder.parent.name} --encoder {encoder}"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": {}}

    def _shard(self, path: Path) -> Any:
        from safetensors import safe_open

        if self._process != os.getpid():
            self._opened, self._process = {}, os.getpid()
        if path not in self._opened:
            self._opened[path] = safe_open(path, framework="numpy")
        return self._opened[path]


def _as_stored(clip_id: str, array: np.ndarray, description: Description) -> np.ndarray:
    """The array in the store's type; refuses other shapes, kinds and numbers that overflow."""
    array, dtype = np.asarray(array), np.dtype(description.dtype)
    if array.shape[1:] != description.shape or array.ndim != len(description.shape) + 1:
        raise FeatureError(
            f"{description.encoder!r} gave {array.shape} for clip {clip_id!r}; "
            f"the store holds (T, {', '.join(map(str, description.shape))})."
        )
    if array.dtype.kind != dtype.kind:
        raise FeatureError(
            f"{description.encoder!r} gave {array.dtype} for clip {clip_id!r}; "
            f"the store holds {dtype}."
        )
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(array, dtype=dtype)
    if dtype.kind == "f" and not np.isfinite(stored).all():
        raise FeatureError(
            f"{description.encoder!r} gave values for clip {clip_id!r} that {dtype} cannot hold "
            "(not finite, or too large). Check the encoder."
        )
    return stored


def _write(path: Path, data: bytes) -> None:
    """Complete or absent: a temporary name first, flushed to disk, then renamed."""
    with replacing(path) as part, part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _index(folder: Path) -> dict[str, Path]:
    """Shard of every clip, from the headers of the shards: the one truth about what is there."""
    from safetensors import safe_open

    shards: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="numpy") as shard:
            for clip_id in shard.keys():  # noqa: SIM118 (not a dict)
                if clip_id in shards:
                    raise FeatureError(
                        f"{folder}: clip {clip_id!r} is in {shards[clip_id].name} and {path.name}. "
                        "Delete one of them and run again."
                    )
                shards[clip_id] = path
    return shards


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} does not exist. Run: musicavqa features {folder.parent.name}"
        )
    if not path.is_file():
        raise FeatureError(
            f"{folder} has no manifest.json: the run that writes it is not finished. "
            f"Run again: musicavqa features {folder.parent.name}"
        )
    manifest = json.loads(path.read_text(encoding="utf-8"))
    if manifest.get("format") != FORMAT:
        raise FeatureError(
            f"{path} has format {manifest.get('format')}, this version reads {FORMAT}. "
            "Update musicavqa or extract again."
        )
    return manifest


def _check_same(folder: Path, description: Description) -> None:
    """Refuse to add to a store that was made otherwise."""
    if not (folder / "manifest.json").is_file():
        return
    there, here = _read_manifest(folder), description.as_dict()
    for name, value in here.items():
        if there[name] != value:
            raise FeatureError(
                f"{folder} was made with {name} {there[name]!r}, not {value!r}. Use another folder."
            )

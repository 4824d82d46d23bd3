"""Read a store."""

from __future__ import annotations

import hashlib
import math
import mmap
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from musicavqa.features.store.description import Description, FeatureError, hint, read_manifest
from musicavqa.features.store.places import Folder, folder
from musicavqa.features.store.shards import Entry, damaged, fingerprint, index

REMAKE = "Delete its shard and extract again: what is whole is kept."
MOST_MAPS = 256
"""Shards that a store holds open: each takes one of the process's file descriptors."""


class ClipStore(Protocol):
    """One stream: clip id -> array (T, ...), one row per second, any float dtype."""

    def __getitem__(self, clip: str, /) -> np.ndarray: ...

    def __contains__(self, clip: object, /) -> bool: ...


class Store:
    """Arrays by clip id; of the shards the last `MOST_MAPS` that were asked for stay open."""

    def __init__(self, address: Folder | Path | str) -> None:
        self.folder = folder(address)
        self.manifest = read_manifest(self.folder)
        self.description = Description.of(self.manifest)
        self.entries: dict[str, Entry] = index(self.folder)
        self._maps: OrderedDict[str, mmap.mmap] = OrderedDict()

    @classmethod
    def open(cls, address: Folder | Path | str) -> Store:
        """Open a finished store for reading."""
        return cls(address)

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """Array (T, *shape) of one clip: a view of its shard, which cannot be written to.

        Nothing is read until it is used, and of a slice only the slice.
        """
        self.require([clip_id])
        if problem := self.problem(clip_id):
            raise FeatureError(f"{self.folder}: clip {clip_id!r} {problem}. {REMAKE}")
        entry = self.entries[clip_id]
        whole = self._mapped(entry.shard)
        dtype, n = np.dtype(entry.dtype), math.prod(entry.shape)
        n_header = 8 + int.from_bytes(whole[:8], "little")
        start = n_header + entry.end - n * dtype.itemsize
        if n_header + entry.end > len(whole):
            raise damaged(self.folder, entry.shard)
        return np.frombuffer(whole, dtype, n, start).reshape(entry.shape)

    def problem(self, clip_id: str) -> str | None:
        """How the header of a clip differs from the manifest, None where it does not."""
        entry, shape = self.entries[clip_id], self.description.shape
        if entry.shape[1:] != shape or entry.shape[0] < 1:
            return f"is {entry.shape}, the manifest says (T, {', '.join(map(str, shape))})"
        if entry.dtype != self.description.dtype:
            return f"is {entry.dtype}, the manifest says {self.description.dtype}"
        return None

    def n_rows(self, clip_id: str) -> int:
        """Rows of one clip, from the header."""
        self.require([clip_id])
        return self.entries[clip_id].shape[0]

    def fingerprint(self, clip_id: str) -> str:
        """sha256 of the rows of one clip: noted when they were imported, or taken now."""
        self.require([clip_id])
        return self.entries[clip_id].sha256 or fingerprint([self[clip_id]])

    def identity(self, clip_ids: Iterable[str]) -> str:
        """What the rows of these clips are: the folder's name tells our encoder and its weights.

        Of imported rows, where nothing is known of these, it tells their source and a hash of them.
        """
        source = self.description.imported_from
        if source is None:
            return self.folder.name
        marks = "".join(f"{name}\0{self.fingerprint(name)}\n" for name in sorted(set(clip_ids)))
        content = hashlib.sha256(marks.encode()).hexdigest()[:16]
        return f"{self.folder.name} from {source} ({content})"

    def __contains__(self, clip_id: object) -> bool:
        return clip_id in self.entries

    def __len__(self) -> int:
        return len(self.entries)

    def ids(self) -> list[str]:
        """All clip ids, sorted."""
        return sorted(self.entries)

    def require(self, clip_ids: Iterable[str]) -> None:
        """Raise FeatureError if any of the clips is missing; a missing row is never made up."""
        wanted = list(dict.fromkeys(clip_ids))
        missing = [clip_id for clip_id in wanted if clip_id not in self.entries]
        if not missing:
            return
        first, encoder = missing[0], self.description.encoder
        reason = self.manifest["skipped"].get(first)
        raise FeatureError(
            f"{encoder!r} rows for {len(missing)} of {len(wanted)} clips are missing "
            f"(first: {first}{', ' + reason if reason else ''}). "
            f"Run: {hint(self.folder, encoder)}"
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": OrderedDict()}

    def _mapped(self, shard: str) -> mmap.mmap:
        if shard not in self._maps:
            try:
                with self.folder.local(shard).open("rb") as file:
                    self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:  # it is empty by now
                raise damaged(self.folder, shard) from error
        self._maps.move_to_end(shard)
        if len(self._maps) > MOST_MAPS:
            self._maps.popitem(last=False)
        return self._maps[shard]

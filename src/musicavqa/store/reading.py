"""Read a store."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.store.description import Description, FeatureError, hint, read_manifest
from musicavqa.store.places import Folder, folder
from musicavqa.store.shards import Entry, index


class Store:
    """Arrays by clip id; shards are opened once per process, after a fork or spawn again."""

    def __init__(self, address: Folder | Path | str) -> None:
        self.folder = folder(address)
        self.manifest = read_manifest(self.folder)
        self.description = Description.of(self.manifest)
        self.entries: dict[str, Entry] = index(self.folder)
        self._opened: dict[str, Any] = {}
        self._maps: dict[str, mmap.mmap] = {}  # may be used after a fork, unlike the above
        self._process = os.getpid()

    @classmethod
    def open(cls, address: Folder | Path | str) -> Store:
        """Open a finished store for reading."""
        return cls(address)

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """Array (T, *shape) of one clip."""
        return self._shard(clip_id).get_tensor(clip_id)

    def rows(self, clip_id: str, first: int, last: int | None = None) -> np.ndarray:
        """Rows first (included) to last (excluded, default one row); only they are read.

        A view of the file, which cannot be written to: nothing is copied until it is used.
        """
        last = first + 1 if last is None else last
        return self._mapped(clip_id)[first:last]

    def n_rows(self, clip_id: str) -> int:
        """Rows of one clip, from the header."""
        self.require([clip_id])
        return self.entries[clip_id].shape[0]

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
        return {**self.__dict__, "_opened": {}, "_maps": {}}

    def _mapped(self, clip_id: str) -> np.ndarray:
        """The array (T, *shape) where it lies in its shard."""
        self.require([clip_id])
        entry = self.entries[clip_id]
        if entry.shard not in self._maps:
            with self.folder.local(entry.shard).open("rb") as file:
                self._maps[entry.shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        whole = self._maps[entry.shard]
        dtype, n = np.dtype(entry.dtype), math.prod(entry.shape)
        n_header = 8 + int.from_bytes(whole[:8], "little")
        start = n_header + entry.end - n * dtype.itemsize
        return np.frombuffer(whole, dtype, n, start).reshape(entry.shape)

    def _shard(self, clip_id: str) -> Any:
        from safetensors import safe_open

        if clip_id not in self.entries:
            self.require([clip_id])
        if self._process != os.getpid():
            self._opened, self._process = {}, os.getpid()
        shard = self.entries[clip_id].shard
        if shard not in self._opened:
            self._opened[shard] = safe_open(self.folder.local(shard), framework="numpy")
        return self._opened[shard]

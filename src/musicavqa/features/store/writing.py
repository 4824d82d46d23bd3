"""Add clips to a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from musicavqa.features.store.description import (
    MANIFEST,
    Description,
    FeatureError,
    check_same,
    read_manifest,
    write_manifest,
)
from musicavqa.features.store.places import Folder, folder
from musicavqa.features.store.shards import as_stored, index, write_shard
from musicavqa.features.store.strip import Strip

SHARD_CLIPS = 256
SHARD_BYTES = 64 * 2**20


def _at_any_time() -> None:
    """A writer that shares its store with nobody may write whenever it wants."""


class Writer:
    """Adds clips to one folder; several writers may share it if no clip is given to two of them.

    With `group`, only the shards of that group are looked through for what is stored (see
    `shards`). `before_writing` is called before each shard and may raise to prevent it.
    """

    def __init__(
        self,
        address: Folder | Path | str,
        description: Description,
        shard_clips: int = SHARD_CLIPS,
        shard_bytes: int = SHARD_BYTES,
        group: str = "",
        before_writing: Callable[[], None] = _at_any_time,
    ) -> None:
        self.folder, self.description = folder(address), description
        self.shard_clips, self.shard_bytes = shard_clips, shard_bytes
        self.before_writing = before_writing
        self.waiting: dict[str, Strip] = {}
        self.remarks: dict[str, str] = {}  # of those that wait
        self.marks: dict[str, str] = {}  # likewise
        entries = index(self.folder, group)
        self.stored = set(entries)
        self.sources = {name: entry.source for name, entry in entries.items() if entry.source}
        check_same(self.folder, description)

    def done(self) -> set[str]:
        """Ids of the clips that are safely written."""
        return set(self.stored)

    def add(
        self, clip_id: str, rows: np.ndarray | Strip, remark: str = "", source: str | None = None
    ) -> None:
        """Take one clip's array (T, *shape); it is written once its shard is full or closed.

        `remark` says what is unusual about the clip, `source` is the mark of the file that the
        rows are made of; both are kept beside the rows.
        """
        if clip_id in self.stored or clip_id in self.waiting:
            raise FeatureError(
                f"{self.folder}: clip {clip_id!r} is stored already; a store is append-only."
            )
        parts = rows.parts() if isinstance(rows, Strip) else [rows]
        self.waiting[clip_id] = Strip.of(
            as_stored(clip_id, part, self.description) for part in parts
        )
        if remark:
            self.remarks[clip_id] = remark
        if source:
            self.marks[clip_id] = source
        n_bytes = sum(strip.nbytes for strip in self.waiting.values())
        if len(self.waiting) >= self.shard_clips or n_bytes >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the waiting clips as one shard."""
        if not self.waiting:
            return
        self.before_writing()
        imported = self.description.imported_from is not None
        write_shard(self.folder, self.waiting, imported, self.remarks, self.marks)
        self.stored |= set(self.waiting)
        self.sources |= self.marks
        self.waiting, self.remarks, self.marks = {}, {}, {}

    def close(self, skipped: Mapping[str, str] | None = None) -> None:
        """Write what waits, then the manifest; `skipped` tells why a clip has no array."""
        self.flush()
        entries = index(self.folder)
        self.stored = set(entries)
        there = self.folder.size(MANIFEST) is not None
        reasons = {**(read_manifest(self.folder)["skipped"] if there else {}), **(skipped or {})}
        lacking = {name: text for name, text in reasons.items() if name not in self.stored}
        remarks = {name: entry.remark for name, entry in entries.items() if entry.remark}
        write_manifest(self.folder, self.description, len(self.stored), lacking, remarks)

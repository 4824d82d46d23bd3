"""Several streams as one: `audio_yamnet+music_onsets` is the rows of both, side by side.

A method that reads one vector per second reads any `music_*` stream besides by this name, wherever
a stream is named. Every part is pooled to seconds (`grids.on_grid`) and flattened; numbers are as
they are stored. Nothing is written: parts keep their own stores.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from musicavqa.features.encoders import load_spec
from musicavqa.features.encoders.side_by_side import PLUS, join_rows, parts_of, step_of
from musicavqa.features.store import Store
from musicavqa.features.store.description import IMPORTED, Description
from musicavqa.features.store.places import folder


def with_streams(options: Any, added: Sequence[str]) -> dict[str, Any]:
    """What to change in a method's options so that it reads these streams with its sound.

    ValueError where its sound is no list of vectors, or where a stream is none of music.
    """
    stream, width = (getattr(options, name, None) for name in ("audio_stream", "audio_width"))
    where = f"{type(options).__module__.rpartition('.')[2]} takes no added streams"
    if not isinstance(stream, str) or not isinstance(width, int):
        raise ValueError(f"{where}: it has no audio_stream with an audio_width.")
    shape = load_spec(stream).shape
    if len(shape) != 1:
        raise ValueError(f"{where}: its {stream} is {shape} each second, and not one vector.")
    for name in added:
        if not name.startswith("music_") or name in parts_of(stream):
            raise ValueError(f"{name!r} cannot be added to {stream!r}: name other music_* streams.")
    widths = [math.prod(load_spec(name).shape) for name in added]
    joined = PLUS.join([stream, *added])
    return {"audio_stream": joined, "audio_width": width + sum(widths)}


class JoinedStore(Store):
    """Stores of several streams, read as one of their joined rows."""

    def __init__(self, stream: str, parts: Mapping[str, Store]) -> None:
        self.parts = dict(parts)
        about = {name: store.description for name, store in self.parts.items()}
        sources = [facts.imported_from for facts in about.values() if facts.imported_from]
        names = PLUS.join(store.folder.name for store in self.parts.values())
        self.folder = folder(names)
        self.manifest = {"skipped": self._skipped()}
        self.description = Description(
            encoder=stream,
            hash8=IMPORTED if sources else hashlib.sha256(names.encode()).hexdigest()[:8],
            shape=(sum(math.prod(facts.shape) for facts in about.values()),),
            dtype="float32",
            every_s=step_of(about.values()),
            imported_from=", ".join(sources) or None,
        )
        first = next(iter(self.parts.values()))
        self.entries = {clip: entry for clip, entry in first.entries.items() if clip in self}
        self._maps = OrderedDict()

    def __getitem__(self, clip_id: str) -> np.ndarray:
        """(T, width) float32."""
        about = {name: store.description for name, store in self.parts.items()}
        return join_rows({name: store[clip_id] for name, store in self.parts.items()}, about)

    def __contains__(self, clip_id: object) -> bool:
        return all(clip_id in store for store in self.parts.values())

    def problem(self, clip_id: str) -> str | None:
        """That of the first part that has one."""
        return next((p for store in self.parts.values() if (p := store.problem(clip_id))), None)

    def n_rows(self, clip_id: str) -> int:
        """Rows of one clip."""
        return len(self[clip_id])

    def fingerprint(self, clip_id: str) -> str:
        """sha256 of those of the parts."""
        marks = "".join(store.fingerprint(clip_id) for store in self.parts.values())
        return hashlib.sha256(marks.encode()).hexdigest()

    def _skipped(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for store in self.parts.values():
            found |= store.manifest["skipped"]
        return found

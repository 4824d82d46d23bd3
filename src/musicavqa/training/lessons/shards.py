"""Rendered material on disk: rows of numbers with their truth, some hundred to a shard.

A shard is NUMBER.npy and, written last, NUMBER.json; so what a killed run has finished is kept.
Rows stay on disk and are read as they are needed: all stills together would fill the memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.files import read_json, replacing, write_text
from musicavqa.workers import Tick, do_all

Made = tuple[np.ndarray, list[Any]]
"""Rows, and the truth of each."""
Tell = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class Material:
    """Rows of all shards, one after the other, and the truth of each."""

    parts: list[np.ndarray]
    truths: list[Any]

    def __len__(self) -> int:
        return len(self.truths)

    def rows(self, places: Sequence[int]) -> np.ndarray:
        """The rows at these places, in their order."""
        stops = np.cumsum([len(part) for part in self.parts])
        found = []
        for place in places:
            part = int(np.searchsorted(stops, place, "right"))
            found.append(self.parts[part][place - stops[part]])  # from the part's end
        return np.stack(found)


def make_material(
    folder: Path, n: int, per_shard: int, make: Callable[[int, int], Made], workers: int, tell: Tell
) -> Material:
    """What `make(start, stop)` gives for 0 .. n, a shard at a time; shards that are there are kept.

    With more workers than one, `make` runs in processes of its own and must be picklable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spans = [(start, min(start + per_shard, n)) for start in range(0, n, per_shard)]
    todo = [span for span in spans if not _named(folder, span[0], "json").exists()]
    done = len(spans) - len(todo)
    write = partial(_write, folder, make)
    written = do_all(write, todo, workers, lambda span: f"{folder.name} {span[0]} to {span[1]}")
    for finished, _ in enumerate(written, start=1):
        tell(min(n, per_shard * (done + finished)), n, "")
    return load_material(folder, [start for start, _ in spans])


def load_material(folder: Path, starts: Sequence[int]) -> Material:
    """Finished shards, mapped into memory."""
    truths = [read_json(_named(folder, s, "json")) for s in starts]
    parts = [np.load(_named(folder, start, "npy"), mmap_mode="r") for start in starts]
    return Material(parts, [truth for part in truths for truth in part])


def _write(
    folder: Path, make: Callable[[int, int], Made], span: tuple[int, int], tick: Tick
) -> None:
    rows, truths = make(*span)
    with replacing(_named(folder, span[0], "npy")) as part, part.open("wb") as file:
        np.save(file, rows)
    write_text(_named(folder, span[0], "json"), json.dumps(truths))


def _named(folder: Path, start: int, ending: str) -> Path:
    return folder / f"{start:06d}.{ending}"

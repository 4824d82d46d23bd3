"""Other senses for the same questions: streams muted, swapped, shuffled or held still when read.

A disturbance stands between store and batch: it wraps the stores of a method's streams, so that no
method knows of it. Everything is decided by the seed and the clip, not by the order of reading.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from musicavqa.features.store import ClipStore
from musicavqa.records import SENSES

Disturbance = Literal[
    "muted audio", "muted video", "swapped sound", "shuffled time", "shuffled audio",
    "shuffled video", "single frame", "one frame alone", "question only",
]  # fmt: skip
DISTURBANCES: tuple[Disturbance, ...] = get_args(Disturbance)

Reader = Callable[[ClipStore, str], np.ndarray]


@dataclass(frozen=True)
class Disturbed:
    """A store of which every clip is read by `reader`."""

    store: ClipStore
    reader: Reader

    def __getitem__(self, clip: str, /) -> np.ndarray:
        return self.reader(self.store, clip)

    def __contains__(self, clip: object, /) -> bool:
        return clip in self.store


def disturb(
    name: Disturbance, streams: Mapping[str, ClipStore], clips: Sequence[str], seed: int
) -> dict[str, ClipStore]:
    """These streams with the disturbed ones wrapped; `clips` are all that will be read.

    Raises ValueError for a name that is none of DISTURBANCES and where nothing would change.
    """
    if name not in DISTURBANCES:
        raise ValueError(f"There is no disturbance {name!r}. There are: {', '.join(DISTURBANCES)}.")
    if reason := why_not(name, list(streams)):
        raise ValueError(f"{name!r} changes nothing: {reason}.")
    readers = _readers(name, streams, clips, seed)
    return {n: Disturbed(store, readers[n]) if n in readers else store
            for n, store in streams.items()}  # fmt: skip


def why_not(name: Disturbance, streams: Sequence[str], n_clips: int | None = None) -> str | None:
    """Why this disturbance says nothing about a method that reads these streams; None if it does.

    Time shuffled in one sense alone is left out where there is no other: it is 'shuffled time'.
    `n_clips` is how many clips can be read; None stands for enough.
    """
    touched = _touched(name, streams)
    if not touched:
        return "the method reads no such stream"
    if name == "one frame alone" and not _of("visual", streams):
        return "the method reads no picture"
    if name == "one frame alone" and not _of("audio", streams):
        return "the method reads no sound, see 'single frame'"
    if name in ("shuffled audio", "shuffled video") and len(touched) == len(streams):
        return "the method reads no other sense, see 'shuffled time'"
    if name == "swapped sound" and n_clips is not None and n_clips < 2:
        return f"sound is swapped between clips, and {n_clips} can be read"
    return None


def derangement(clips: Sequence[str], seed: int) -> dict[str, str]:
    """For each clip another one, each given once: a random ring through all clips."""
    ordered = sorted(set(clips))
    if len(ordered) < 2:
        raise ValueError("Sound tracks are swapped between two or more clips; there is one.")
    ring = [ordered[i] for i in np.random.default_rng(seed).permutation(len(ordered))]
    return dict(zip(ring, [*ring[1:], ring[0]], strict=True))


def second_order(clip: str, n_seconds: int, seed: int) -> np.ndarray:
    """A random order (T,) of the seconds of this clip; any order may come, also the old one."""
    rng = np.random.default_rng([seed, zlib.crc32(clip.encode())])
    return rng.permutation(n_seconds)


def _touched(name: Disturbance, streams: Sequence[str]) -> list[str]:
    senses = {
        "muted audio": ("audio",),
        "muted video": ("visual",),
        "swapped sound": ("audio",),
        "shuffled audio": ("audio",),
        "shuffled video": ("visual",),
        "single frame": ("visual",),
    }
    touched = senses.get(name, ("audio", "visual"))
    return [stream for sense in touched for stream in _of(sense, streams)]


def _of(sense: str, streams: Iterable[str]) -> list[str]:
    return [stream for stream in streams if stream.startswith(SENSES[sense])]


def _readers(
    name: Disturbance, streams: Mapping[str, ClipStore], clips: Sequence[str], seed: int
) -> dict[str, Reader]:
    """How each stream that is touched is read."""
    if name == "one frame alone":
        heard = dict.fromkeys(_of("audio", streams), _silent)
        return heard | dict.fromkeys(_of("visual", streams), _still)
    reader = _reader(name, streams, clips, seed)
    return dict.fromkeys(_touched(name, list(streams)), reader)


def _silent(store: ClipStore, clip: str) -> np.ndarray:
    return np.zeros_like(store[clip])


def _still(store: ClipStore, clip: str) -> np.ndarray:
    """The middle second in every second."""
    rows = store[clip]
    return np.repeat(rows[len(rows) // 2][None], len(rows), axis=0)


def _reader(
    name: Disturbance, streams: Mapping[str, ClipStore], clips: Sequence[str], seed: int
) -> Reader:
    if name in ("muted audio", "muted video", "question only"):
        return _silent
    if name == "single frame":
        return _still
    if name == "swapped sound":
        donors = derangement(clips, seed)
        return lambda store, clip: _fitted(store[donors[clip]], len(store[clip]))
    orders: dict[str, np.ndarray] = {}

    def shuffled(store: ClipStore, clip: str) -> np.ndarray:
        if clip not in orders:  # the seconds that every stream has, as a batch will cut them
            n_seconds = min(len(stream[clip]) for stream in streams.values())
            orders[clip] = second_order(clip, n_seconds, seed)
        return store[clip][orders[clip]]

    return shuffled


def _fitted(rows: np.ndarray, n_seconds: int) -> np.ndarray:
    """As many seconds as the picture has: a longer sound is cut, a shorter one starts over."""
    return rows[np.arange(n_seconds) % len(rows)]

"""Write stored features in the layout that an official program reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicavqa.features.exchange.layouts import Clips, Layout, Part, layout
from musicavqa.features.store import FeatureError, Store
from musicavqa.features.streams import open_streams
from musicavqa.files import file_name, replacing

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Exported:
    """What was written, and the option of the official program that takes it."""

    options: dict[str, Path]
    n_clips: int
    n_filled: int
    """Clips that were shorter than the layout wants: their last row was repeated."""


def export_features(
    layout_name: str,
    set_name: str,
    out: Path,
    features: Path | str = "features",
    progress: Progress | None = None,
) -> Exported:
    """Write the stored features of a set as float32 files that an official program reads.

    The layouts are those of docs/features.md. FileNotFoundError names streams that are not stored,
    FeatureError what does not fit the layout. `progress` is called with parts done and in all.
    """
    chosen = layout(layout_name)
    stores = open_streams(features, streams_of(chosen), set_name)
    return export(chosen, stores, Path(out), progress)


def streams_of(wanted: Layout) -> tuple[str, ...]:
    """The streams that a layout needs."""
    if wanted.hierarchy is not None:
        return (wanted.hierarchy.appearance, wanted.hierarchy.motion)
    return tuple(part.stream for part in wanted.parts)


def export(
    wanted: Layout, stores: Mapping[str, Store], out: Path, progress: Progress | None = None
) -> Exported:
    """Write every clip that all the streams have, as float32.

    Clips are cut to the rows that the layout wants, and short ones filled up with their last row,
    as those who published features did. Of a stream that keeps every n-th second, each row stands
    for the n seconds that it begins.
    """
    shared = set.intersection(*(set(stores[name].ids()) for name in streams_of(wanted)))
    if not shared:
        raise FeatureError(f"No clip is in all of {', '.join(streams_of(wanted))}.")
    ids = sorted(shared)
    if wanted.hierarchy is not None:
        options = _write_hierarchy(wanted.hierarchy, wanted.n_rows, ids, stores, out)
    else:
        options = {}
        for done, part in enumerate(wanted.parts):
            _write_part(part, wanted.n_rows, ids, stores, out / part.folder)
            options[part.option] = out / part.folder
            if progress is not None:
                progress(done + 1, len(wanted.parts))
    short = [clip for clip in ids if any(_seconds(stores[n], clip) < wanted.n_rows for n in stores)]
    return Exported(options, len(ids), len(short))


def rows_of(store: Store, clip: str, n_rows: int) -> np.ndarray:
    """float32 (n_rows, ...), one row a second."""
    rows = np.repeat(store[clip].astype(np.float32), store.description.every_s, axis=0)
    return rows[np.minimum(np.arange(n_rows), len(rows) - 1)]


def _seconds(store: Store, clip: str) -> int:
    return store.n_rows(clip) * store.description.every_s


def _write_part(
    part: Part, n_rows: int, ids: Sequence[str], stores: Mapping[str, Store], out: Path
) -> None:
    """One .npy per clip, named by `file_name`; a file is there whole or not at all."""
    store = stores[part.stream]
    if store.description.shape != part.shape:
        raise FeatureError(
            f"{store.folder} has rows {store.description.shape}; the layout wants {part.shape} in "
            f"{part.folder}."
        )
    out.mkdir(parents=True, exist_ok=True)
    for clip in ids:
        path = out / f"{file_name(clip)}.npy"
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.save(file, rows_of(store, clip, n_rows))


def _write_hierarchy(
    clips: Clips, n_rows: int, ids: Sequence[str], stores: Mapping[str, Store], out: Path
) -> dict[str, Path]:
    """Two HDF5 files: pictures (N, clips, frames, D) and the mean of each clip (N, clips, D)."""
    try:
        import h5py
    except ImportError:
        raise ImportError("This layout needs h5py: pip install 'musicavqa[hdf5]'") from None
    if stray := [clip for clip in ids if not clip.isdecimal()]:
        raise FeatureError(f"This layout wants whole numbers as ids; {stray[0]!r} is none.")
    grid = (clips.n_clips, clips.n_frames)
    out.mkdir(parents=True, exist_ok=True)
    kinds = {
        "appearance": (clips.appearance, "resnet_features", lambda rows: rows),
        "motion": (clips.motion, "resnext_features", lambda rows: rows.mean(1)),
    }
    options = {}
    for kind, (name, data_set, reduce) in kinds.items():
        path = out / f"{kind}_feat.h5"
        with replacing(path) as temporary, h5py.File(temporary, "w") as file:
            file["ids"] = np.array([int(clip) for clip in ids])
            width = stores[name].description.shape
            shape = (len(ids), *(grid if kind == "appearance" else grid[:1]), *width)
            target = file.create_dataset(data_set, shape, np.float32)
            for row, clip in enumerate(ids):
                rows = rows_of(stores[name], clip, n_rows)[: grid[0] * grid[1]]
                target[row] = reduce(rows.reshape(*grid, *width))
        options[f"{kind}_feat"] = path
    return options

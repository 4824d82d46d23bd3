"""Take features that others published into a store, after checking each array.

The store says where they are from and names no weights: what others ran cannot be known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.features.exchange.layouts import published_shape
from musicavqa.features.extraction import CLAIMS, Note
from musicavqa.features.store import IMPORTED, Description, FeatureError, Folder, Writer, folder
from musicavqa.features.store.claims import waited_for
from musicavqa.features.store.shards import group_of
from musicavqa.files import file_name
from musicavqa.records import Clip

Reader = Callable[[], np.ndarray]
"""Opens the array of one clip."""


@dataclass(frozen=True)
class Stream:
    """What the imported rows must be: those of our encoder of that name, or as published."""

    name: str
    shape: tuple[int, ...]
    rate_hz: float = 1.0
    every_s: int = 1
    dtype: str = "float16"

    @classmethod
    def of(cls, name: str) -> Stream:
        """Of one of our encoders, or of the published layouts; ValueError if neither has it."""
        from musicavqa.features.encoders import list_encoders, load_spec

        if name in list_encoders():
            spec = load_spec(name)
            return cls(name, spec.shape, spec.rate_hz, spec.every_s, spec.dtype)
        shape = published_shape(name)
        if shape is None:
            load_spec(name)  # says which names are near
            raise ValueError(f"There is no stream {name!r}.")
        return cls(name, shape)


@dataclass
class Imported:
    """What came in and what did not."""

    folder: Folder
    n_written: int = 0
    n_present: int = 0
    refused: list[Note] = field(default_factory=list)
    """Arrays that are not what they should be."""
    missing: list[str] = field(default_factory=list)
    """Clips of the set for which there is no array."""
    unknown: list[str] = field(default_factory=list)
    """Arrays of clips that are not in the set; they are left out."""


def import_features(
    source: Path,
    stream: Stream | str,
    clips: Sequence[Clip],
    root: Folder | Path | str,
    set_name: str,
    source_name: str | None = None,
    cut: bool = False,
) -> Imported:
    """Import <source>/<clip>.npy, or an HDF5 file with one data set per clip, into `root`.

    A file may be called by the id of its clip or by `file_name` of that.
    A `stream` given by name is that of our encoder, or as published. Clips need a `duration_s`.
    Rows must be as many as the clip owes (one more or less is rounding); `cut` allows more and
    drops them, for arrays that were filled up to a fixed length. Of a stream that keeps every n-th
    second, arrays with all seconds are thinned.
    """
    stream = Stream.of(stream) if isinstance(stream, str) else stream
    place = folder(root) / set_name
    description = Description(
        encoder=stream.name,
        hash8=IMPORTED,
        shape=stream.shape,
        rate_hz=stream.rate_hz,
        dtype=stream.dtype,
        every_s=stream.every_s,
        imported_from=source_name or source.name,
    )
    report = Imported(place / description.folder_name)
    with opened(source) as found:
        known = {clip.id: clip for clip in clips}
        ours = {file_name(clip_id): clip_id for clip_id in known}
        arrays = {n if n in known else ours.get(n, n): reader for n, reader in found.items()}
        report.unknown = sorted(arrays.keys() - known.keys())
        report.missing = [clip.id for clip in clips if clip.id not in arrays]
        if len(report.missing) == len(clips):
            raise FeatureError(
                f"None of the {len(arrays)} arrays in {source} is of a clip of {set_name} "
                f"(first: {report.unknown[:1]}, expected such as {clips[0].id!r})."
            )
        groups: dict[str, list[Clip]] = {}
        for clip in clips:
            if clip.id in arrays:
                groups.setdefault(group_of(clip.id), []).append(clip)
        for group, members in groups.items():
            with waited_for(place / CLAIMS, group) as claim:
                writer = Writer(report.folder, description, group=group, before_writing=claim.check)
                _take(members, arrays, stream, cut, writer, report)
    with waited_for(place / CLAIMS, "manifest"):
        reasons = {clip_id: f"not in {description.imported_from}" for clip_id in report.missing}
        reasons |= {note.clip: note.text for note in report.refused}
        Writer(report.folder, description).close(reasons)
    return report


def _take(
    clips: Sequence[Clip],
    arrays: Mapping[str, Reader],
    stream: Stream,
    cut: bool,
    writer: Writer,
    report: Imported,
) -> None:
    """Check and add the arrays of one group."""
    for clip in clips:
        if clip.id in writer.done():
            report.n_present += 1
            continue
        try:
            writer.add(clip.id, _rows(arrays[clip.id], stream, clip.duration_s, cut))
            report.n_written += 1
        except FeatureError as error:
            report.refused.append(Note(clip.id, str(error)))
    writer.flush()


def _rows(read: Reader, stream: Stream, duration_s: float | None, cut: bool) -> np.ndarray:
    """The rows of one clip that are stored; FeatureError for whatever is wrong with its file."""
    try:
        return np.asarray(fitted(read(), stream, duration_s, cut)[:])
    except FeatureError:
        raise
    except Exception as error:  # a damaged file is anything, from EOFError to SyntaxError
        text = " ".join(str(error).split()) or "nothing in it"
        raise FeatureError(f"it cannot be read ({type(error).__name__}: {text})") from error


def fitted(
    array: np.ndarray, stream: Stream, duration_s: float | None, cut: bool = False
) -> np.ndarray:
    """The rows that are stored; FeatureError where shape or number of rows is not right.

    Of an array that lies in a file no more is read.
    """
    if not array.shape or array.shape[1:] != stream.shape:
        wanted = ", ".join(map(str, stream.shape))
        raise FeatureError(f"the array is {array.shape}; {stream.name} has (rows, {wanted})")
    if len(array) == 0:
        raise FeatureError("the array has no rows")
    if duration_s is None:
        return array[:: stream.every_s] if _has_all_seconds(array, stream, None) else array
    owed = _owed(stream, duration_s)
    if _has_all_seconds(array, stream, duration_s):
        array = array[:: stream.every_s]
    if len(array) < owed - 1 or (len(array) > owed + 1 and not cut):
        more = "" if len(array) < owed else "; --cut drops what is too much"
        raise FeatureError(f"{len(array)} rows where {duration_s:.1f} s owe {owed}{more}")
    return array[:owed]


def _owed(stream: Stream, duration_s: float) -> int:
    from musicavqa.features.encoders.spec import n_rows

    return -(-n_rows(duration_s, stream.rate_hz) // stream.every_s)


def _has_all_seconds(array: np.ndarray, stream: Stream, duration_s: float | None) -> bool:
    """Whether an array for a stream that keeps every n-th second has the seconds between too."""
    if stream.every_s == 1:
        return False
    if duration_s is None:
        raise FeatureError("the clip's length is not known, nor so which seconds the rows are of")
    return len(array) > _owed(stream, duration_s) + 1


@contextmanager
def opened(source: Path) -> Iterator[Mapping[str, Reader]]:
    """By clip id, how to read its array."""
    if source.is_dir():
        paths = sorted(source.glob("*.npy"))
        if not paths:
            raise FileNotFoundError(f"There is no .npy file in {source}.")
        yield {path.stem: partial(_in_file, path) for path in paths}
    elif source.suffix in (".h5", ".hdf5") and source.is_file():
        try:
            import h5py
        except ImportError:
            raise ImportError("This needs h5py: pip install 'musicavqa[hdf5]'") from None
        try:
            file = h5py.File(source, "r")
        except OSError as error:
            raise FeatureError(f"{source} is no readable HDF5 file ({error}).") from None
        with file:
            yield {name: partial(_in_hdf5, file, name) for name in file}
    else:
        raise FileNotFoundError(f"{source} is neither a folder of .npy files nor an .h5 file.")


def _in_file(path: Path) -> np.ndarray:
    """The array of an .npy file, where it lies; ValueError if its header promises more."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if isinstance(array, np.ndarray):
        return array
    array.close()
    raise FeatureError("it is an .npz archive, not one array")


def _in_hdf5(file: Any, name: str) -> Any:
    """A data set, which has shape and slices as an array has."""
    found = file[name]
    if not hasattr(found, "shape"):
        raise FeatureError(f"{name!r} is a group, not one array")
    return found

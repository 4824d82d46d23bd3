"""Shards: safetensors files of arrays by clip id, named so that a name tells whose clips it has.

A clip belongs to one of 256 groups, the first two digits of the sha256 of its id, whatever list it
comes in. A shard is named after its first clip, so it begins with the digits of its group: two
workers that hold different groups never write one file, and what a group has is found by name.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from musicavqa.features.store.description import Description, FeatureError
from musicavqa.features.store.places import Folder
from musicavqa.features.store.strip import Strip
from musicavqa.files import parse_json

ENDING = ".safetensors"
DTYPES = {"F16": "float16", "F32": "float32", "U8": "uint8", "BOOL": "bool"}
NAMES = {name: kind for kind, name in DTYPES.items()}
METADATA = "__metadata__"
REMARK, SHA256, SOURCE = "remark ", "sha256 ", "source "
"""Begin the names of what the metadata tells about a clip."""
HEAD_BYTES = 16384  # one read gets most headers


@dataclass(frozen=True)
class Entry:
    """One array in a shard, as the header tells."""

    shard: str
    shape: tuple[int, ...]
    dtype: str
    end: int
    """Bytes from the end of the header to the end of the array."""
    remark: str = ""
    """What is unusual about the clip."""
    sha256: str | None = None
    """Of the rows, where the writer of an imported store noted it."""
    source: str | None = None
    """Mark of the file that the rows were made of (`files.mark_of`), where it was noted."""


def digest(clip_id: str) -> str:
    """Sixteen hex digits of a clip id."""
    return hashlib.sha256(clip_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def group_of(clip_id: str) -> str:
    """Two hex digits: the group whose holder alone may write this clip."""
    return digest(clip_id)[:2]


def fingerprint(parts: Iterable[np.ndarray]) -> str:
    """sha256 (hex) of rows that come in parts, in the store's type."""
    mark = hashlib.sha256()
    for part in parts:
        mark.update(np.ascontiguousarray(part).data)
    return mark.hexdigest()


def write_shard(
    folder: Folder,
    strips: Mapping[str, Strip],
    fingerprints: bool = False,
    remarks: Mapping[str, str] | None = None,
    sources: Mapping[str, str] | None = None,
) -> None:
    """Write arrays by clip id as one shard, named after the first.

    Its metadata tells the `remarks` about clips, the marks of their `sources` and, with
    `fingerprints`, the sha256 of the rows of each. The file is one of safetensors, whose own writer
    would hold all of it twice more.
    """
    metadata = {REMARK + clip_id: remark for clip_id, remark in (remarks or {}).items()}
    metadata |= {SOURCE + clip_id: mark for clip_id, mark in (sources or {}).items()}
    if fingerprints:
        marks = {SHA256 + clip_id: fingerprint(strip.parts()) for clip_id, strip in strips.items()}
        metadata |= marks
    header: dict[str, Any] = {METADATA: metadata} if metadata else {}
    end = 0
    for clip_id, strip in strips.items():
        start, end = end, end + strip.nbytes
        header[_key(clip_id)] = {
            "dtype": NAMES[strip.dtype.name],
            "shape": strip.shape,
            "data_offsets": (start, end),
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = (part.data for strip in strips.values() for part in strip.parts())
    name = digest(next(iter(strips))) + ENDING
    folder.write(name, chain([len(text).to_bytes(8, "little"), text], data))


def _key(clip_id: str) -> str:
    """What the header calls a clip: its id, but for the one name that safetensors keeps."""
    return f"%{clip_id}" if clip_id.lstrip("%") == METADATA else clip_id


def _clip_of(key: str) -> str:
    return key[1:] if key.lstrip("%") == METADATA else key


def read_header(folder: Folder, shard: str) -> tuple[dict[str, Entry], int]:
    """Entries by clip id, and the size in bytes that the file must have."""
    head = folder.read(shard, HEAD_BYTES)
    n_header = 8 + int.from_bytes(head[:8], "little")
    try:
        if n_header > len(head):
            if n_header > (folder.size(shard) or 0):
                raise ValueError("the header is longer than the file")
            head = folder.read(shard, n_header)
        header: dict[str, Any] = parse_json(head[8:n_header])
        metadata = header.pop(METADATA, {})
        entries = {_clip_of(k): _entry(shard, _clip_of(k), e, metadata) for k, e in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, MemoryError, OverflowError) as error:
        raise damaged(folder, shard) from error
    return entries, n_header + max((entry.end for entry in entries.values()), default=0)


def _entry(shard: str, clip_id: str, said: Mapping[str, Any], metadata: Mapping[str, Any]) -> Entry:
    """One array as the header tells; ValueError where its numbers do not fit each other."""
    shape, (start, end) = tuple(said["shape"]), said["data_offsets"]
    dtype = DTYPES[said["dtype"]]
    if not all(type(n) is int and n >= 0 for n in (*shape, start, end)) or not shape:
        raise ValueError(f"shape {shape} from {start} to {end}")
    if end - start != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(f"{shape} does not fill {end - start} bytes")
    remark, mark = metadata.get(REMARK + clip_id, ""), metadata.get(SHA256 + clip_id)
    source = metadata.get(SOURCE + clip_id)
    if not isinstance(remark, str) or not all(isinstance(t, str | None) for t in (mark, source)):
        raise ValueError(f"of {remark!r:.60}, {mark!r:.60} and {source!r:.60}, one is no text")
    return Entry(shard, shape, dtype, end, remark, mark, source)


def damaged(folder: Folder, shard: str) -> FeatureError:
    """The error of a shard that is not as it was written."""
    return FeatureError(
        f"{folder}/{shard} is damaged. Delete it and extract again: what is whole is kept."
    )


def index(folder: Folder, group: str = "") -> dict[str, Entry]:
    """Every clip, or those in shards of one group, from the headers: the truth of what is there."""
    found: dict[str, Entry] = {}
    for shard in folder.files(ENDING):
        if not shard.startswith(group):
            continue
        for clip_id, entry in read_header(folder, shard)[0].items():
            if clip_id in found:
                raise FeatureError(
                    f"{folder}: clip {clip_id!r} is in {found[clip_id].shard} and {shard}. "
                    "Delete one of them and run again."
                )
            found[clip_id] = entry
    return found


def as_stored(clip_id: str, array: np.ndarray, description: Description) -> np.ndarray:
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
    if dtype.kind == "f" and not all(np.isfinite(row).all() for row in stored):
        raise FeatureError(
            f"{description.encoder!r} gave values for clip {clip_id!r} that {dtype} cannot hold "
            "(not finite, or too large). Check the encoder."
        )
    return stored

"""What a store is of: the facts in its manifest, and how they are written and compared."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from musicavqa.features.store.places import Folder
from musicavqa.files import parse_json

FORMAT = 2
READABLE = (1, 2)
"""Format 1 has neither `every_s` nor `imported_from`."""
MANIFEST = "manifest.json"
DTYPES = ("float16", "float32", "uint8", "bool")
IMPORTED = "imported"
"""Stands in the place of hash8 where others made the features: of them we know no weights."""


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
    every_s: int = 1
    """At one row a second: only every so-many-th second is kept."""
    held: bool = False
    """A kept row stands for all seconds up to the next one."""
    imported_from: str | None = None
    """What a person called the source of features that others made; None for our own."""

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype {self.dtype!r} cannot be stored; choose one of {DTYPES}.")
        if self.imported_from is not None and (self.weights or self.hash8 != IMPORTED):
            raise ValueError(f"{self.encoder!r} is imported: we cannot name its weights.")

    @property
    def by_second(self) -> bool:
        """Whether there is one row for each second."""
        return self.every_s == 1 and self.rate_hz == 1.0

    @property
    def alignment(self) -> str:
        """Which time a row is of, in words."""
        if self.every_s != 1:
            return f"row i is the second that begins at {self.every_s} i s"
        if self.by_second:
            return "row i is the second from i to i + 1"
        return f"row i is the time from i / {self.rate_hz:g} to (i + 1) / {self.rate_hz:g} s"

    def as_dict(self) -> dict[str, Any]:
        facts = {**asdict(self), "shape": list(self.shape), "weights": dict(self.weights)}
        return {**facts, "alignment": self.alignment, "format": FORMAT}

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Description:
        """From a manifest of any readable format."""
        facts = {name: manifest[name] for name in cls.__dataclass_fields__ if name in manifest}
        return cls(**{**facts, "shape": tuple(facts["shape"])})

    @property
    def folder_name(self) -> str:
        return f"{self.encoder}-{self.hash8}"


def hint(folder: Folder, encoder: str | None = None) -> str:
    """The command that makes what is missing here; DATA is the one thing a store cannot know."""
    encoder = encoder or folder.name.rpartition("-")[0] or folder.name
    root = folder.parent.parent
    return (
        f"musicavqa features extract {folder.parent.name} --data DATA --streams {encoder} "
        f"--out {root} (DATA: where its clips are)"
    )


def read_manifest(folder: Folder) -> dict[str, Any]:
    """The manifest of a finished store; FileNotFoundError or FeatureError with what to run."""
    try:
        manifest = parse_json(folder.read(MANIFEST))
    except ValueError as error:
        raise _damaged(folder, str(error)) from error
    except FileNotFoundError:
        if not folder.exists():
            raise FileNotFoundError(f"{folder} does not exist. Run: {hint(folder)}") from None
        raise FeatureError(
            f"{folder} has no {MANIFEST}: the run that writes it is not finished. "
            f"Run again: {hint(folder)}"
        ) from None
    if not isinstance(manifest, dict):
        raise _damaged(folder, f"it holds a {type(manifest).__name__}")
    if manifest.get("format") not in READABLE:
        raise FeatureError(
            f"{folder}/{MANIFEST} has format {manifest.get('format')}, this version reads "
            f"{' and '.join(map(str, READABLE))}. Update musicavqa or extract again."
        )
    if problem := _problem(manifest):
        raise _damaged(folder, problem)
    return manifest


def _problem(manifest: Mapping[str, Any]) -> str | None:
    """What of a manifest is missing or cannot be, None where it is whole."""
    if missing := sorted({"encoder", "hash8", "shape", "n_clips", "skipped"} - manifest.keys()):
        return f"it lacks {', '.join(missing)}"
    for name, fits in _FITS.items():
        if name in manifest and not fits(manifest[name]):
            return f"{name} is {manifest[name]!r:.60}"
    try:
        Description.of(manifest)
    except ValueError as error:
        return str(error)
    return None


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


_FITS: dict[str, Callable[[Any], bool]] = {
    "encoder": lambda value: isinstance(value, str),
    "hash8": lambda value: isinstance(value, str),
    "shape": lambda value: isinstance(value, list) and all(map(_is_count, value)),
    "n_clips": _is_count,
    "skipped": _are_texts,
    "weights": _are_texts,
    "rate_hz": lambda value: type(value) in (int, float) and 0 < value < math.inf,
    "dtype": lambda value: isinstance(value, str),
    "every_s": lambda value: _is_count(value) and value > 0,
    "imported_from": lambda value: value is None or isinstance(value, str),
}
"""What the facts of a manifest must be."""


def _damaged(folder: Folder, reason: str) -> FeatureError:
    return FeatureError(
        f"{folder}/{MANIFEST} is damaged ({reason}). Delete it and run again, which writes it "
        f"anew: {hint(folder)}"
    )


def write_manifest(
    folder: Folder,
    description: Description,
    n_clips: int,
    skipped: Mapping[str, str],
    remarks: Mapping[str, str],
) -> None:
    """Facts, number of clips, why some are not there, and what is unusual about those that are."""
    notes = {"skipped": dict(sorted(skipped.items())), "remarks": dict(sorted(remarks.items()))}
    manifest = {**description.as_dict(), "n_clips": n_clips, **notes}
    text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
    folder.write(MANIFEST, [text.encode()])


def check_same(folder: Folder, description: Description) -> None:
    """Refuse to add to a store that was made otherwise."""
    if folder.size(MANIFEST) is None:
        return
    there = Description.of(read_manifest(folder)).as_dict()
    for name, value in description.as_dict().items():
        if there[name] != value:
            raise FeatureError(
                f"{folder} was made with {name} {there[name]!r}, not {value!r}. Use another folder."
            )

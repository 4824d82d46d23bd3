"""The clips that a command is about: of a data set, or of a folder of files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.datasets import dataset, list_datasets, load_dataset
from musicavqa.media import ENDINGS
from musicavqa.records import Clip

SYSTEM_FOLDERS = {"__MACOSX", "$RECYCLE.BIN", "System Volume Information", "@eaDir"}
"""Like names that begin with a dot: systems put them beside what a person keeps."""


@dataclass(frozen=True)
class Footage:
    """Clips under the name that they have in a store, and the files that are none."""

    name: str
    clips: list[Clip]
    unnamed: tuple[str, ...] = ()
    """Media files whose names are not text in UTF-8, which a store cannot keep."""
    left_out: tuple[tuple[str, int], ...] = ()
    """Other files of a folder: ending and number; hidden ones do not count."""

    @property
    def left_out_line(self) -> str:
        """What was left out, on one line; empty where nothing was."""
        if not self.left_out:
            return ""
        parts = ", ".join(f"{n} {ending or 'without ending'}" for ending, n in self.left_out)
        return f"left out, as they are no media by their endings: {parts}"


def footage(set_or_folder: str, data: Path, splits: Sequence[str] | None = None) -> Footage:
    """The clips of a data set under `data`, or every media file in a folder."""
    if set_or_folder in (names := list_datasets()):
        return Footage(set_or_folder, clips_of(set_or_folder, data, splits))
    place = Path(set_or_folder)
    if not place.is_dir():
        raise FileNotFoundError(
            f"{set_or_folder!r} is neither a data set ({', '.join(names)}) nor a folder."
        )
    if splits:
        raise ValueError(f"A folder has no splits (got {', '.join(splits)}); name a data set.")
    return files_in(place)


def clips_of(set_name: str, data: Path, splits: Sequence[str] | None = None) -> list[Clip]:
    """The clips of these splits (None: all there are), each once; FileNotFoundError if no video."""
    clips = known_clips(set_name, data, splits)
    if all(clip.path is None for clip in clips):
        raise FileNotFoundError(
            f"There is no video under {data} for any of the {len(clips)} clips of {set_name}. "
            "Where they go is in docs/datasets.md."
        )
    return clips


def known_clips(set_name: str, data: Path, splits: Sequence[str] | None = None) -> list[Clip]:
    """The clips of these splits (None: all there are), each once, with or without video."""
    splits = splits or dataset(set_name).splits(Path(data))
    clips = {clip.id: clip for split in splits for clip in load_dataset(set_name, data, split)[0]}
    return list(clips.values())


def files_in(place: Path) -> Footage:
    """Every media file under `place`, sorted; its id is its path in there without ending.

    Hidden files and folders of systems are passed over.
    """
    if any(place.glob("*/scenes.jsonl")):
        raise ValueError(
            f"{place} holds rendered splits, whose clips have ids of their own. "
            f"Run: musicavqa features extract bandstand --data {place}"
        )
    found: dict[str, Path] = {}
    unnamed, left_out = [], Counter[str]()
    for path in sorted(place.rglob("*")):
        inside = path.relative_to(place)
        if any(part.startswith(".") or part in SYSTEM_FOLDERS for part in inside.parts):
            continue
        if not path.is_file():
            continue
        if path.suffix.lower() not in ENDINGS:
            left_out[_shown(path.suffix.lower())] += 1
            continue
        clip_id = inside.with_suffix("").as_posix()
        if not _is_text(clip_id):
            unnamed.append(_shown(inside.as_posix()))
            continue
        if clip_id in found:
            raise ValueError(f"{found[clip_id]} and {path} would be one clip. Rename one of them.")
        found[clip_id] = path
    if not found and not unnamed:
        raise FileNotFoundError(f"There is no video or sound file in {place}.")
    clips = [Clip(clip_id, path, None) for clip_id, path in found.items()]
    return Footage(place.resolve().name, clips, tuple(unnamed), tuple(sorted(left_out.items())))


def _is_text(name: str) -> bool:
    """False for a name whose bytes are not UTF-8; Python keeps those as lone surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def _shown(name: str) -> str:
    """The name with such bytes as \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")

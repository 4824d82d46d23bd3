"""The clips that a command is about: of a data set, or of a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from musicavqa.datasets import NAMES, dataset, load_dataset
from musicavqa.records import Clip

PICTURES = {
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv",
}  # fmt: skip
SOUNDS = {".wav", ".mp3", ".flac", ".m4a", ".ogg", ".opus", ".aac"}


def footage(
    set_or_folder: str, data: Path, splits: Sequence[str] | None = None
) -> tuple[str, list[Clip]]:
    """Name in the store, and clips: those of a data set under `data`, or every file in a folder."""
    if set_or_folder in NAMES:
        return set_or_folder, clips_of(set_or_folder, data, splits)
    place = Path(set_or_folder)
    if not place.is_dir():
        raise FileNotFoundError(
            f"{set_or_folder!r} is neither a data set ({', '.join(NAMES)}) nor a folder."
        )
    if splits:
        raise ValueError(f"A folder has no splits (got {', '.join(splits)}); name a data set.")
    return place.resolve().name, files_in(place)


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


def files_in(place: Path) -> list[Clip]:
    """Every media file under `place`, sorted; its id is its path in there without ending."""
    if any(place.glob("*/scenes.jsonl")):
        raise ValueError(
            f"{place} holds rendered splits, whose clips have ids of their own. "
            f"Run: musicavqa features extract bandstand --data {place}"
        )
    found: dict[str, Path] = {}
    for path in sorted(place.rglob("*")):
        if path.suffix.lower() not in PICTURES | SOUNDS or not path.is_file():
            continue
        clip_id = path.relative_to(place).with_suffix("").as_posix()
        if clip_id in found:
            raise ValueError(f"{found[clip_id]} and {path} would be one clip. Rename one of them.")
        found[clip_id] = path
    if not found:
        raise FileNotFoundError(f"There is no video or sound file in {place}.")
    return [Clip(clip_id, path, None) for clip_id, path in found.items()]

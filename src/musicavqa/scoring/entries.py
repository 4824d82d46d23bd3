"""What a leaderboard is made of: every prediction file that the named places hold, by set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.training import runs

Place = str | Path | tuple[str | None, Path]
"""A run folder or prediction file; with a name as 'NAME=PATH' or (name, path)."""


@dataclass(frozen=True)
class Entry:
    """One prediction file."""

    path: Path
    asked: str
    """'set/split'."""
    name: str | None
    """What it was called; None leaves that to its run or its file."""


def named(places: Sequence[Place]) -> list[tuple[str | None, Path]]:
    """Name, if any, and path of each place; a text that is a path as a whole has no name."""
    return [_named(place) for place in places]


def _named(place: Place) -> tuple[str | None, Path]:
    if isinstance(place, tuple):
        return place
    if isinstance(place, Path):
        return None, place
    name, sign, rest = place.partition("=")
    is_path = not sign or Path(place).exists()
    return (None, Path(place)) if is_path else (name, Path(rest))


def find_entries(
    places: Sequence[Place], set_name: str | None = None, split: str | None = None
) -> dict[str, list[Entry]]:
    """'set/split' -> its prediction files, in the order named; None takes every set and split.

    ValueError where nothing is left, FileNotFoundError where a place is not there.
    """
    boards: dict[str, list[Entry]] = {}
    for name, place in named(places):
        for path in _files(place):
            found = runs.answered(path)
            if set_name in (None, found.set_name) and split in (None, found.split):
                asked = f"{found.set_name}/{found.split}"
                boards.setdefault(asked, []).append(Entry(path, asked, name))
    if not boards:
        wanted = "/".join(filter(None, (set_name, split))) or "any set"
        raise ValueError(f"None of {len(places)} places has predictions of {wanted}.")
    return boards


def folder_of(data: Path | Mapping[str, Path], asked: str) -> Path:
    """Where the data set of 'set/split' lies; ValueError where nobody said it."""
    if isinstance(data, str | Path):
        return Path(data)
    name = asked.partition("/")[0]
    if name not in data and "" not in data:
        raise ValueError(f"Where is {name}? Say --data {name}=FOLDER.")
    return data.get(name, data.get("", Path()))


def _files(place: Path) -> list[Path]:
    """The prediction files of a run folder, or the file itself."""
    if not place.is_dir():
        if not place.is_file():
            raise FileNotFoundError(f"There is no run folder or prediction file {place}.")
        return [place]
    runs.about(place)
    found = sorted(place.glob("predictions.*.jsonl"))
    if not found:
        raise FileNotFoundError(f"{place} has no predictions. Run: musicavqa predict {place}")
    return found

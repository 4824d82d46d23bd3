"""Write files so that nobody ever sees half of one, and where this machine keeps a cache."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CACHE_HINT = "Set MUSICAVQA_CACHE to a folder that can be written."


def cache_folder() -> Path:
    """$MUSICAVQA_CACHE, or ~/.cache/musicavqa; OSError where none can be there."""
    given = os.environ.get("MUSICAVQA_CACHE") or "~/.cache/musicavqa"
    try:
        place = Path(given).expanduser()
    except RuntimeError:  # nobody's home
        place = Path(given)
    if str(place).startswith("~") or not (place.is_absolute() or os.environ.get("MUSICAVQA_CACHE")):
        raise OSError(f"{given} cannot be found, as there is no home folder. {CACHE_HINT}")
    there = next(folder for folder in (place, *place.absolute().parents) if folder.exists())
    if not there.is_dir() or (there != place and not os.access(there, os.W_OK | os.X_OK)):
        raise OSError(f"{place} cannot be made in {there}. {CACHE_HINT}")
    return place


def as_spelled(path: Path) -> Path:
    """The same path with its letters composed or decomposed as they are on the disk.

    An é is one letter in one system's names and an e with an accent in another's.
    """
    if path.exists():
        return path
    folder = as_spelled(path.parent) if path.parent != path else path
    if not folder.is_dir():
        return path
    alike = [name for name in os.listdir(folder) if composed(name) == composed(path.name)]
    return folder / alike[0] if alike else path


def composed(text: str) -> str:
    """The text with every accent in its letter, so that two spellings of one name are equal."""
    return unicodedata.normalize("NFC", text)


def separator(text: str) -> str:
    """The sign that parts the cells of a table: spreadsheets of many countries write semicolons."""
    header = re.sub(r'"[^"]*"', "", text.partition("\n")[0])
    return max(",;\t", key=header.count)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when all went well."""
    part = path.with_name(path.name + ".part")
    yield part
    os.replace(part, path)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")

"""Write files so that nobody ever sees half of one, and where this machine keeps a cache."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from musicavqa.processes import has_ended, machine

PART = ".part"
"""Ends the names of files and folders that are not finished."""
OLD_S = 3600.0
"""Of another machine, what was not touched for so long is nobody's."""
MARK_BYTES = 65536
LONGEST_NAME = 150
_LEFT = re.compile(rf".+\.(?P<machine>[0-9a-f]{{8}})-(?P<pid>\d{{1,9}})-[0-9a-f]{{8}}\{PART}")
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{d}{i}" for d in ("COM", "LPT") for i in range(1, 10))}

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
    """A temporary path beside `path` to write to; on the disk, and renamed, when all went well.

    Each writer has a temporary name of its own. It goes when something went wrong; what killed
    processes left in the folder goes with the first file that this process writes there.
    """
    part = _beside(path)
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def create(path: Path, data: bytes) -> bool:
    """Write a file that nobody has written yet, whole from its first moment; False if it exists."""
    part = _beside(path)
    try:
        part.write_bytes(data)
        _link_or_copy(part, path)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    return True


def _link_or_copy(part: Path, path: Path) -> None:
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: there the file is empty for a moment
        with path.open("xb") as file:
            file.write(part.read_bytes())


@contextmanager
def temporary_folder(beside: Path) -> Iterator[Path]:
    """A new folder beside this path; it goes at the end, or with the next one after a kill."""
    folder = _beside(beside)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_name(clip_id: str) -> str:
    """A name in one folder for any id: no part of a path, and different for different ids.

    Letters, digits and `-_. @+,` stay as they are, anything else becomes %XX. `id_of` goes back,
    but for ids with more than 150 letters, of which a hash is kept.
    """
    name = quote(clip_id.encode("utf-8", "surrogatepass"), safe=" @+,")
    if len(name) > LONGEST_NAME:
        digest = hashlib.sha256(clip_id.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[:100]}%~{digest[:32]}"
    stem = name.partition(".")[0].upper()
    if not name or name[0] in ". " or stem in _DEVICES:
        first = name[:1].encode().hex().upper() or "00"
        name = f"%{first}{name[1:]}"
    return f"{name[:-1]}%{ord(name[-1]):02X}" if name[-1] in ". " else name


def id_of(name: str) -> str:
    """The id that `file_name` made this name from."""
    return unquote_to_bytes(name.encode()).decode("utf-8", "surrogatepass")


def mark_of(path: Path) -> str | None:
    """Size of a file and a hash of its beginning, middle and end.

    It tells another recording from the same one at the cost of three reads, however long it is.
    None where there is no file, or none that may be read: whoever reads it says so.
    """
    mark = hashlib.sha256()
    try:
        if not path.is_file():
            return None
        size = path.stat().st_size
        with path.open("rb") as file:
            for start in (0, (size - MARK_BYTES) // 2, size - MARK_BYTES):
                file.seek(max(0, start))
                mark.update(file.read(MARK_BYTES))
    except OSError:
        return None
    return f"{size}-{mark.hexdigest()[:16]}"


def _beside(path: Path) -> Path:
    """A temporary name of this process, which `_sweep` knows again."""
    _sweep(path.parent)
    return path.with_name(f"{path.name}.{_mark()}-{os.getpid()}-{secrets.token_hex(4)}{PART}")


@cache
def _sweep(folder: Path) -> None:
    """Remove what writers left that surely write no more; once for each folder and process."""
    for path in folder.glob(f"*{PART}") if folder.is_dir() else ():
        made = _LEFT.fullmatch(path.name)
        if made is None:
            continue
        if made["machine"] == _mark() and not has_ended(int(made["pid"])):
            continue
        with suppress(OSError):  # somebody else's, or gone just now
            if made["machine"] != _mark() and time.time() - path.lstat().st_mtime < OLD_S:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@cache
def _mark() -> str:
    return hashlib.sha256(machine().encode()).hexdigest()[:8]


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text holds; ValueError where it is none, or names one thing twice."""
    try:
        return json.loads(text, object_pairs_hook=_each_once)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def read_json(path: Path) -> Any:
    """The value in a JSON file; FileNotFoundError, or ValueError that names the file."""
    try:
        return parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is no JSON that can be read, or damaged: {error}.") from error


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it names {twice!r} twice")
    return found


def drop_cut_line(path: Path) -> None:
    """Cut off a last line without its end, which a killed run may leave."""
    if not path.exists():
        return
    whole = whole_lines(path.read_bytes())
    if len(whole) < path.stat().st_size:
        with replacing(path) as part:
            part.write_bytes(whole)


def whole_lines(content: bytes) -> bytes:
    """Up to the last end of a line."""
    return content[: content.rfind(b"\n") + 1]


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")

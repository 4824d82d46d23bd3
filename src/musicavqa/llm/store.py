"""Everything that came of asking, line by line in a file that is only ever added to.

A line is on the disk before the next question is asked, so a run that is killed loses at most the
questions that were under way. Every line names, by `mark`, all that its answer was made from: what
was asked, the bytes of the clip, what was taken of it, the prompt, the model and its arguments.
What has another mark is another answer and is not used. Errors are lines too: they tell what
happened, count as nothing, and the question is asked again by the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from musicavqa.features.store import folder as place
from musicavqa.features.store.claims import waited_for
from musicavqa.files import drop_cut_line, parse_json, whole_lines
from musicavqa.records import BusyWarning

VERSION = 1
STATUSES = ("answered", "refused", "error", "no media")


@dataclass(frozen=True)
class Source:
    """All that decides one answer."""

    data: str
    """Hash of the question: its key, clip, words and sound."""
    media: str
    """Hash of all bytes of the clip, and of the file its sound is from; '' where none is used."""
    policy: str
    prompt: str
    model: str
    way: str
    generation: str

    def mark(self) -> str:
        """One hash of all of it."""
        text = json.dumps([VERSION, *vars(self).values()])
        return hashlib.sha256(text.encode()).hexdigest()[:24]


def hash_of(value: Any) -> str:
    """Short hash of a value of JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def bytes_of(path: Path) -> str:
    """Hash of every byte of a file, read once for each state of it."""
    state = path.stat()
    return _bytes_of(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1 << 16)
def _bytes_of(path: Path, size: int, changed_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:24]


class Records:
    """The lines of one file, by mark; `add` writes some more and returns when they are on the disk.

    `check` is called before each writing and raises where the file is another's by now.
    """

    def __init__(self, path: Path, check: Callable[[], None] = lambda: None) -> None:
        self.path, self.check = path, check
        self.lock = threading.Lock()
        self.by_mark: dict[str, dict[str, Any]] = {}
        self.n_lines = 0
        for record in read_records(path):
            self._keep(record)

    def __getitem__(self, mark: str) -> dict[str, Any] | None:
        """What came of asking this last: an answer stays one, whatever came later."""
        return self.by_mark.get(mark)

    def is_done(self, mark: str) -> bool:
        """Whether there is something else than an error."""
        found = self.by_mark.get(mark)
        return found is not None and found["status"] != "error"

    def add(self, *records: Mapping[str, Any]) -> None:
        """Write a line for each, whole and on the disk."""
        for record in records:
            if record["status"] not in STATUSES:
                raise ValueError(f"A record has no status {record['status']!r}; one of {STATUSES}.")
        lines = [
            json.dumps({"v": VERSION, **record}, ensure_ascii=False, allow_nan=False) + "\n"
            for record in records
        ]
        with self.lock:
            self.check()
            with self.path.open("a", encoding="utf-8", newline="\n") as file:
                file.writelines(lines)
                file.flush()
                os.fsync(file.fileno())
            for record in records:
                self._keep(dict(record))

    def _keep(self, record: dict[str, Any]) -> None:
        self.n_lines += 1
        was = self.by_mark.get(record["mark"])
        if was is None or was["status"] == "error":
            self.by_mark[record["mark"]] = record


@contextmanager
def writing(path: Path) -> Iterator[Records]:
    """The records at `path`, held by this process alone; others wait (BusyWarning)."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def wait_for(owner: str) -> None:
        warnings.warn(BusyWarning(f"{path} is being written by {owner}; waiting."), stacklevel=4)

    with waited_for(place(path.parent), path.name, wait_for) as claim:
        drop_cut_line(path)
        yield Records(path, claim.check)


def read_records(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line; ValueError names the first that is none."""
    content = whole_lines(path.read_bytes()) if path.exists() else b""
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = parse_json(line.decode("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}:{number} is damaged ({error}). Delete that line.") from None
        known = isinstance(record, dict) and record.get("v") == VERSION
        if (
            not known
            or not isinstance(record.get("mark"), str)
            or record.get("status") not in STATUSES
        ):
            raise ValueError(f"{path}:{number} is no record of this version. Begin another folder.")
        yield record

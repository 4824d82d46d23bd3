"""Many files asked the same questions: one document a file, appended as it is made.

The file of documents is the state: what it holds of a file that is still the same, by the same
checkpoint and the same questions, is not done again; a failure is tried again.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from musicavqa.ask.documents import VERSION, answers, failure
from musicavqa.ask.sensing import Tell
from musicavqa.features.store import folder
from musicavqa.features.store.claims import waited_for
from musicavqa.files import drop_cut_line, mark_of, parse_json, whole_lines
from musicavqa.media import LIMITS, Limits
from musicavqa.records import BusyWarning
from musicavqa.workers import Tick, do_all


@dataclass(frozen=True)
class Errand:
    """What is done with each file."""

    questions: tuple[str, ...]
    checkpoint: Path
    method_file: Path | None = None
    limits: Limits = LIMITS
    music: bool = False
    """Tempo, beats and key, too."""


def ask_each(files: Sequence[Path], errand: Errand, workers: int = 1) -> Iterator[dict[str, Any]]:
    """A document of each file, when it is there.

    A file that cannot be read, or that kills its worker twice, gets a document that says so; the
    others go on.
    """
    yield from do_all(partial(_ask_one, errand), files, workers, str, _lost)


def continue_documents(
    path: Path,
    files: Sequence[Path],
    errand: Errand,
    workers: int = 1,
    tell: Tell = lambda done, total: None,
) -> list[dict[str, Any]]:
    """All documents at `path`, once those of `files` that it lacked were made and added.

    Each is on the disk before the next file is begun. `tell` is told files done, and of how many.
    """
    with _appending(path) as append:
        documents = read_documents(path)
        todo = missing(files, errand, documents)
        n_before = len(files) - len(todo)
        tell(n_before, len(files))
        for n, document in enumerate(ask_each(todo, errand, workers), n_before + 1):
            append(document)
            documents.append(document)
            tell(n, len(files))
    return documents


def latest(documents: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The last document of each file, by its name."""
    return {document["file"]: document for document in documents}


def failures(files: Sequence[Path], documents: Iterable[dict[str, Any]]) -> list[str]:
    """Those of the files that could not be read, and why."""
    newest = latest(documents)
    found = [newest[str(path)] for path in files]
    return [f"{one['file']}: {one['error']['message']}" for one in found if "error" in one]


def _lost(path: Path, why: str) -> dict[str, Any]:
    return failure(path, f"the process that read it {why} twice")


def missing(files: Sequence[Path], errand: Errand, done: Sequence[dict[str, Any]]) -> list[Path]:
    """Files whose answers are not among the documents `done`."""
    from musicavqa.methods.registry import checkpoint_file

    made_by = mark_of(checkpoint_file(errand.checkpoint))
    there = {
        (document["file"], document["mark"])
        for document in done
        if "replies" in document
        and document["checkpoint"]["mark"] == made_by
        and tuple(reply["question"] for reply in document["replies"]) == errand.questions
        and not (errand.music and document["reading"] and document.get("music") is None)
    }
    return [path for path in files if (str(path), mark_of(path)) not in there]


def _ask_one(errand: Errand, path: Path, tick: Tick) -> dict[str, Any]:
    from musicavqa.ask.asking import listen_and_look

    try:
        performance = listen_and_look(
            path, errand.checkpoint, errand.method_file, limits=errand.limits
        )
        return answers(path, performance, performance.ask(errand.questions), errand.music)
    except (ValueError, OSError, MemoryError) as error:
        return failure(path, error)


def read_documents(path: Path) -> list[dict[str, Any]]:
    """All documents of a file; none where there is none. A line that was cut is left out.

    ValueError for a file that holds anything else.
    """
    if not path.exists():
        return []
    lines = whole_lines(path.read_bytes()).splitlines()
    documents = []
    for number, line in enumerate(lines, start=1):
        try:
            document = parse_json(line)
            if document["version"] != VERSION or not {"file", "mark"} <= document.keys():
                raise ValueError(f"version {document['version']}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} line {number} is no document of version {VERSION} ({error}). "
                "Give another --out."
            ) from error
        documents.append(document)
    return documents


@contextmanager
def _appending(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Hold the right to add documents to a file, which one process has at a time, and say how."""
    path.parent.mkdir(parents=True, exist_ok=True)

    def wait_for(owner: str) -> None:
        warnings.warn(BusyWarning(f"{path} is being written by {owner}; waiting."), stacklevel=4)

    with waited_for(folder(path.parent), path.name, wait_for) as claim:
        drop_cut_line(path)

        def append(document: dict[str, Any]) -> None:
            claim.check()
            with path.open("ab") as file:
                file.write(json.dumps(document, allow_nan=False).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

        yield append


def read_questions(path: Path) -> tuple[str, ...]:
    """Questions of a text file, one a line, without empty lines and those that begin with #.

    FileNotFoundError where there is none, ValueError where it holds no question, or no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of questions {path}.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 (byte {error.start}). Save it so.") from None
    lines = [line.strip() for line in text.splitlines()]
    questions = tuple(line for line in lines if line and not line.startswith("#"))
    if not questions:
        raise ValueError(f"{path} holds no question; write one a line.")
    return questions

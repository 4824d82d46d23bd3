"""`ask --questions FILE`: the same questions to many files, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import tell_first, told_counts
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.media import Limits


def ask_many(
    places: Sequence[Path],
    questions_file: Path,
    out: Path | None,
    checkpoint: Path,
    method_file: Path | None,
    limits: Limits,
    workers: int,
) -> None:
    """Ask every file; documents go to `out`, or to stdout. Exit code 1 where a file failed."""
    from musicavqa.ask.many import Errand, ask_each, missing, read_documents, read_questions

    files = files_of(places)
    errand = Errand(read_questions(questions_file), checkpoint, method_file, limits)
    failed: list[str] = []
    with told_counts(), _documents_to(out) as append, progress("asking", "files") as tell:
        done = read_documents(out) if out is not None else []
        n_before = len(files) - len(missing(files, errand, done))
        tell(n_before, len(files))
        for n, document in enumerate(ask_each(files, errand, done, workers), n_before + 1):
            append(document)
            if "error" in document:
                failed.append(f"{document['file']}: {document['error']['message']}")
            tell(n, len(files))
    tell_first(f"not answered, of {len(files)} files", failed)
    if out is not None:
        say(str(out))
    if failed:
        raise typer.Exit(1)


def files_of(places: Sequence[Path]) -> list[Path]:
    """The files, and those in the folders; what is passed by is said on stderr."""
    from musicavqa.datasets.footage import files_in

    found: dict[Path, None] = {}
    for place in places:
        if not place.is_dir():
            found[place] = None
            continue
        inside = files_in(place)
        found |= dict.fromkeys(clip.path for clip in inside.clips if clip.path is not None)
        tell_first("passed by, as their names are not text in UTF-8", inside.unnamed)
        if inside.left_out_line:
            say(inside.left_out_line, error=True)
    return list(found)


@contextmanager
def _documents_to(out: Path | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    from musicavqa.ask.many import appending

    if out is None:
        yield lambda document: say(json.dumps(document, allow_nan=False))
        return
    with appending(out) as append:
        yield append

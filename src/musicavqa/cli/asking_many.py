"""`ask --questions FILE`: the same questions to many files, as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import tell_first, told_counts
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.ask.many import Errand


def ask_many(places: Sequence[Path], errand: Errand, out: Path | None, workers: int) -> None:
    """Ask every file; documents go to `out`, or to stdout. Exit code 1 where a file failed."""
    from musicavqa.ask import many

    files = files_of(places)
    with told_counts(), progress("asking", "files") as tell:
        if out is None:
            documents = []
            for document in many.ask_each(files, errand, workers):
                say(json.dumps(document, allow_nan=False))
                documents.append(document)
                tell(len(documents), len(files))
        else:
            documents = many.continue_documents(out, files, errand, workers, tell)
    failed = many.failures(files, documents)
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

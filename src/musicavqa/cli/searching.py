"""`search`: which files have what is asked for, why, and when in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.asking_many import files_of
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    MAX_MEMORY,
    MAX_SECONDS,
    Json,
    MaxMemory,
    MaxSeconds,
    Workers,
    app,
    limits,
    tell_first,
    told_counts,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.ask.searching import Hit

FITS = 0.01
"""Where no file fits better than this, it is said."""
NOTHING_SHARED = "no instrument in common"


@app.command()
def search(
    folder: Annotated[Path, typer.Argument(help="Folder of videos, at any depth.")],
    query: Annotated[
        str | None, typer.Argument(help='What is wanted: "solo cello, no drums".')
    ] = None,
    like: Annotated[Path | None, typer.Option(help="Instead: find files like this one.")] = None,
    index: Annotated[
        Path | None,
        typer.Option(help="File of readings; default: features/NAME/readings.jsonl."),
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="How many are shown.")] = 10,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
    workers: Workers = 1,
    max_seconds: MaxSeconds = MAX_SECONDS,
    max_memory: MaxMemory = MAX_MEMORY,
    as_json: Json = False,
) -> None:
    """Rank the files of a folder by what is heard and seen in them; each is read once."""
    from musicavqa.ask.asking import DEFAULT_CHECKPOINT
    from musicavqa.ask.searching import search as find
    from musicavqa.ask.searching import unread

    if not folder.is_dir():
        raise FileNotFoundError(f"There is no folder {folder} to search.")
    files = files_of([folder])
    place = index or Path("features") / folder.resolve().name / "readings.jsonl"
    with told_counts(), progress("reading", "files") as tell:
        hits = find(
            files,
            query,
            like=like,
            index=place,
            checkpoint=checkpoint or DEFAULT_CHECKPOINT,
            workers=workers,
            limits=limits(max_seconds, max_memory),
            tell=tell,
        )
    tell_first(f"not read, of {len(files)} files", unread(files, place))
    if as_json:
        say(json.dumps([hit.as_dict() for hit in hits[:most]], indent=1))
        return
    for line in _lines(hits[:most]):
        say(line)
    say(f"{len(hits)} files in {place}", error=True)


def _lines(hits: Sequence[Hit]) -> Iterator[str]:
    """Two for each file, the best first; one before them where none fits."""
    if hits and hits[0].score < FITS:
        yield f"No file fits ({FITS:.0%} or more); the nearest:"
    for hit in hits:
        yield f"{hit.score:6.1%}  {hit.file}"
        yield f"        {'; '.join(reason.text for reason in hit.reasons) or NOTHING_SHARED}"

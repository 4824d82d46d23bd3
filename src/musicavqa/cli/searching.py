"""`search`: which files have what is asked for, why, and when in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    from musicavqa.ask.many import Errand


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
    from musicavqa.ask.many import Errand
    from musicavqa.ask.query import parse_query
    from musicavqa.ask.searching import search as ranked
    from musicavqa.ask.searching import search_like

    if (query is None) == (like is None):
        raise ValueError("Say what is wanted, or --like FILE; one of the two.")
    terms = () if query is None else parse_query(query)
    errand = Errand((), checkpoint or DEFAULT_CHECKPOINT, limits=limits(max_seconds, max_memory))
    wanted = [like] if like is not None else []
    place = index or Path("features") / folder.resolve().name / "readings.jsonl"
    documents = _readings(folder, wanted, errand, place, workers)
    if like is not None:
        example = documents.pop(str(like), None)
        if example is None:
            raise ValueError(f"{like} could not be read, so nothing is like it.")
        hits = search_like(list(documents.values()), example)
    else:
        hits = ranked(list(documents.values()), terms)
    if as_json:
        say(json.dumps([hit.as_dict() for hit in hits[:most]], indent=1))
        return
    for hit in hits[:most]:
        reasons = "; ".join(reason.text for reason in hit.reasons)
        say(f"{hit.score:6.1%}  {hit.file}\n        {reasons}")
    say(f"{len(hits)} files in {place}", error=True)


def _readings(
    folder: Path, wanted: list[Path], errand: Errand, place: Path, workers: int
) -> dict[str, dict[str, Any]]:
    """The latest document of each file, read now where there is none."""
    from musicavqa.ask.many import appending, ask_each, missing, read_documents

    files = list(dict.fromkeys([*files_of([folder]), *wanted]))
    with told_counts(), appending(place) as append, progress("reading", "files") as tell:
        documents = read_documents(place)
        n_before = len(files) - len(missing(files, errand, documents))
        tell(n_before, len(files))
        for n, document in enumerate(ask_each(files, errand, documents, workers), n_before + 1):
            append(document)
            documents.append(document)
            tell(n, len(files))
    latest = {document["file"]: document for document in documents}
    failed = [
        f"{path}: {latest[str(path)]['error']['message']}"
        for path in files
        if "error" in latest[str(path)]
    ]
    tell_first(f"not read, of {len(files)} files", failed)
    return {str(p): latest[str(p)] for p in files if latest[str(p)].get("reading") is not None}

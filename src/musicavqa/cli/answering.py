"""`ask` and `doctor`: what a person with one video needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.cli.shared import Json, app


@app.command()
def ask(
    video: Annotated[Path, typer.Argument(help="Any video file with sound.")],
    questions: Annotated[list[str], typer.Argument(help="One or more questions.")],
    evidence: Annotated[
        Path | None, typer.Option(help="Draw when and where (png, pdf or svg).")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer questions about a performance: answer, confidence, when and where."""
    from musicavqa import asking

    _check_picture(evidence)
    performance = asking.listen_and_look(video, checkpoint or asking.DEFAULT_CHECKPOINT)
    replies = performance.ask(questions)
    pictures = _draw(performance.media, replies, evidence)
    if as_json:
        print(json.dumps([reply.as_dict() for reply in replies], indent=1))
    else:
        for reply in replies:
            print(_describe(reply))
        print(asking.caveat(replies))
    for picture in pictures:
        print(f"evidence: {picture}", file=sys.stderr if as_json else sys.stdout)
    if all(reply.answer is None for reply in replies):
        raise typer.Exit(1)


@app.command()
def doctor(
    fetch: Annotated[bool, typer.Option("--fetch", help="Fetch all weights now.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed and which weights are here; `--fetch` gets the missing ones."""
    from musicavqa.encoders import weights

    if fetch:
        weights.fetch_all()
    rows = weights.weight_report()
    if as_json:
        print(json.dumps(rows, indent=1, default=str))
        return
    for row in rows:
        mark = "here   " if row["present"] else "missing"
        print(f"{mark}  {row['name']:14} {row['licence']:12} {row['path']}")
    if any(not row["present"] for row in rows):
        print("Missing weights are fetched when first needed, or now: musicavqa doctor --fetch")


def _describe(reply: Any) -> str:
    if reply.answer is None:
        near = "".join(f"\n  - {text}" for text in reply.suggestions)
        return f"{reply.question}\n  I cannot answer that. The closest questions I can:{near}"
    lines = [
        reply.question,
        f"  {reply.answer}  ({reply.confidence:.0%}; "
        f"next: {reply.runner_up} {reply.runner_up_confidence:.0%})",
        f"  heard and seen mostly in seconds {reply.when[0]} to {reply.when[1]}, "
        f"picture x {reply.where[0]:.0%}-{reply.where[2]:.0%}, "
        f"y {reply.where[1]:.0%}-{reply.where[3]:.0%} (from the top left)",
    ]
    if reply.understood != reply.question:
        unused = f"; without: {', '.join(reply.unused)}" if reply.unused else ""
        match = f"match {reply.similarity:.2f}{unused}"
        lines.insert(1, f"  understood as: {reply.understood}  ({match})")
    return "\n".join(lines)


def _check_picture(path: Path | None) -> None:
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--evidence takes a .png, .pdf or .svg file, got {path}.")


def _draw(media: Any, replies: list[Any], path: Path | None) -> list[Path]:
    if path is None:
        return []
    from musicavqa.explain.timeline import draw

    answered = [reply for reply in replies if reply.answer is not None]
    made = []
    for number, reply in enumerate(answered, start=1):
        target = path if len(answered) == 1 else path.with_stem(f"{path.stem}-{number}")
        draw(media, reply, target)
        made.append(target)
    return made

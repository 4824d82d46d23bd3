"""`serve`: the page on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.shared import MaxMemory, app, limits
from musicavqa.terminal import say


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; others reach only that.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: one that is free.")] = 8421,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of this machine that browsers may ask by."),
    ] = None,
    max_upload: Annotated[str, typer.Option(help="Largest file, such as 500M or 2G.")] = "500M",
    max_seconds: Annotated[
        float,
        typer.Option(min=1.0, help="Read so much of a file at most; what is left out is said."),
    ] = 600.0,
    max_memory: MaxMemory = "1G",
    max_work: Annotated[float, typer.Option(min=1.0, help="Seconds that a request may take.")] = (
        300.0
    ),
    max_waiting: Annotated[int, typer.Option(min=1, help="Requests in the queue.")] = 8,
    keep: Annotated[float, typer.Option(min=1.0, help="Seconds that readings are kept.")] = 1800.0,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
) -> None:
    """A page in the browser: drop a video, see who plays when, ask. Ctrl-C ends it."""
    from musicavqa.ask import asking
    from musicavqa.methods.registry import checkpoint_file
    from musicavqa.serve import running
    from musicavqa.serve.settings import Settings

    run = checkpoint or asking.DEFAULT_CHECKPOINT
    checkpoint_file(run)
    settings = Settings(
        checkpoint=run,
        most_bytes=_bytes(max_upload),
        most_s=max_seconds,
        memory_bytes=limits(max_seconds, max_memory).n_bytes,
        work_s=max_work,
        keep_s=keep,
        waiting=max_waiting,
        names=frozenset(names or ()),
    )
    if not running.is_local(host):
        say(f"warning: whoever reaches {host} can use this page; it knows no users.", error=True)
    running.serve(host, port, settings, lambda address: say(address))


def _bytes(size: str) -> int:
    try:
        return limits(1.0, size).n_bytes
    except ValueError:
        raise ValueError(f"--max-upload is {size!r}; give a size such as 500M or 2G.") from None

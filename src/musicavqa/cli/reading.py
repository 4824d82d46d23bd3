"""`read`: what is seen and heard in a video, without a question."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    MAX_MEMORY,
    MAX_SECONDS,
    Device,
    Json,
    MaxMemory,
    MaxSeconds,
    app,
    limits,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.ask.asking import Performance
    from musicavqa.ask.lanes import Score

WIDEST = 120
"""Columns of the score on a terminal that is wider."""


@app.command("read")
def read_performance(
    video: Annotated[Path, typer.Argument(help="Any video or sound file.")],
    picture: Annotated[
        Path | None, typer.Option(help="Draw the score under key frames (png, pdf or svg).")
    ] = None,
    music: Annotated[bool, typer.Option(help="Tempo, beats and key, too.")] = True,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Another trained run; default: the one shipped.")
    ] = None,
    max_seconds: MaxSeconds = MAX_SECONDS,
    max_memory: MaxMemory = MAX_MEMORY,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Print a short score: who is seen, who sounds when, how loud and fast, how surely."""
    from musicavqa.ask import asking
    from musicavqa.ask.lanes import score_of
    from musicavqa.ask.music import Music, read_music
    from musicavqa.ask.reading import plain, reading_in
    from musicavqa.ask.score_text import written

    _check_picture(picture)
    most = limits(max_seconds, max_memory)
    with progress("listening and looking", "s") as tell:
        performance = asking.listen_and_look(
            video, checkpoint or asking.DEFAULT_CHECKPOINT, limits=most, device=device, tell=tell
        )
    reading, account = reading_in(performance), performance.account
    score = score_of(reading)
    if music:
        heard = read_music(video, account, reading.has_sound, most)
    else:
        heard = Music(left_out="as --no-music says")
    if as_json:
        parts = {"reading": plain(reading), "score": score.as_dict(), "music": heard.as_dict()}
        say(json.dumps({"media": account.as_dict(), **parts}, allow_nan=False))
    else:
        columns = min(WIDEST, shutil.get_terminal_size().columns)
        say(written(score, heard, columns, _marks()))
        say(f"\nfile: {account.line}\n{asking.CAVEAT}")
    if picture is not None:
        _draw(score, performance, picture)
        say(f"score: {picture}", error=as_json)


def _marks() -> str:
    """Blocks, or letters where stdout cannot write blocks."""
    from musicavqa.ask.score_text import BLOCKS, LETTERS

    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return LETTERS
    return BLOCKS


def _check_picture(path: Path | None) -> None:
    if path is not None and path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ValueError(f"--picture takes a .png, .pdf or .svg file, got {path}.")


def _draw(score: Score, performance: Performance, path: Path) -> None:
    from musicavqa.ask.score_picture import draw_score

    try:
        draw_score(score, performance.shown, performance.account.aspect, path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise OSError(f"The score could not be drawn to {path} ({reason}).") from None

"""What is said of one file, for machines: one versioned document for the command line and for HTTP.

`answers.schema.json` beside this file describes it (JSON Schema 2020-12); docs/answers.md explains.
A version only ever gains fields; a field that changes its meaning makes a new version.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicavqa.files import mark_of, parse_json

if TYPE_CHECKING:
    from musicavqa.ask.asking import Performance, Reply
    from musicavqa.ask.lanes import Score

VERSION = 1


def answers(
    path: Path | str, performance: Performance, replies: Sequence[Reply], music: bool = False
) -> dict[str, Any]:
    """The document of a file that was read and asked; for `music` it is listened to once more."""
    score = performance.score
    return {
        **_about(path),
        "checkpoint": performance.checkpoint.identity,
        "media": performance.account.as_dict(),
        "reading": None if score is None else in_short(score),
        "music": _music(performance) if music else None,
        "replies": [reply.as_dict() for reply in replies],
    }


def _music(performance: Performance) -> dict[str, Any] | None:
    """Tempo, beats and key; weights that are not here leave the answers as they are."""
    from musicavqa.ask.music import Music

    if performance.music is None:
        return None
    try:
        return performance.music().as_dict()
    except FileNotFoundError as error:
        return Music(left_out=" ".join(str(error).split())).as_dict()


def failure(path: Path | str, error: BaseException | str) -> dict[str, Any]:
    """The document of a file that could not be read; the message is one line."""
    from musicavqa.terminal import plain

    kind = "Killed" if isinstance(error, str) else type(error).__name__
    return {**_about(path), "error": {"kind": kind, "message": " ".join(plain(error).split())}}


def _about(path: Path | str) -> dict[str, Any]:
    return {"version": VERSION, "file": str(path), "mark": mark_of(Path(path))}


def in_short(score: Score) -> dict[str, Any]:
    """What a document has of a reading: its lanes, and facts that belong to nobody in it."""
    reading = score.reading
    return {
        **score.as_dict(),
        "duration_s": round(reading.duration_s, 3),
        "voiceover": round(float(reading.voiceover), 4),
        "outdoor": round(float(reading.outdoor), 4),
        "has_sound": bool(reading.has_sound),
        "has_picture": bool(reading.has_picture),
    }


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of a document."""
    text = files("musicavqa.ask").joinpath("answers.schema.json").read_text(encoding="utf-8")
    found: dict[str, Any] = parse_json(text)
    return found

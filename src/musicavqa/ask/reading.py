"""Read a video file: who is seen, who sounds when, without a question."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.ask.asking import DEFAULT_CHECKPOINT, Performance, listen_and_look
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading

if TYPE_CHECKING:
    from musicavqa.media import Limits

DIGITS = 4


def read(
    path: Path | str, checkpoint: Path = DEFAULT_CHECKPOINT, limits: Limits | None = None
) -> Reading:
    """What is perceived of a video file, offline; see `Reading`.

    ValueError where the method of this checkpoint makes no reading; else raises as `ask` does.
    """
    return reading_in(listen_and_look(path, checkpoint, limits=limits))


def reading_in(performance: Performance) -> Reading:
    """The reading of a performance; ValueError where its method makes none."""
    if performance.reading is None:
        name = performance.checkpoint.method.name
        raise ValueError(f"The method {name!r} makes no reading. Give a run of bandleader.")
    return performance.reading


def plain(reading: Reading) -> dict[str, object]:
    """The reading for machines: plain numbers, rounded, and the order of the instruments."""
    values = {f.name: _plain(getattr(reading, f.name)) for f in fields(reading)}
    seen = [
        {**{f.name: _plain(getattr(one, f.name)) for f in fields(one)}, "box": _plain(one.box)}
        for one in reading.seen
    ]
    return {"instruments": list(INSTRUMENTS), **values, "seen": seen}


def _plain(value: object) -> object:
    if isinstance(value, np.ndarray):
        return np.round(value.astype(np.float64), DIGITS).tolist()
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, tuple) and all(isinstance(item, float) for item in value):
        return [round(item, DIGITS) for item in value]
    return value

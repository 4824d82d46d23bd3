"""Draw the evidence of one reply: key frames with heat map, sound, attention, instruments."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.ask.asking import Performance, Reply
from musicavqa.ask.sensing import PEAKS_PER_S
from musicavqa.files import replacing
from musicavqa.questions import INSTRUMENTS
from musicavqa.terminal import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_FRAMES = 5
N_INSTRUMENTS = 6
HEARD = 0.2
"""Instruments whose strongest second stays below this activity are left out of the picture."""


def draw(performance: Performance, reply: Reply, path: Path) -> None:
    """Write the picture of one answered question to `path` (format by its ending)."""
    if reply.answer is None or reply.seconds is None or reply.cells is None:
        raise ValueError(f"There is no evidence to draw: {reply.question!r} was not answered.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("This needs matplotlib: pip install 'musicavqa[plots]'") from error
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=[1.15, 2])
    top, bottom = panels
    confidence = f"{reply.confidence:.0%}" if reply.confidence is not None else "-"
    title = f"{plain(reply.question)}\n{reply.answer}  ({confidence})"
    top.suptitle(title, fontsize=13, parse_math=False)  # a question may hold $, and is no formula
    for axes, second in zip(top.subplots(1, N_FRAMES), _key_seconds(reply.seconds), strict=True):
        _frame(axes, performance, second, reply.cells)
    wave, attention, activity = bottom.subplots(3, 1, sharex=True)
    _wave(wave, performance.shown.sound)
    _attention(attention, reply)
    _activity(activity, reply)
    activity.set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=110)


def _key_seconds(seconds: np.ndarray) -> list[int]:
    """The strongest second of each fifth of the clip, in order of time."""
    edges = np.linspace(0, len(seconds), N_FRAMES + 1)
    spans = [(int(a), max(int(a) + 1, int(b))) for a, b in pairwise(edges)]
    return [start + int(seconds[start:stop].argmax()) for start, stop in spans]


def _frame(axes: Axes, performance: Performance, second: int, cells: np.ndarray) -> None:
    shown = performance.shown
    axes.set_axis_off()
    if not shown.pictures:
        return
    nearest = int(np.abs(np.array(shown.times_s) - second - 0.5).argmin())
    aspect = 1 / (performance.account.aspect or 4 / 3)  # height by width, as shown
    axes.imshow(shown.pictures[nearest], extent=(0, 1, 1, 0), aspect=aspect)
    above = np.clip(cells - np.median(cells), 0, None)  # the colder half stays clear
    strength = 0.75 * above / max(above.max(), 1e-9)
    heat: dict[str, Any] = {"cmap": "autumn_r", "interpolation": "bilinear", "aspect": aspect}
    axes.imshow(cells, alpha=strength, extent=(0, 1, 1, 0), vmin=0, **heat)
    axes.set_title(f"{shown.times_s[nearest]:.0f} s", fontsize=9)


def _wave(axes: Axes, peaks: np.ndarray) -> None:
    axes.set_ylabel("sound", fontsize=9)
    times = np.arange(len(peaks)) / PEAKS_PER_S
    axes.fill_between(times, -peaks, peaks, color="#456990", linewidth=0)
    axes.set_yticks([])


def _attention(axes: Axes, reply: Reply) -> None:
    assert reply.seconds is not None
    assert reply.when is not None
    axes.bar(
        np.arange(len(reply.seconds)) + 0.5, reply.seconds, width=0.9, color="#e07a1f", linewidth=0
    )
    axes.axvspan(*reply.when, color="#e07a1f", alpha=0.15)
    axes.set_ylabel("attention", fontsize=9)


def _activity(axes: Axes, reply: Reply) -> None:
    axes.set_ylabel("heard", fontsize=9)
    if reply.activity is None:
        return
    strongest = np.argsort(-reply.activity.max(0))[:N_INSTRUMENTS]
    shown = [i for i in strongest if reply.activity[:, i].max() >= HEARD] or list(strongest[:1])
    axes.imshow(
        reply.activity[:, shown].T,
        aspect="auto",
        cmap="Greens",
        vmin=0,
        vmax=1,
        extent=(0, len(reply.activity), len(shown), 0),
    )
    axes.set_yticks(np.arange(len(shown)) + 0.5, [INSTRUMENTS[i] for i in shown], fontsize=9)

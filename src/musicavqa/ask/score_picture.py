"""Draw a score: lanes under key frames in which the performers are boxed and named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.ask.lanes import Lane, Score
from musicavqa.ask.sensing import PEAKS_PER_S, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_FRAMES = 4
COLOURS = ("#456990", "#e07a1f", "#2a9d55", "#b23a6f", "#8a6fb0", "#7a5c3e", "#c2a200", "#3aa6a6")
"""Of lanes, in turn."""


def draw_score(score: Score, shown: Shown, aspect: float | None, path: Path) -> None:
    """Write the picture to `path` (format by its ending); `aspect` is width by height as shown.

    ImportError without matplotlib, OSError where the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("This needs matplotlib: pip install 'musicavqa[plots]'") from error
    n_lanes = max(1, len(score.sounding))
    figure = Figure(figsize=(11, 4.2 + 0.42 * n_lanes), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=[2.6, 1.2 + 0.42 * n_lanes])
    frames = panels[0].subplots(1, N_FRAMES)
    for axes, place in zip(frames, _key_places(len(shown.pictures)), strict=True):
        _frame(axes, score, shown, place, aspect or 4 / 3)
    wave, lanes = panels[1].subplots(2, 1, sharex=True, height_ratios=[1, n_lanes])
    _wave(wave, shown.sound)
    _lanes(lanes, score)
    lanes.set_xlim(0, score.reading.duration_s)
    lanes.set_xlabel("seconds")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _key_places(n_pictures: int) -> list[int | None]:
    """Which pictures are shown, evenly over the clip; None where there are too few."""
    if n_pictures <= N_FRAMES:
        return [*range(n_pictures), *[None] * (N_FRAMES - n_pictures)]
    return [int(place) for place in np.linspace(0, n_pictures - 1, N_FRAMES).round()]


def _frame(axes: Axes, score: Score, shown: Shown, place: int | None, aspect: float) -> None:
    axes.set_axis_off()
    if place is None:
        return
    axes.imshow(shown.pictures[place], extent=(0, 1, 1, 0), aspect=1 / aspect)
    axes.set_title(f"{shown.times_s[place]:.0f} s", fontsize=9)
    for lane, colour in _coloured(score):
        if lane.seen is not None:
            _box(axes, lane, colour)


def _box(axes: Axes, lane: Lane, colour: str) -> None:
    from matplotlib.patches import Rectangle

    assert lane.seen is not None
    left, top, right, bottom = lane.seen.box
    axes.add_patch(
        Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, lw=1.6)
    )
    label = f"{lane.instrument} {lane.there * lane.names[0][1]:.0%}"
    style: dict[str, Any] = {"facecolor": colour, "edgecolor": "none", "pad": 1.0}
    axes.text(left, top, label, fontsize=7, color="white", va="bottom", bbox=style, clip_on=True)


def _wave(axes: Axes, peaks: np.ndarray) -> None:
    axes.set_ylabel("sound", fontsize=9)
    times = np.arange(len(peaks)) / PEAKS_PER_S
    axes.fill_between(times, -peaks, peaks, color="#456990", linewidth=0)
    axes.set_yticks([])


def _lanes(axes: Axes, score: Score) -> None:
    """A band for each lane, as high as it is sure that he sounds; a mark where he enters."""
    titles = []
    sounding = [pair for pair in _coloured(score) if pair[0] in score.sounding]
    times = (np.arange(len(score.reading.activity)) + 0.5) * score.reading.tick_s
    for row, (lane, colour) in enumerate(sounding):
        axes.fill_between(times, row + 0.9, row + 0.9 - 0.8 * lane.sure, color=colour, lw=0)
        if lane.enters_s is not None:
            axes.plot([lane.enters_s] * 2, [row + 0.02, row + 0.98], color="black", lw=1.2)
        titles.append(f"{lane.title} {lane.sounds:.0%}")
    axes.set_ylim(max(1, len(titles)), 0)
    axes.set_yticks(np.arange(len(titles)) + 0.5, titles, fontsize=9)


def _coloured(score: Score) -> list[tuple[Lane, str]]:
    return [(lane, COLOURS[i % len(COLOURS)]) for i, lane in enumerate(score.lanes)]

"""Draw a score: lanes under key frames in which the performers are boxed and named."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.ask.lanes import LIKELY, Lane, Score
from musicavqa.ask.sensing import PEAKS_PER_S, Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

N_FRAMES = 4
WIDTH = 11.0
"""Of the whole, in inches."""
LETTER, LINE = 0.023, 0.055
"""Width of a letter and height of a line of a name, as shares of the width of a frame."""
STEPS = (0, -1, -2, -3, 1, 2, 3, 4)
"""Lines by which a name is moved out of the way of others, those above first."""
Box = tuple[float, float, float, float]
"""Left, top, right, bottom in 0..1 of a frame."""
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
    above, below = WIDTH / N_FRAMES / (aspect or 4 / 3) + 0.36, 1.2 + 0.42 * n_lanes
    figure = Figure(figsize=(WIDTH, above + below), layout="constrained")
    panels: Any = figure.subfigures(2, 1, height_ratios=[above, below])
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
    _performers(axes, score, aspect)


def _performers(axes: Axes, score: Score, aspect: float) -> None:
    """A box around each who is seen, dashed where he is unlikely to be what his name says."""
    seen = [(lane, colour) for lane, colour in _coloured(score) if lane.seen is not None]
    boxes = [lane.seen.box for lane, _ in seen if lane.seen is not None]
    names = [f"{lane.instrument.replace('_', ' ')} {lane.named:.0%}" for lane, _ in seen]
    places = name_places(names, boxes, aspect)
    for (lane, colour), name, box, place in zip(seen, names, boxes, places, strict=True):
        _box(axes, box, colour, "-" if lane.named >= LIKELY else "--")
        style: dict[str, Any] = {"facecolor": colour, "edgecolor": "none", "pad": 1.0}
        axes.text(*place, name, fontsize=7, color="white", va="bottom", bbox=style, clip_on=True)


def name_places(
    names: Sequence[str], boxes: Sequence[Box], aspect: float
) -> list[tuple[float, float]]:
    """Left and bottom of each name: at the top of its box, inside the frame, clear of the others.

    In a crowd it may be some lines higher or lower; where no line is free, it covers another.
    """
    taken: list[tuple[float, float, float]] = []
    line = LINE * aspect
    for name, (box_left, top, _, _) in zip(names, boxes, strict=True):
        width = LETTER * (len(name) + 1)
        left = max(0.0, min(box_left, 1 - width))
        near = [x for x in taken if left < x[0] + x[2] and x[0] < left + width]
        heights = [max(line, top) + step * line for step in STEPS]
        apart = line - 1e-9  # two heights that are a line apart are so only up to rounding
        free = [y for y in heights if line <= y <= 1 and all(abs(y - x[1]) >= apart for x in near)]
        taken.append((left, free[0] if free else heights[0], width))
    return [(left, bottom) for left, bottom, _ in taken]


def _box(axes: Axes, box: Box, colour: str, style: str) -> None:
    from matplotlib.patches import Rectangle

    left, top, right, bottom = box
    how: dict[str, Any] = {"fill": False, "edgecolor": colour, "lw": 1.6, "ls": style}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **how))


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
        titles.append(f"{lane.title} {lane.sounds:.0%}".replace("_", " "))
    axes.set_ylim(max(1, len(titles)), 0)
    axes.set_yticks(np.arange(len(titles)) + 0.5, titles, fontsize=9)


def _coloured(score: Score) -> list[tuple[Lane, str]]:
    return [(lane, COLOURS[i % len(COLOURS)]) for i, lane in enumerate(score.lanes)]

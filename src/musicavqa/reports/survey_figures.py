"""The survey's charts as SVG for a page: text in the page's own colour, no background."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from musicavqa.reports.markup import HEADS
from musicavqa.reports.survey import TITLES, Bar, mean

if TYPE_CHECKING:
    from musicavqa.reports.audit import Effect

WITH, WITHOUT = "#1f9d6b", "#4f7fd6"
"""Green with, blue without a spatial-temporal design, as in the survey; both show on dark, too."""
_INK = "#010203"  # stands for the page's text colour until `_svg` replaces it
_MARKERS = {"classic": "o", "transformer": "s", "foundation": "^"}
_NAMES = {
    "classic": "CNN and recurrent features",
    "transformer": "pretrained transformers",
    "foundation": "language or foundation model",
}
_RADAR = (
    "a_count", "a_comp", "a_avg", "v_count", "v_loc", "v_avg",
    "av_exist", "av_count", "av_loc", "av_comp", "av_temp", "av_avg", "avg",
)  # fmt: skip


def bars(chosen: Sequence[Bar], column: str, title: str, doubted: Collection[str] = ()) -> str:
    """One horizontal bar per method that has the column, oldest first; `*` marks the doubted."""
    shown = sorted(
        (bar for bar in chosen if column in bar.row.scores),
        key=lambda bar: (-bar.method.year, -bar.row.scores[column]),
    )
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(5.2, 0.9 + 0.23 * len(shown)))
    values = [bar.row.scores[column] for bar in shown]
    colours = [WITH if bar.marked else WITHOUT for bar in shown]
    axes.barh(range(len(shown)), values, color=colours, height=0.72)
    for place, value in enumerate(values):  # in a column of their own, clear of the dashed lines
        axes.text(108, place, f"{value:.1f}", ha="right", va="center", fontsize=8, color=_INK)
    stars = ["*" if bar.label in doubted else "" for bar in shown]
    axes.set_yticks(
        range(len(shown)),
        [f"{b.label}{star}  {b.method.year}" for b, star in zip(shown, stars, strict=True)],
    )
    for marked, colour in ((True, WITH), (False, WITHOUT)):
        level, _ = mean(shown, column, marked)
        if level is not None:
            axes.axvline(level, color=colour, linestyle="--", linewidth=1.2, zorder=0)
    axes.set_xlim(0, 108)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlabel("accuracy, % (dashed: means of either colour)")
    axes.set_title(title, loc="left")
    _margins(figure, left=1.55, right=0.1, top=0.3, bottom=0.5)
    return _svg(figure, f"bars-{column}-{title}")


def radar(polygons: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Polygons (name -> scores by column) over the thirteen axes; the first is green, then blue.

    An axis that not all polygons have is left out of all of them.
    """
    import numpy as np

    columns = [name for name in _RADAR if all(name in scores for scores in polygons.values())]
    angles = np.linspace(0, 2 * np.pi, len(columns), endpoint=False)
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(4.6, 4.8), subplot_kw={"projection": "polar"})
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    for (name, scores), colour in zip(polygons.items(), (WITH, WITHOUT), strict=True):
        values = [scores[column] for column in columns]
        closed = np.append(angles, angles[0])
        axes.plot(closed, [*values, values[0]], color=colour, label=name, linewidth=2)
        axes.fill(closed, [*values, values[0]], color=colour, alpha=0.15)
    axes.set_xticks(angles, [HEADS[column] for column in columns])
    axes.set_ylim(0, 100)
    axes.set_yticks([20, 40, 60, 80], ["20", "40", "60", "80"], fontsize=7)
    axes.tick_params(axis="x", pad=10, labelsize=10)
    axes.spines["polar"].set_alpha(0.3)
    axes.set_title(title, pad=24)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncol=1, frameon=False)
    _margins(figure, left=0.75, right=0.75, top=0.85, bottom=0.85)
    return _svg(figure, f"radar-{title}")


def timeline(chosen: Sequence[Bar]) -> str:
    """Overall score against year: colour is the mark, shape the backbone, hollow unreproduced."""
    from matplotlib.lines import Line2D

    shown = [bar for bar in chosen if "avg" in bar.row.scores]
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7.2, 4.6))
    for bar in shown:
        colour = WITH if bar.marked else WITHOUT
        hollow = "unreproduced" in bar.row.flags
        axes.plot(
            bar.method.year,
            bar.row.scores["avg"],
            _MARKERS[bar.method.backbone],
            color=colour,
            markerfacecolor="none" if hollow else colour,
            markersize=7,
            alpha=0.9,
        )
    _name_extremes(axes, shown)
    axes.set_xlabel("year")
    axes.set_ylabel("overall accuracy, %")
    axes.set_title("Overall score by year, mark and backbone", loc="left")
    handles = [
        Line2D([], [], color=WITH, marker="o", linestyle="", label="with spatial-temporal design"),
        Line2D([], [], color=WITHOUT, marker="o", linestyle="", label="without"),
        *(
            Line2D([], [], color=_INK, marker=marker, linestyle="", label=_NAMES[name])
            for name, marker in _MARKERS.items()
        ),
        Line2D([], [], color=_INK, marker="o", markerfacecolor="none", linestyle="",
               label="hollow: unreproduced"),
    ]  # fmt: skip
    axes.legend(handles=handles, loc="lower right", fontsize=8, frameon=False)
    _margins(figure, left=0.6, right=0.15, top=0.35, bottom=0.5)
    return _svg(figure, "timeline")


def _name_extremes(axes: Any, shown: Sequence[Bar]) -> None:
    """Names of the best and the worst of each year: more would not be readable."""
    for year in {bar.method.year for bar in shown}:
        of_year = sorted(
            (bar for bar in shown if bar.method.year == year), key=lambda b: b.row.scores["avg"]
        )
        for bar, up in {id(b): (b, u) for b, u in ((of_year[0], -1), (of_year[-1], 1))}.values():
            axes.annotate(
                bar.label,
                (year, bar.row.scores["avg"]),
                xytext=(0, 8 * up),
                textcoords="offset points",
                ha="center",
                va="bottom" if up > 0 else "top",
                fontsize=7.5,
                color=_INK,
            )


def effects(tables: Mapping[str, Sequence[Effect]], mark: str, title: str) -> str:
    """Coefficients of one mark with their intervals, per outcome and set of methods."""
    rows = [
        (f"{HEADS[e.outcome]}, {name}", e.raw, e.estimate)
        for name, table in tables.items()
        for e in table
        if e.mark == mark and e.estimate
    ]
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(5.6, 1.3 + 0.24 * len(rows)))
    for place, (_, raw, found) in enumerate(reversed(rows)):
        axes.plot([found.low, found.high], [place, place], color=WITHOUT, linewidth=2)
        axes.plot([found.points], [place], "o", color=WITHOUT)
        axes.plot([raw], [place], "x", color=_INK, markersize=5)
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [label for label, *_ in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel(
        "points of accuracy\n(dot and line: with year and backbone; cross: plain means)"
    )
    axes.set_title(title, loc="left")
    _margins(figure, left=1.75, right=0.1, top=0.3, bottom=0.65)
    return _svg(figure, f"effects-{mark}")


def titled(column: str, variant: str) -> str:
    """The title of a bar chart."""
    return f"{TITLES[column]} ({variant})"


def _margins(figure: Any, left: float, right: float, top: float, bottom: float) -> None:
    """Margins in inches: set once, as measuring every text takes as long as drawing it."""
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=left / width, right=1 - right / width, top=1 - top / height, bottom=bottom / height
    )


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise ImportError("Figures need matplotlib: pip install 'musicavqa[plots]'") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "svg.fonttype": "none",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 9,
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "figure.facecolor": "none",
            "axes.facecolor": "none",
            "grid.alpha": 0.3,
        }
    )
    return plt


def _svg(figure: Any, name: str) -> str:
    """The figure as an <svg> element; equal figures give equal text."""
    import matplotlib
    import matplotlib.pyplot as plt

    file = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    plt.close(figure)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    # ids of a figure must not meet those of another one on the same page
    prefix = re.sub(r"\W+", "-", name)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    return svg.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")

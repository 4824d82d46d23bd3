"""Three pictures of a robustness report: reliability, risk against coverage, drops."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.files import replacing
from musicavqa.scoring.bias import Confidence

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from musicavqa.scoring.robustness import StressReport

BLUE, ORANGE, GREY = "#456990", "#e07a1f", "#9a9a9a"
GROUP_COLOURS = {"A": "#7fa3c7", "V": "#e0a96d", "AV": "#8fb996", "overall": "#b5b5b5"}


def draw_reliability(confidence: Confidence, path: Path) -> None:
    """Accuracy against confidence, 15 equally wide bins; below, how many answers each bin holds."""
    figure = _figure(5.2, 5.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3.2, 1])
    bins = confidence.bins
    above.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--")
    above.vlines(bins.confidence, bins.confidence, bins.accuracy, color=ORANGE, linewidth=3)
    above.scatter(bins.confidence, bins.accuracy, s=34, color=BLUE, zorder=3)
    above.set(xlim=(-2, 102), ylim=(-2, 102), ylabel="right answers (%)")
    scores = f"ECE {confidence.calibration_error:.1f}   adaptive {confidence.adaptive_error:.1f}"
    above.set_title(f"{scores}   Brier {confidence.brier:.3f}", loc="left", fontsize=10)
    below.bar(bins.confidence, bins.n_rows, width=4.5, color=BLUE)
    below.set(xlabel="confidence (%)", ylabel="answers")
    _finish(figure, [above, below], path)


def draw_risk_coverage(confidence: Confidence, path: Path) -> None:
    """Share of wrong answers when only the surest are given, and the best that order could do."""
    figure = _figure(5.6, 4.2)
    axes = figure.subplots()
    curve = confidence.curve
    error = curve.risk[-1]
    label = f"by confidence, AURC {curve.area:.1f}"
    axes.plot(curve.coverage, curve.risk, color=BLUE, linewidth=2, label=label)
    covered = np.linspace(max(100 - error, 1e-6), 100)
    ideal = 100 * (1 - (100 - error) / covered)
    label = f"best order, AURC {curve.best_area:.1f}"
    axes.plot([0, *covered], [0, *ideal], color=ORANGE, linewidth=1.5, label=label)
    label = f"any order, {error:.1f}"
    axes.axhline(error, color=GREY, linewidth=1, linestyle="--", label=label)
    axes.set(xlim=(0, 100), xlabel="answered (%)", ylabel="wrong among them (%)")
    axes.set_ylim(0, min(100, 1.15 * max(curve.risk.max(), 5)))
    _legend_above(axes, 3)
    _finish(figure, [axes], path)


def draw_drops(report: StressReport, path: Path) -> None:
    """Points lost under each disturbance, by group of questions, with 95 % intervals."""
    if not report.disturbed:
        raise ValueError("No disturbance could be tried, so there is nothing to draw.")
    names = list(report.disturbed)
    figure = _figure(7.2, 1.2 + 0.75 * len(names))
    axes = figure.subplots()
    groups = [row.group for row in report.disturbed[names[0]]]
    height = 0.8 / len(groups)
    for place, group in enumerate(groups):
        drops = [report.disturbed[name][place].drop for name in names]
        centre = np.arange(len(names)) + (place - (len(groups) - 1) / 2) * height
        means = np.array([drop.mean for drop in drops])
        ends = np.array([[drop.low, drop.high] for drop in drops]).T
        axes.barh(centre, means, height, color=GROUP_COLOURS[group], label=group)
        axes.hlines(centre, *ends, color="black", linewidth=1)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(np.arange(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("points lost against undisturbed (95 % interval over clips)")
    _legend_above(axes, len(groups))
    _finish(figure, [axes], path)


def _legend_above(axes: Axes, n_columns: int) -> None:
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    axes.legend(frameon=False, ncols=n_columns, fontsize=9, columnspacing=1.2, **place)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("This needs matplotlib: pip install 'musicavqa[plots]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def _finish(figure: Figure, panels: list[Axes] | list[Any], path: Path) -> None:
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), dpi=130)

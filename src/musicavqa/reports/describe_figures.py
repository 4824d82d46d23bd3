"""The four pictures of `describe`, drawn with matplotlib (extra `plots`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicavqa.files import replacing
from musicavqa.questions import CELLS, template

if TYPE_CHECKING:
    from collections import Counter

    from musicavqa.reports.summary import Summary

INK, GRID = "#1b2733", "#dde3e9"
FIRST, SECOND, OTHERS = "#1f5f99", "#7fb2dc", "#d5dde5"
OVER = "#d9691a"
ORIGINS = ("#1f5f99", "#d9691a", "#3f9c76", "#8c6bb1", "#c9a227", "#7d8b99", "#c2528b")


def draw(summary: Summary, folder: Path) -> None:
    """Write cells.png, answers.png, bias.png and instruments.png into `folder`."""
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Pictures need matplotlib: pip install 'musicavqa[plots]'") from error
    for name, paint in (
        ("cells.png", _cells),
        ("answers.png", _answers),
        ("bias.png", _bias),
        ("instruments.png", _instruments),
    ):
        figure = Figure(layout="constrained")
        with rc_context({"text.parse_math": False}), replacing(folder / name) as part:
            paint(figure, summary)
            figure.savefig(part, format="png", dpi=150)


def _cells(figure: Any, summary: Summary) -> None:
    figure.set_size_inches(9, 4)
    axes = _axes(figure, "questions")
    origins = sorted({origin for counts in summary.cells.values() for origin in counts})
    left = [0] * len(CELLS)
    for place, origin in enumerate(origins):
        widths = [summary.cells[cell][origin] for cell in CELLS]
        colour = ORIGINS[place % len(ORIGINS)]
        axes.barh(CELLS, widths, left=left, color=colour, label=origin, height=0.7)
        left = [a + b for a, b in zip(left, widths, strict=True)]
    for row, n in enumerate(left):
        axes.annotate(f"{n:,}", (n, row), (4, 0), textcoords="offset points", va="center")
    axes.invert_yaxis()
    axes.margins(x=0.1)
    if len(origins) > 1:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=7,
                      frameon=False)  # fmt: skip


def _answers(figure: Any, summary: Summary) -> None:
    axes = _template_axes(figure, summary, "share of the answers in %")
    axes.set_xlim(0, 100)
    for row, counts in enumerate(summary.answers.values()):
        shares = _shares(counts)
        left = 0.0
        for (label, share), colour in zip(shares, (FIRST, SECOND, OTHERS), strict=False):
            axes.barh(row, share, left=left, color=colour, height=0.8)
            ink = "white" if colour == FIRST else INK
            if 1.15 * len(label) < share:  # it fits into its piece
                axes.text(left + 0.7, row, label, va="center", color=ink, fontsize=7.5)
            left += share


def _shares(counts: Counter[str]) -> list[tuple[str, float]]:
    """Label and share in percent of the two most frequent answers, and of all others together."""
    total = counts.total()
    found = [
        (f"{name} {100 * n / total:.0f}", 100 * n / total) for name, n in counts.most_common(2)
    ]
    rest = 100 - sum(share for _, share in found)
    n_others = len(counts) - 2
    if n_others > 0:
        found.append((f"{n_others} other{'s' if n_others > 1 else ''} {rest:.0f}", rest))
    return found


def _bias(figure: Any, summary: Summary) -> None:
    axes = _template_axes(figure, summary, "share of the most frequent answer in %")
    axes.set_xlim(0, 112)  # room for a label at 100
    axes.set_xticks(range(0, 101, 20))
    for row, item in enumerate(summary.bias):
        share, limit = 100 * item.share, 100 * item.limit
        colour = FIRST if item.is_balanced else OVER
        axes.plot([limit, share], [row, row], color=colour, lw=1.5, alpha=0.6, zorder=2)
        axes.plot(limit, row, marker="|", ms=9, mew=1.8, color=INK, zorder=3)
        axes.plot(share, row, marker="o", ms=6, color=colour, zorder=4)
        axes.annotate(
            f"{item.top} {share:.0f}",
            (max(share, limit), row),
            (7, 0),
            textcoords="offset points",
            va="center",
            fontsize=7.5,
        )
    _bias_legend(figure, axes)


def _bias_legend(figure: Any, axes: Any) -> None:
    marks: tuple[tuple[str, dict[str, Any]], ...] = (
        ("limit of the rule", {"marker": "|", "mew": 1.8, "color": INK}),
        ("within", {"marker": "o", "color": FIRST}),
        ("over", {"marker": "o", "color": OVER}),
    )
    for label, style in marks:
        axes.plot([], [], ls="", label=label, **style)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=3,
                  frameon=False)  # fmt: skip


def _instruments(figure: Any, summary: Summary) -> None:
    figure.set_size_inches(9, 6.5)
    axes = _axes(figure, "questions")
    ranked = summary.asked_instruments.most_common()[::-1]
    names = [name.replace("_", " ") for name, _ in ranked]
    rows = range(len(ranked))
    axes.barh([row + 0.2 for row in rows], [n for _, n in ranked], 0.4, color=FIRST,
              label="named in the question")  # fmt: skip
    axes.barh([row - 0.2 for row in rows], [summary.answer_instruments[name] for name, _ in ranked],
              0.4, color=OVER, label="is the answer")  # fmt: skip
    axes.set_yticks(list(rows), names)
    axes.margins(y=0.01)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=2,
                  frameon=False)  # fmt: skip


def _template_axes(figure: Any, summary: Summary, label: str) -> Any:
    """Axes with one row per template that is asked, named by number and text."""
    numbers = list(summary.answers)
    figure.set_size_inches(11, 1.2 + 0.27 * len(numbers))
    axes = _axes(figure, label)
    texts = [template(number).text.strip().replace("？", "?") for number in numbers]
    labels = [f"{text}  {number:2}" for number, text in zip(numbers, texts, strict=True)]
    axes.set_yticks(range(len(numbers)), labels, fontsize=8)
    axes.set_ylim(len(numbers) - 0.4, -0.6)
    cells = [template(number).cell for number in numbers]
    for row in range(1, len(numbers)):
        if cells[row] != cells[row - 1]:  # a line where a new cell begins
            axes.axhline(row - 0.5, color=INK, lw=0.6, zorder=1)
    return axes


def _axes(figure: Any, label: str) -> Any:
    axes = figure.add_subplot()
    axes.set_xlabel(label)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.set_axisbelow(True)
    return axes

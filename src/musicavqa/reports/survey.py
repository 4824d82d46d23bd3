"""The survey's charts as data: once as published, once audited.

As published: the bars as the survey drew them, mistakes included, and the radar polygons as means
over bars. Axes without a bar chart are recomputed from the rows that the bars repeat.
Audited: one row per method, trained on the task, scored on a whole official test set, with the
columns in their places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from musicavqa.catalog.checks import micro, origin, sizes_of
from musicavqa.catalog.schema import CELLS, GROUPS, SCORES, Catalogue, Method, Result

TITLES = {
    "a_count": "Audio, counting",
    "a_comp": "Audio, comparative",
    "a_avg": "Audio, average",
    "v_count": "Visual, counting",
    "v_loc": "Visual, location",
    "v_avg": "Visual, average",
    "av_exist": "Audio-visual, existential",
    "av_count": "Audio-visual, counting",
    "av_loc": "Audio-visual, location",
    "av_comp": "Audio-visual, comparative",
    "av_temp": "Audio-visual, temporal",
    "av_avg": "Audio-visual, average",
    "avg": "Overall",
}
NOT_A_COMPARISON = {
    "unofficial-split", "wrong-label", "wrong-benchmark", "audio-only", "av-only", "no-audio",
}  # fmt: skip
RECENT = 2021
"""First year of the recent methods: with Pano-AVQA audio-visual question answering begins."""
AGREES = 0.1
"""Points by which a recomputed mean may differ from the published one."""


@dataclass(frozen=True)
class Bar:
    """One method in a chart."""

    method: Method
    row: Result
    marked: bool
    """Filed as having an explicit spatial-temporal design."""

    @property
    def label(self) -> str:
        return self.method.name


@dataclass(frozen=True)
class Axis:
    """One axis of one published radar polygon, and what its bars give."""

    benchmark: str
    column: str
    marked: bool
    published: float
    recomputed: float | None
    n: int
    how: str

    @property
    def agrees(self) -> bool:
        """Whether the mean could be reproduced to `AGREES` points."""
        return self.recomputed is not None and abs(self.recomputed - self.published) <= AGREES


def published_bars(catalogue: Catalogue) -> list[Bar]:
    """The bars of the survey on MUSIC-AVQA, as drawn."""
    rows = (row for row in catalogue.results if row.kind == "figure")
    return [_bar(catalogue, row) for row in rows]


def audited_bars(catalogue: Catalogue, benchmark: str = "music-avqa") -> list[Bar]:
    """One bar per method of the survey with a comparable protocol, columns corrected."""
    return [bar for bar in comparable(catalogue, benchmark) if bar.method.scope.startswith("surv")]


def comparable(catalogue: Catalogue, benchmark: str = "music-avqa") -> list[Bar]:
    """Bars of all methods, successors too, trained and scored on a whole official test set.

    Methods whose mark neither the survey nor we decided are left out.
    """
    return [
        _bar(catalogue, row)
        for row in catalogue.anchors(benchmark)
        if row.training == "supervised"
        and not NOT_A_COMPARISON & set(row.flags)
        and _whole_test(catalogue, row)
        and catalogue.methods[row.method].mark is not None
    ]


def _whole_test(catalogue: Catalogue, row: Result) -> bool:
    """Not a sample, as far as the source says; most papers do not say which of two test files."""
    if row.questions is None:
        return True
    return row.questions > 9000 and bool(sizes_of(catalogue, row))


def robustness_bars(catalogue: Catalogue) -> list[Bar]:
    """Per-cell bars on all 211,572 rephrased questions, joined from head and tail.

    No table of MUSIC-AVQA-R per method and cell is at hand; FortisAVQA asks the same questions with
    another cut, so joining its two halves gives the cells of both.
    """
    bars = []
    for row in catalogue.anchors("fortisavqa"):
        halves = [half for half in catalogue.results if _is_half_of(half, row)]
        if row.questions == 211572 and len(halves) == 2:
            bars.append(_bar(catalogue, replace(row, scores=_joined(catalogue, halves))))
    return bars


def _is_half_of(half: Result, row: Result) -> bool:
    return half.split != "overall" and (half.method, half.variant, half.source) == (
        row.method,
        row.variant,
        row.source,
    )


def _joined(catalogue: Catalogue, halves: list[Result]) -> dict[str, float]:
    counts = {half.split: next(iter(sizes_of(catalogue, half).values())) for half in halves}
    totals = {cell: sum(counts[half.split][cell] for half in halves) for cell in CELLS}
    scores = {
        cell: sum(half.scores[cell] * counts[half.split][cell] for half in halves) / totals[cell]
        for cell in CELLS
    }
    groups = {**GROUPS, "avg": CELLS}
    means = {name: micro({c: scores[c] for c in cells}, totals) for name, cells in groups.items()}
    return {**scores, **means}


def _bar(catalogue: Catalogue, row: Result) -> Bar:
    method = catalogue.methods[row.method]
    return Bar(method, row, bool(method.mark))


def doubted(catalogue: Catalogue, bar: Bar, column: str) -> bool:
    """Whether a value needs a star.

    A bar of the survey: when it differs from its source, has none, belongs to another method or to
    a sample. Any other row: when it is unreproduced.
    """
    row = bar.row
    if row.kind != "figure" or row.anchor:
        return "unreproduced" in row.flags
    source = origin(catalogue, row)
    return (
        bool({"wrong-label", "wrong-benchmark"} & set(row.flags))
        or source is None
        or source.method != row.method
        or source.scores.get(column) != row.scores.get(column)
        or not _whole_test(catalogue, row)
    )


def mean(bars: Iterable[Bar], column: str, marked: bool) -> tuple[float | None, int]:
    """Unweighted mean of a column over bars of one colour, and how many bars have it."""
    values = [b.row.scores[column] for b in bars if b.marked is marked and column in b.row.scores]
    return (sum(values) / len(values) if values else None), len(values)


def reproduction(catalogue: Catalogue) -> list[Axis]:
    """Each axis of each published polygon beside the mean of the bars or of their sources."""
    drawn = published_bars(catalogue)
    sources = [_source_bar(catalogue, bar) for bar in drawn]
    from_sources = [bar for bar in sources if bar is not None]
    axes = []
    for polygon in catalogue.polygons:
        for column in SCORES:
            how = "no rows per method are published"
            value, n = None, 0
            if polygon.benchmark == "music-avqa":
                value, n = mean(drawn, column, polygon.spatial_temporal)
                how = "bars"
                if not n:
                    value, n = mean(from_sources, column, polygon.spatial_temporal)
                    how = "sources of the bars"
            score = polygon.scores[column]
            axes.append(
                Axis(polygon.benchmark, column, polygon.spatial_temporal, score, value, n, how)
            )
    return axes


def _source_bar(catalogue: Catalogue, bar: Bar) -> Bar | None:
    """The row that a bar repeats, with counting and location as exchanged as in the bar."""
    source = origin(catalogue, bar.row, at_least=5)
    if source is None:
        return None
    scores = dict(source.scores)
    if bar.row.scores.get("av_loc") == scores.get("av_count") != scores.get("av_loc"):
        scores["av_count"], scores["av_loc"] = scores["av_loc"], scores["av_count"]
    return replace(bar, row=replace(source, scores=scores))


def subsets() -> dict[str, tuple[str, Callable[[Bar], bool]]]:
    """Subsets of the comparable methods the claims are tested on: name -> (what, test)."""
    return {
        "all": ("all trained methods, whole test set", lambda bar: True),
        "survey": ("methods of the survey", lambda bar: bar.method.scope.startswith("survey")),
        "recent": (f"{RECENT} or later", lambda bar: bar.method.year >= RECENT),
        "reproducible": (
            "without unreproduced rows",
            lambda bar: "unreproduced" not in bar.row.flags,
        ),
        "cluster A": ("public code or weights, 9,129 questions", _in_cluster_a),
    }


def _in_cluster_a(bar: Bar) -> bool:
    return bar.method.cluster == "A"

"""The catalogue as rows of tables, with the filters of the command line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import compress
from typing import Any

from musicavqa.catalog.checks import doubted_averages
from musicavqa.catalog.schema import SCORES, Catalogue, DataSet, Method, Result

METHOD_COLUMNS = (
    "method", "year", "venue", "family", "backbone", "ST (survey)", "ST (ours)", "music",
    "input", "numbers", "code",
)  # fmt: skip
DATASET_COLUMNS = ("data set", "year", "venue", "size", "licence", "link")
RESULT_COLUMNS = (
    "benchmark", "method", "year", "ST", *SCORES, "questions", "training", "flags", "source",
)  # fmt: skip
NOT_COMPARABLE = {
    "unofficial-split", "wrong-label", "wrong-benchmark", "audio-only", "av-only", "typo",
    "swapped", "no-audio", "unreproduced",
}  # fmt: skip
"""Flags of rows that are never the best of a table."""


@dataclass(frozen=True)
class Filter:
    """Which rows to show; None or empty means any."""

    method: str | None = None
    benchmark: str | None = None
    year: int | None = None
    family: str | None = None
    scope: str | None = None
    training: str | None = None
    spatial_temporal: bool | None = None
    music_specific: bool | None = None
    specialised_input: bool | None = None
    every_row: bool = False
    """False shows of each method the one row that stands for it; a named method shows all."""


EVERYTHING = Filter()


def methods(catalogue: Catalogue, chosen: Filter) -> list[Method]:
    """Methods that pass, by year and name; an unknown name raises with near matches."""
    _known(chosen.method, catalogue.methods, "method")
    found = [method for method in catalogue.methods.values() if _passes(method, chosen)]
    return sorted(found, key=lambda method: (method.year, method.name.lower()))


def results(catalogue: Catalogue, chosen: Filter) -> list[Result]:
    """Results that pass, best overall score first within a benchmark.

    What was not scored on the official test set comes after all that was, whatever it claims.
    """
    _known(chosen.method, catalogue.methods, "method")
    _known(chosen.benchmark, catalogue.datasets, "benchmark")
    found = [
        row
        for row in catalogue.results
        if _passes(catalogue.methods[row.method], chosen)
        and chosen.benchmark in (None, row.benchmark)
        and chosen.training in (None, row.training)
        and (row.anchor or chosen.every_row or chosen.method is not None)
    ]
    order = list(catalogue.datasets)
    return sorted(
        found,
        key=lambda row: (
            order.index(row.benchmark),
            not _on_official_test(row),
            -row.scores.get("avg", 0.0),
        ),
    )


def _passes(method: Method, chosen: Filter) -> bool:
    wanted: list[tuple[Any, Any]] = [
        (chosen.method, method.name),
        (chosen.year, method.year),
        (chosen.family, method.family),
        (chosen.scope, method.scope),
        (chosen.spatial_temporal, method.mark),
        (chosen.music_specific, method.music_specific),
        (chosen.specialised_input, method.specialised_input),
    ]
    return all(want is None or want == value for want, value in wanted)


def _known(name: str | None, names: Iterable[str], what: str) -> None:
    names = list(names)
    if name is not None and name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.4)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"The catalogue has no {what} {name!r}.{hint}")


def method_row(method: Method) -> dict[str, Any]:
    """One line of the table of methods."""
    return {
        "method": method.name,
        "year": method.year,
        "venue": method.venue,
        "family": method.family + ("?" if method.family_from in ("inferred", "unknown") else ""),
        "backbone": method.backbone,
        "ST (survey)": method.survey_spatial_temporal,
        "ST (ours)": method.spatial_temporal,
        "music": method.music_specific,
        "input": method.specialised_input,
        "numbers": method.reports,
        "code": method.code,
    }


def dataset_row(entry: DataSet) -> dict[str, Any]:
    """One line of the table of data sets."""
    return {
        "data set": entry.name,
        "year": entry.year,
        "venue": entry.venue,
        "size": entry.size,
        "licence": entry.licence,
        "link": entry.link,
    }


def result_row(catalogue: Catalogue, row: Result) -> dict[str, Any]:
    """One line of the table of results."""
    method = catalogue.methods[row.method]
    return {
        "benchmark": row.benchmark if row.split == "overall" else f"{row.benchmark} {row.split}",
        "method": row.name,
        "year": method.year,
        "ST": method.mark,
        **{name: row.scores.get(name) for name in SCORES},
        "questions": row.questions,
        "training": row.training,
        "flags": list(row.flags),
        "source": row.source,
    }


def comparable(catalogue: Catalogue, row: Result) -> bool:
    """Whether a row may be called best: trained, on the whole official test, not doubted.

    A row is doubted when a flag says so or when its averages do not follow from its cells.
    """
    return (
        row.training == "supervised"
        and not NOT_COMPARABLE & set(row.flags)
        and _on_official_test(row)
        and not doubted_averages(catalogue, row)
    )


def _on_official_test(row: Result) -> bool:
    """Whether a row is of the whole official test set, as far as its source says."""
    whole = row.questions is None or row.questions > 9000
    return whole and "unofficial-split" not in row.flags


def best(catalogue: Catalogue, rows: list[Result]) -> frozenset[tuple[int, str]]:
    """(row number, column) of the best comparable score per benchmark, split and column."""
    top: dict[tuple[str, str, str], float] = {}
    candidates = [comparable(catalogue, row) for row in rows]
    for row in compress(rows, candidates):
        for name, value in row.scores.items():
            place = (row.benchmark, row.split, name)
            top[place] = max(top.get(place, 0.0), value)
    return frozenset(
        (number, name)
        for number, row in enumerate(rows)
        if candidates[number]
        for name, value in row.scores.items()
        if value == top[row.benchmark, row.split, name]
    )

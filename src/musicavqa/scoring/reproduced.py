"""Published against reproduced: what a paper printed beside what our runs of that method score.

A printed value is one number without an interval; the interval of the difference is that of our
side alone (over clips, and over seeds where there are several). No difference is taken between
unlike protocols: another number of questions, another way of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.catalog import Catalogue, Result
from musicavqa.catalog.protocol import doubts, of_result
from musicavqa.catalog.schema import COLUMN_OF
from musicavqa.metrics.bootstrap import Interval
from musicavqa.scoring.standings import Standing


@dataclass(frozen=True)
class Reproduced:
    """One published row beside one system of ours."""

    standing: Standing
    row: Result
    why_not: str
    """Why no difference is taken; '' where one is."""
    differences: dict[str, Interval]
    """Ours minus the published value by column of the catalogue; empty where none is taken."""

    @property
    def agrees(self) -> bool | None:
        """Whether the published overall value lies in our interval; None without a difference."""
        found = self.differences.get("avg")
        return None if found is None else found.low <= 0 <= found.high


def reproduced(catalogue: Catalogue, standings: Sequence[Standing]) -> list[Reproduced]:
    """Every published overall row of the methods that runs are of, on the set that is asked."""
    return [
        _beside(catalogue, standing, row)
        for standing in standings
        for name in [_published_name(catalogue, standing)]
        for row in _rows(catalogue, name, standing)
    ]


def _rows(catalogue: Catalogue, name: str, standing: Standing) -> Iterator[Result]:
    for row in catalogue.results:
        same = (row.method, row.benchmark, row.split)
        protocol = standing.protocol
        if name and same == (name, protocol.benchmark, protocol.part) and "avg" in row.scores:
            yield row


def _published_name(catalogue: Catalogue, standing: Standing) -> str:
    """Under which name the catalogue has this method, or ''.

    A lone prediction file is of a method of the catalogue where it is called by its name.
    """
    from musicavqa.methods.registry import list_methods, load_method
    from musicavqa.training import runs

    folder = standing.system.files[0].parent
    if not (folder / runs.ABOUT).is_file():
        return standing.name if standing.name in catalogue.methods else ""
    method = runs.about(folder)["method"]
    if Path(method).suffix == ".py" or method not in list_methods():
        return ""  # nothing that arrives as data is run
    return load_method(method).card.official_scores


def _beside(catalogue: Catalogue, standing: Standing, row: Result) -> Reproduced:
    why_not = _unlike(catalogue, standing, row)
    ours = {} if why_not else {
        COLUMN_OF[group]: interval for group, interval in standing.groups.items()
    }  # fmt: skip
    differences = {
        column: _minus(interval, row.scores[column])
        for column, interval in ours.items()
        if column in row.scores
    }
    return Reproduced(standing, row, why_not, differences)


def _unlike(catalogue: Catalogue, standing: Standing, row: Result) -> str:
    theirs, ours = of_result(row), standing.protocol
    if theirs.questions is None:
        return "the source does not say which questions"
    if theirs.questions != ours.questions:
        return f"{theirs.questions:,} questions there, {ours.questions:,} here"
    if theirs.training != ours.training or theirs.apart != ours.apart:
        there, here = (", ".join(filter(None, (p.training, p.apart))) for p in (theirs, ours))
        return f"{there or 'training not said'} there, {here} here"
    return ", ".join(doubts(catalogue, row))


def _minus(ours: Interval, published: float) -> Interval:
    return Interval(
        mean=ours.mean - published,
        low=ours.low - published,
        high=ours.high - published,
        level=ours.level,
        n_rows=ours.n_rows,
        n_clips=ours.n_clips,
    )

"""A leaderboard of one's own: runs and prediction files, set by set, beside what was published.

Scores rank against each other only where their protocol is equal and known (`catalog.protocol`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.catalog import Catalogue, Result, load
from musicavqa.catalog.protocol import Protocol, doubts, of_result
from musicavqa.datasets import load_dataset
from musicavqa.metrics.priors import Prior, fit
from musicavqa.records import Question
from musicavqa.scoring.comparing import System, read_systems
from musicavqa.scoring.entries import Entry, Place, find_entries, folder_of
from musicavqa.scoring.hard import only_these
from musicavqa.scoring.per_question import PerQuestion, per_question
from musicavqa.scoring.rank_changes import RankChange, rank_change, ranking
from musicavqa.scoring.reproduced import Reproduced, reproduced
from musicavqa.scoring.standings import Pair, Standing, standings

COUNTED: tuple[Prior, ...] = ("template", "question")
"""Priors that are counted on the training split: majority per template, per filled question."""


@dataclass(frozen=True)
class Ranked:
    """A row of a table: ours or published."""

    own: Standing | None
    published: Result | None
    rank: int | None
    """Among the rows of its protocol; None where something is against ranking it."""
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """All rows of one protocol, best first."""

    protocol: Protocol
    rows: list[Ranked]


@dataclass(frozen=True)
class Board:
    """Everything about one set and split."""

    asked: str
    n_questions: int
    n_clips: int
    standings: list[Standing]
    pairs: list[Pair]
    tables: list[Table]
    """Those with rows of ours first, then published ones by what is known of their protocol."""
    per_question: PerQuestion | None
    """None where no system that listens is on the board."""
    prior_note: str
    """What the counted priors were taken from, or why there are none."""
    reproduced: list[Reproduced]


@dataclass(frozen=True)
class Leaderboard:
    """One board per set and split, and how the order changes from one to another."""

    boards: list[Board]
    rank_changes: list[RankChange]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON; `board_tables.as_json` adds the tables that a page shows."""
        return {
            "boards": [_plain(board) for board in self.boards],
            "rank_changes": [asdict(change) for change in self.rank_changes],
        }


def leaderboard(
    places: Sequence[Place],
    data: Path | Mapping[str, Path],
    set_name: str | None = None,
    split: str | None = None,
    *,
    train_split: str = "train",
    training: str = "",
    priors: Sequence[str] = (),
    published: bool = True,
    only: Path | None = None,
) -> Leaderboard:
    """Boards of all predictions at `places`: run folders and prediction files, named or not.

    Files of one name on one set are seeds of one system, and the same system on another set; runs
    that differ in their seed only are, too. `data` is the folder of the data sets, or one for each
    name ('' for all others). `training` says how lone files were trained ('supervised',
    'zero-shot', 'instruction'), `priors` names systems that saw and heard nothing; others are
    counted on `train_split` (of the revision that is asked, such as 'train@balance'). `published`
    False leaves the catalogue out. `only` is a file with the keys that count, one a line. Raises
    ValueError, FileNotFoundError or KeyMismatchError.
    """
    wishes = _Wishes(train_split, training, priors, load() if published else None, only)
    boards = [
        _board(asked, entries, folder_of(data, asked), wishes)
        for asked, entries in find_entries(places, set_name, split).items()
    ]
    changes = [_change(first, second) for first, second in combinations(boards, 2)]
    return Leaderboard(boards, [change for change in changes if change is not None])


@dataclass(frozen=True)
class _Wishes:
    """What `leaderboard` was asked for, for every board alike."""

    train_split: str
    training: str
    priors: Sequence[str]
    catalogue: Catalogue | None
    only: Path | None


def _board(asked: str, entries: Sequence[Entry], root: Path, wishes: _Wishes) -> Board:
    name, _, split = asked.partition("/")
    loaded = load_dataset(name, root, split)[1]
    questions, ignored = (loaded, set()) if wishes.only is None else only_these(loaded, wishes.only)
    called = {entry.path: entry.name for entry in entries if entry.name is not None}
    paths = [entry.path for entry in entries]
    systems = read_systems(paths, questions, split, name, called, ignored)
    if unknown := sorted(set(wishes.priors) - {system.name for system in systems}):
        raise ValueError(f"No system is called {unknown[0]!r}; {_names(systems)} are here.")
    apart = "" if wishes.only is None else f"only the keys of {wishes.only.name}"
    found, pairs = standings(systems, questions, asked, wishes.training, wishes.priors, apart)
    counted, note = _counted(name, root, _same_revision(wishes.train_split, split), questions)
    blind = {standing.name: standing.system.correct for standing in found if standing.is_prior}
    return Board(
        asked=asked,
        n_questions=len(questions),
        n_clips=len({question.clip for question in questions}),
        standings=found,
        pairs=pairs,
        tables=_tables(found, wishes.catalogue),
        per_question=per_question(
            questions,
            {item.name: item.system.correct for item in found if not item.is_prior},
            {**counted, **blind},
        ),
        prior_note=note,
        reproduced=reproduced(wishes.catalogue, found) if wishes.catalogue else [],
    )


def _names(systems: Sequence[System]) -> str:
    return ", ".join(system.name for system in systems)


def _same_revision(train_split: str, split: str) -> str:
    """'train' beside 'test@balance' is 'train@balance'."""
    _, sign, revision = split.partition("@")
    return train_split if "@" in train_split else f"{train_split}{sign}{revision}"


def _counted(
    name: str, root: Path, train_split: str, questions: Sequence[Question]
) -> tuple[dict[str, np.ndarray], str]:
    """Correctness (N,) of the priors that training questions give, and a word about them."""
    try:
        known = load_dataset(name, root, train_split)[1]
    except (FileNotFoundError, ValueError) as error:
        return {}, f"no prior was counted: {error}"
    found = {}
    for prior in COUNTED:
        given = fit(prior, known)(questions)
        right = [p.answer == q.answer for p, q in zip(given, questions, strict=True)]
        found[f"majority per {prior}"] = np.array(right, dtype=bool)
    return found, f"majorities per {' and per '.join(COUNTED)} of {name}/{train_split}"


def _tables(found: Sequence[Standing], catalogue: Catalogue | None) -> list[Table]:
    ours = {standing.protocol for standing in found}
    benchmarks = {standing.protocol.benchmark for standing in found}
    rows = [Ranked(standing, None, None) for standing in found]
    if catalogue is not None:
        rows += [
            Ranked(None, row, None, tuple(doubts(catalogue, row)))
            for row in catalogue.results
            if row.benchmark in benchmarks and "avg" in row.scores and _stands(row)
        ]
    tables: dict[Protocol, list[Ranked]] = {}
    for row in sorted(rows, key=lambda row: -_score(row)):
        tables.setdefault(_protocol(row), []).append(row)
    first = sorted(tables, key=lambda p: (p not in ours, not p.known, -(p.questions or 0), str(p)))
    return [Table(protocol, _ranked(protocol, tables[protocol])) for protocol in first]


def _stands(row: Result) -> bool:
    """Whether a row is a method's own score, or its rerun, and no variant or copy."""
    return row.anchor or row.kind in ("own", "rerun")


def _ranked(protocol: Protocol, rows: Sequence[Ranked]) -> list[Ranked]:
    """Ranks where the protocol is known, for rows that nothing speaks against."""
    if not protocol.known:
        return list(rows)
    scores = {str(place): _score(row) for place, row in enumerate(rows) if not row.doubts}
    ranks = ranking(scores)
    return [
        Ranked(row.own, row.published, ranks.get(str(place)), row.doubts)
        for place, row in enumerate(rows)
    ]


def _protocol(row: Ranked) -> Protocol:
    if row.own is not None:
        return row.own.protocol
    assert row.published is not None
    return of_result(row.published)


def _score(row: Ranked) -> float:
    if row.own is not None:
        return row.own.overall
    assert row.published is not None
    return row.published.scores["avg"]


def _change(first: Board, second: Board) -> RankChange | None:
    """Systems of both boards, under their names on the first."""
    names = {standing.system.identity: standing.name for standing in first.standings}
    on_second = {
        standing.name: names[standing.system.identity]
        for standing in second.standings
        if standing.system.identity in names
    }
    return rank_change(
        (first.asked, second.asked),
        {standing.name: standing.overall for standing in first.standings},
        {
            on_second[standing.name]: standing.overall
            for standing in second.standings
            if standing.name in on_second
        },
        (
            {frozenset((pair.better, pair.worse)): pair.sure for pair in first.pairs},
            {
                frozenset((on_second[pair.better], on_second[pair.worse])): pair.sure
                for pair in second.pairs
                if pair.better in on_second and pair.worse in on_second
            },
        ),
    )


def _plain(board: Board) -> dict[str, Any]:
    return {
        "set": board.asked,
        "questions": board.n_questions,
        "clips": board.n_clips,
        "systems": [_plain_standing(standing) for standing in board.standings],
        "pairs": [asdict(pair) for pair in board.pairs],
        "per_question": board.per_question and board.per_question.as_dict(),
        "priors": board.prior_note,
    }


def _plain_standing(standing: Standing) -> dict[str, Any]:
    system = standing.system
    return {
        "name": system.name,
        "files": [str(path) for path in system.files],
        "protocol": {**asdict(standing.protocol), "text": str(standing.protocol)},
        "groups": {name: asdict(interval) for name, interval in standing.groups.items()},
        "seeds": standing.seeds and asdict(standing.seeds),
        "places": standing.places,
        "parameters": system.parameters,
        "unreadable": system.n_unreadable,
        "no_media": system.n_without_media,
        "features": standing.features,
        "weights": standing.weights,
        "prior": standing.is_prior,
    }

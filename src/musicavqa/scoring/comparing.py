"""Compare prediction files on the same questions: differences, intervals, tests, and their limits.

The first system is the one that all others are compared with. Run folders that differ in nothing
but their seed are one system.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.metrics import accuracy, bootstrap, clusters, paired, power, seeds
from musicavqa.metrics.accuracy import GROUPS, KeyMismatchError
from musicavqa.metrics.bootstrap import Interval
from musicavqa.questions import CELLS
from musicavqa.records import Question
from musicavqa.scoring.designs import Design, by_design, marks_of
from musicavqa.training import runs
from musicavqa.training.runs import predictions_path, read_predictions

ALPHA, POWER = 0.05, 0.8
SHOWN = (*CELLS, "overall")


@dataclass(frozen=True)
class System:
    """One method on N questions: S prediction files, one per seed."""

    name: str
    files: tuple[Path, ...]
    correct: np.ndarray
    """(S, N) bool, in the order of the questions."""
    n_unreadable: int
    n_without_media: int
    parameters: int | None = None
    method: str | None = None
    """As run.json names it; None for a lone file."""
    cost: dict[str, Any] = field(default_factory=dict)
    """What training took, from run.json of the first seed; empty for a lone file."""
    identity: str = ""
    """What its files of one set share with those of another set; see `read_systems`."""


@dataclass(frozen=True)
class Row:
    """One group of questions: the other system minus the first."""

    group: str
    n_rows: int
    n_clips: int
    accuracies: tuple[float, float]
    difference: Interval
    """Over clips; over clips and seeds where a system has several."""
    adjusted: float | None
    """Holm over all cells of all comparisons (over all comparisons for 'overall')."""
    mcnemar: float | None
    """Exact p-value, which takes questions for independent; None with several seeds."""
    mcnemar_adjusted: float | None
    design_effect: float | None
    detectable: float | None
    """Minimal detectable difference in points at the level of Holm's first step."""


@dataclass(frozen=True)
class Comparison:
    """One system against the first, group by group."""

    first: str
    other: str
    rows: list[Row]


@dataclass(frozen=True)
class Study:
    """All systems and all comparisons of one call."""

    systems: list[System]
    groups: list[dict[str, Interval]]
    """Of each system, for its mean over seeds: accuracy in the cells, A, V, AV and overall."""
    seeds: list[seeds.SeedReport | None]
    comparisons: list[Comparison]
    designs: list[Design]
    """One for each design mark of the survey."""
    n_questions: int

    @property
    def overall(self) -> list[Interval]:
        """Accuracy of each system on all questions."""
        return [groups["overall"] for groups in self.groups]

    @property
    def n_tests(self) -> int:
        """Cells tested in all comparisons together: the family of Holm's correction."""
        return sum(row.group != "overall" for c in self.comparisons for row in c.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        systems = [
            {
                "name": system.name,
                "files": [str(path) for path in system.files],
                "asked": self.n_questions,
                "unreadable": system.n_unreadable,
                "no_media": system.n_without_media,
                "parameters": system.parameters,
                "cost": system.cost,
                "groups": {name: asdict(interval) for name, interval in groups.items()},
                "seeds": None if report is None else asdict(report),
            }
            for system, groups, report in zip(self.systems, self.groups, self.seeds, strict=True)
        ]
        comparisons = [asdict(comparison) for comparison in self.comparisons]
        return {
            "systems": systems,
            "comparisons": comparisons,
            "designs": [asdict(design) for design in self.designs],
            "cells_tested": self.n_tests,
            "alpha": ALPHA,
            "power": POWER,
        }


def compare(
    paths: Sequence[Path], questions: Sequence[Question], split: str, set_name: str | None = None
) -> Study:
    """Compare the predictions at these paths (files or run folders) with those at the first.

    `split` and `set_name` name the file of a run folder, None the set that each was trained on.
    Differences are points of accuracy, with 95 % intervals over clips. ValueError where paths hold
    one system only, KeyMismatchError where an answer lacks.
    """
    systems = read_systems(paths, questions, split, set_name)
    if len(systems) < 2:
        raise ValueError(
            f"{len(paths)} prediction files are one system ({systems[0].name}); a comparison needs "
            "two that differ in more than their seed."
        )
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    members = accuracy.group_members([question.cell for question in questions])
    groups = {name: members[name] for name in SHOWN if members[name].any()}
    first, others = systems[0], systems[1:]
    tables = [
        [_row(name, first, other, rows, clips, len(others)) for name, rows in groups.items()]
        for other in others
    ]
    reports = [seeds.seed_report(s.correct, clips) if len(s.correct) > 1 else None for s in systems]
    return Study(
        systems=systems,
        groups=[accuracies(system, members, clips) for system in systems],
        seeds=reports,
        comparisons=[
            Comparison(first.name, other.name, rows)
            for other, rows in zip(others, _adjusted(tables), strict=True)
        ],
        designs=by_design(
            {system.name: system.correct.mean(0) for system in systems},
            {system.name: marks_of(system.method) for system in systems},
            clips,
        ),
        n_questions=len(questions),
    )


def read_systems(
    paths: Sequence[Path],
    questions: Sequence[Question],
    split: str,
    set_name: str | None = None,
    called: Mapping[Path, str] | None = None,
    ignored: Set[str] = frozenset(),
) -> list[System]:
    """The predictions at these paths, runs that differ only in their seed put together.

    Files that are `called` alike are one system, whatever made them. Systems of two sets are the
    same where their `identity` is: the name they are called by, or all that made them but the seed.
    Predictions for the keys in `ignored` are passed over. Raises KeyMismatchError, with the file
    and counts, where a file answers other questions.
    """
    called = called or {}
    files = [predictions_path(path, split, set_name) if path.is_dir() else path for path in paths]
    if len({path.resolve() for path in files}) < len(files):
        raise ValueError("A prediction file is named twice; each counts once.")
    together: dict[tuple[str, str], list[Path]] = {}
    for path in files:
        name = called.get(path)
        file = path.name if name is None else ""
        together.setdefault((_identity(path, name), file), []).append(path)
    names = _names(list(together.values()), called)
    return [
        replace(_system(name, group, questions, ignored), identity=identity)
        for name, ((identity, _), group) in zip(names, together.items(), strict=True)
    ]


def _system(
    name: str, files: Sequence[Path], questions: Sequence[Question], ignored: Set[str]
) -> System:
    read = []
    for path in files:
        try:
            read.append(read_predictions(path, questions, ignored))
        except KeyMismatchError as error:
            raise KeyMismatchError(f"{path} does not answer the same questions. {error}") from error
    status = [prediction.status for predictions in read for prediction in predictions]
    correct = np.stack([accuracy.correctness(questions, predictions) for predictions in read])
    unreadable, missing = status.count("unreadable"), status.count("no media")
    about = _about(files[0]) or {}
    known: dict[str, Any] = {name: about.get(name) for name in ("parameters", "method")}
    known["cost"] = about.get("cost", {})
    return System(name, tuple(files), correct, unreadable, missing, **known)


def accuracies(
    system: System, members: dict[str, np.ndarray], clips: np.ndarray
) -> dict[str, Interval]:
    """Accuracy in every group that is asked about, over clips and, if there are some, seeds."""
    found = {}
    for name in GROUPS:
        rows = members[name]
        if rows.any():
            correct, within = system.correct[:, rows], clips[rows]
            found[name] = (
                bootstrap.clustered_interval(correct[0], within)
                if len(correct) == 1
                else seeds.seed_report(correct, within).mean
            )
    return found


def _identity(path: Path, called: str | None = None) -> str:
    """What two prediction files must share to be seeds of one method; a lone file is unique."""
    if called is not None:
        return f"called {called}"
    about = _about(path)
    if about is None:
        return str(path.resolve())
    return identity_of(about)


def identity_of(about: Mapping[str, Any]) -> str:
    """All that decides a run but its seed, from its run.json: equal for seeds of one system."""
    settings = {name: about.get(name) for name in ("method", "options", "data", "code", "plugins")}
    recipe = {name: value for name, value in about.get("recipe", {}).items() if name != "seed"}
    return json.dumps([settings, recipe], sort_keys=True)


def _about(path: Path) -> dict[str, Any] | None:
    return runs.about(path.parent) if (path.parent / runs.ABOUT).is_file() else None


def _names(groups: Sequence[Sequence[Path]], called: Mapping[Path, str]) -> list[str]:
    """What it is called, or the method's name, or the file's; where shared, with the folder."""

    def short(path: Path) -> str:
        if path in called:
            return called[path]
        about = _about(path)
        return path.stem if about is None else Path(about["method"]).stem

    names = [short(files[0]) for files in groups]
    return [
        name if names.count(name) == 1 else f"{name} ({files[0].parent.name}/{files[0].name})"
        for name, files in zip(names, groups, strict=True)
    ]


def _row(
    name: str, first: System, other: System, rows: np.ndarray, clips: np.ndarray, n_others: int
) -> Row:
    """The row of one group, not yet adjusted for the other tests."""
    before, after, within = first.correct[:, rows], other.correct[:, rows], clips[rows]
    single = len(before) == len(after) == 1
    n_tests = n_others * (1 if name == "overall" else len(CELLS))
    effect = clusters.design_effect(after.mean(0) - before.mean(0), within)
    detectable = math.nan
    if single and not math.isnan(effect):
        discordance = float((before != after).mean())
        detectable = power.minimal_detectable_difference(
            len(within), discordance, effect, ALPHA / n_tests, POWER
        )
    return Row(
        group=name,
        n_rows=len(within),
        n_clips=len(np.unique(within)),
        accuracies=(100.0 * float(before.mean()), 100.0 * float(after.mean())),
        difference=difference(after, before, within),
        adjusted=None,
        mcnemar=paired.mcnemar(after[0], before[0]).p_value if single else None,
        mcnemar_adjusted=None,
        design_effect=None if math.isnan(effect) else effect,
        detectable=None if math.isnan(detectable) else detectable,
    )


def difference(first: np.ndarray, second: np.ndarray, clips: np.ndarray) -> Interval:
    """Interval of mean(first) - mean(second), (S, N) and (R, N), over clips and, if many, seeds."""
    if len(first) == len(second) == 1:
        return bootstrap.paired_difference(first[0], second[0], clips)
    return seeds.seeds_difference(first, second, clips)


def _adjusted(tables: Sequence[Sequence[Row]]) -> list[list[Row]]:
    """Holm's correction over the cells of all comparisons, and over all 'overall' rows."""
    done = {}
    for of_cells in (True, False):
        family = [
            (table, place)
            for table, rows in enumerate(tables)
            for place, row in enumerate(rows)
            if (row.group != "overall") == of_cells
        ]
        chosen = [tables[table][place] for table, place in family]
        clustered = paired.holm([row.difference.p_value for row in chosen])
        exact = iter(paired.holm([row.mcnemar for row in chosen if row.mcnemar is not None]))
        for where, row, p_value in zip(family, chosen, clustered, strict=True):
            mcnemar = None if row.mcnemar is None else next(exact)
            done[where] = replace(row, adjusted=p_value, mcnemar_adjusted=mcnemar)
    return [[done[i, j] for j in range(len(rows))] for i, rows in enumerate(tables)]

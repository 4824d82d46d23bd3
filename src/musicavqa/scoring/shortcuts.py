"""Many runs under every disturbance as one table, and what follows: does a method listen?

The answers are those of `robustness` (same files, never made twice). Runs that differ in their seed
only are one system. A claim ("hears", "sees", ...) is shown where points are lost on the questions
that need it when it is taken away: Holm's correction runs over all claims of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.metrics import accuracy, bootstrap, paired, seeds
from musicavqa.metrics.bootstrap import Interval
from musicavqa.records import Question
from musicavqa.scoring.comparing import ALPHA, difference, identity_of
from musicavqa.scoring.disturbances import DISTURBANCES, Disturbance
from musicavqa.scoring.hard import hard as hard_keys
from musicavqa.scoring.robustness import StressReport, disturbed_path
from musicavqa.training import runs

CLAIMS: dict[str, tuple[Disturbance, tuple[str, ...]]] = {
    "hears": ("swapped sound", ("A", "AV")),
    "sees": ("muted video", ("V", "AV")),
    "follows time": ("shuffled time", ("A", "V", "AV")),
    "needs more than a frame": ("single frame", ("V", "AV")),
}
"""Claim -> what must cost points, and on which questions."""


@dataclass(frozen=True)
class Answers:
    """One run: correctness (N,) undisturbed and under each disturbance, and why one is left out."""

    run: Path
    undisturbed: np.ndarray
    disturbed: dict[Disturbance, np.ndarray]
    left_out: Mapping[Disturbance, str]


@dataclass(frozen=True)
class Drop:
    """What one disturbance does to a system, on all questions."""

    accuracy: Interval
    drop: Interval
    """Undisturbed minus disturbed, paired, in points."""
    adjusted: float = 1.0
    """Holm over every drop of the table."""


@dataclass(frozen=True)
class Claim:
    """Whether something that is said of a method can be shown."""

    name: str
    by: Disturbance
    drop: Interval | None
    """On the questions that need it; None where it could not be tried."""
    adjusted: float | None
    why_not: str = ""

    @property
    def shown(self) -> bool | None:
        """True where points are lost, significantly; None where it could not be tried."""
        if self.drop is None or self.adjusted is None:
            return None
        return self.adjusted < ALPHA and self.drop.mean > 0


@dataclass(frozen=True)
class SystemShortcuts:
    """One system, its seeds together."""

    name: str
    files: tuple[Path, ...]
    undisturbed: Interval
    drops: dict[Disturbance, Drop]
    left_out: Mapping[Disturbance, str]
    claims: list[Claim]


@dataclass(frozen=True)
class Shortcuts:
    """All systems, by accuracy, and the questions that no shortcut answers."""

    asked: str
    questions: list[Question]
    n_clips: int
    seed: int
    systems: list[SystemShortcuts]
    hard: list[str]
    """Keys; empty where no system takes a shortcut."""

    def as_dict(self) -> dict[str, Any]:
        """What is put on record, for the pages of methods and for machines."""
        return {
            "set": self.asked,
            "questions": len(self.questions),
            "clips": self.n_clips,
            "seed": self.seed,
            "hard": len(self.hard),
            "methods": {system.name: _plain(system) for system in self.systems},
        }


def find_runs(places: Sequence[Path]) -> list[Path]:
    """Every finished run with a checkpoint at or under these folders, in order of name."""
    found: list[Path] = []
    for place in places:
        if not place.is_dir():
            raise FileNotFoundError(f"There is no folder {place}.")
        folders = sorted(path.parent for path in place.rglob(runs.ABOUT))
        found += [folder for folder in folders if (folder / runs.CHECKPOINT).is_file()]
    if not found:
        raise ValueError(f"No finished run is in {', '.join(map(str, places))}.")
    return list(dict.fromkeys(found))


def answers_of(path: Path, questions: Sequence[Question], report: StressReport) -> Answers:
    """What `robustness` wrote at and beside `path`, the undisturbed predictions of a run."""

    def right(file: Path) -> np.ndarray:
        return accuracy.correctness(questions, runs.read_predictions(file, questions))

    disturbed = {
        kind: right(disturbed_path(path, kind, report.seed))
        for kind in DISTURBANCES
        if kind in report.disturbed
    }
    return Answers(path.parent, right(path), disturbed, report.left_out)


def shortcuts_of(
    answers: Sequence[Answers], questions: Sequence[Question], asked: str, seed: int
) -> Shortcuts:
    """The table of these runs on the same questions."""
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    members = accuracy.group_members([question.cell for question in questions])
    together: dict[str, list[Answers]] = {}
    for item in answers:
        together.setdefault(identity_of(runs.about(item.run)), []).append(item)
    names = _names(list(together.values()))
    systems = [
        _system(name, group, clips, members)
        for name, group in zip(names, together.values(), strict=True)
    ]
    systems.sort(key=lambda system: -system.undisturbed.mean)
    taken = _taken(answers)
    return Shortcuts(
        asked=asked,
        questions=list(questions),
        n_clips=int(clips.max()) + 1,
        seed=seed,
        systems=_adjusted(systems),
        hard=hard_keys(questions, taken) if taken else [],
    )


def _taken(answers: Sequence[Answers]) -> dict[str, np.ndarray]:
    """Shortcut -> correctness (runs, N) of all runs that took it.

    A run that reads no sound sees one frame alone where its picture stands still.
    """
    rows: dict[str, list[np.ndarray]] = {}
    for item in answers:
        deaf = "muted audio" in item.left_out
        frame: Disturbance = "single frame" if deaf else "one frame alone"
        for name, kind in (("one frame", frame), ("the question", "question only")):
            if kind in item.disturbed:
                rows.setdefault(name, []).append(item.disturbed[kind])
    return {name: np.stack(right) for name, right in rows.items()}


def _names(groups: Sequence[Sequence[Answers]]) -> list[str]:
    """The method, followed by the folder of its first run where several systems share it."""
    methods = [Path(runs.about(group[0].run)["method"]).stem for group in groups]
    return [
        name if methods.count(name) == 1 else f"{name} ({group[0].run.name})"
        for name, group in zip(methods, groups, strict=True)
    ]


def _system(
    name: str, group: Sequence[Answers], clips: np.ndarray, members: Mapping[str, np.ndarray]
) -> SystemShortcuts:
    plain = np.stack([item.undisturbed for item in group])
    tried = [kind for kind in DISTURBANCES if all(kind in item.disturbed for item in group)]
    after = {kind: np.stack([item.disturbed[kind] for item in group]) for kind in tried}
    left_out = group[0].left_out
    claims = []
    for claim, (kind, needed) in CLAIMS.items():
        rows = np.any([members[modality] for modality in needed], axis=0)
        drop = None
        if kind in after and rows.any():
            drop = difference(plain[:, rows], after[kind][:, rows], clips[rows])
        reason = left_out.get(kind, "no question needs it")
        claims.append(Claim(claim, kind, drop, None, "" if drop else reason))
    return SystemShortcuts(
        name=name,
        files=tuple(item.run for item in group),
        undisturbed=_share(plain, clips),
        drops={
            kind: Drop(_share(right, clips), difference(plain, right, clips))
            for kind, right in after.items()
        },
        left_out=left_out,
        claims=claims,
    )


def _share(correct: np.ndarray, clips: np.ndarray) -> Interval:
    if len(correct) == 1:
        return bootstrap.clustered_interval(correct[0], clips)
    return seeds.seed_report(correct, clips).mean


def _adjusted(systems: Sequence[SystemShortcuts]) -> list[SystemShortcuts]:
    """Holm over all drops, and over all claims that were tried."""
    drops = [drop for system in systems for drop in system.drops.values()]
    claims = [claim for system in systems for claim in system.claims]
    of_drops = iter(paired.holm([drop.drop.p_value for drop in drops]))
    of_claims = iter(paired.holm([claim.drop.p_value for claim in claims if claim.drop]))
    return [
        replace(
            system,
            drops={
                kind: replace(drop, adjusted=next(of_drops)) for kind, drop in system.drops.items()
            },
            claims=[
                replace(claim, adjusted=next(of_claims)) if claim.drop else claim
                for claim in system.claims
            ],
        )
        for system in systems
    ]


def _plain(system: SystemShortcuts) -> dict[str, Any]:
    return {
        "runs": [str(path) for path in system.files],
        "seeds": len(system.files),
        "undisturbed": asdict(system.undisturbed),
        "drops": {kind: asdict(drop) for kind, drop in system.drops.items()},
        "left_out": dict(system.left_out),
        "claims": [{**asdict(claim), "shown": claim.shown} for claim in system.claims],
    }

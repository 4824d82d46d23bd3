"""Systems on one set, in order: protocol, origin of features, and how sure each place is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from musicavqa.catalog.protocol import Protocol, benchmark_of
from musicavqa.datasets import leaks
from musicavqa.metrics import accuracy, paired, seeds
from musicavqa.metrics.bootstrap import Interval
from musicavqa.metrics.seeds import SeedReport
from musicavqa.records import Question
from musicavqa.scoring.comparing import ALPHA, System, accuracies, difference
from musicavqa.training import runs

IMPORTED_MARK = " from "
"""How the identity of a stream tells that others made it (`Store.identity`)."""


@dataclass(frozen=True)
class Standing:
    """One system on one set."""

    system: System
    protocol: Protocol
    groups: dict[str, Interval]
    """Accuracy in the cells, A, V, AV and overall; of the mean over seeds."""
    seeds: SeedReport | None
    features: dict[str, str]
    """Stream -> 'extracted here (...)' or 'imported from ...'; empty where nobody noted it."""
    weights: str
    """'official' for converted weights, 'trained here', or '' for a lone file."""
    is_prior: bool
    places: tuple[int, int] = (1, 1)
    """The best and the worst place that no significant difference speaks against."""

    @property
    def name(self) -> str:
        """Of the system."""
        return self.system.name

    @property
    def overall(self) -> float:
        """Accuracy in percent on all questions."""
        return self.groups["overall"].mean


@dataclass(frozen=True)
class Pair:
    """Two systems of one protocol on the same questions, the better one first."""

    better: str
    worse: str
    difference: Interval
    adjusted: float
    """Holm over all pairs of the board."""

    @property
    def sure(self) -> bool:
        """Whether the difference is significant at 5 % after correction."""
        return self.adjusted < ALPHA


def standings(
    systems: Sequence[System],
    questions: Sequence[Question],
    asked: str,
    training: str = "",
    priors: Sequence[str] = (),
    apart: str = "",
) -> tuple[list[Standing], list[Pair]]:
    """The systems from best to worst, and the difference of every two of one protocol.

    `training` is how lone files were trained, '' where it is not known; `priors` names systems that
    saw and heard nothing, besides those that their run tells of; `apart` is what sets all of them
    apart.
    """
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    members = accuracy.group_members([question.cell for question in questions])
    found = [
        Standing(
            system=system,
            protocol=_protocol(system, questions, asked, training, apart),
            groups=accuracies(system, members, clips),
            seeds=seeds.seed_report(system.correct, clips) if len(system.correct) > 1 else None,
            features=_features(about),
            weights=_weights(about),
            is_prior=system.name in priors or _is_prior(about),
        )
        for system, about in ((system, _about(system)) for system in systems)
    ]
    found.sort(key=lambda standing: -standing.overall)
    pairs = _pairs(found, clips)
    return [_placed(standing, found, pairs) for standing in found], pairs


def _placed(standing: Standing, found: Sequence[Standing], pairs: Sequence[Pair]) -> Standing:
    rivals = sum(other.protocol == standing.protocol for other in found)
    better = sum(pair.sure and pair.worse == standing.name for pair in pairs)
    worse = sum(pair.sure and pair.better == standing.name for pair in pairs)
    return replace(standing, places=(1 + better, rivals - worse))


def _pairs(found: Sequence[Standing], clips: np.ndarray) -> list[Pair]:
    couples = [
        (better, worse)
        for better, worse in combinations(found, 2)
        if better.protocol == worse.protocol
    ]
    intervals = [
        difference(better.system.correct, worse.system.correct, clips) for better, worse in couples
    ]
    adjusted = paired.holm([interval.p_value for interval in intervals])
    return [
        Pair(better.name, worse.name, interval, p_value)
        for (better, worse), interval, p_value in zip(couples, intervals, adjusted, strict=True)
    ]


def _about(system: System) -> dict[str, Any]:
    folder = system.files[0].parent
    return runs.about(folder) if (folder / runs.ABOUT).is_file() else {}


def _protocol(
    system: System, questions: Sequence[Question], asked: str, training: str, apart: str
) -> Protocol:
    benchmark, part = benchmark_of(asked)
    about = _about(system)
    apart = ", ".join(filter(None, (apart, _leaked(system, questions))))
    if about:
        trained = about["data"]["name"]
        same = trained == asked.partition("/")[0]
        training = "supervised" if same else f"trained on {trained}"
    return Protocol(benchmark or asked, part or "overall", len(questions), training, apart)


def _leaked(system: System, questions: Sequence[Question]) -> str:
    """How many of the questions were trained on, by the seed that saw most; '' for none."""
    seen = [path.parent / leaks.SEEN for path in system.files]
    counts = [
        len(leaks.overlap(questions, leaks.read_seen(path)).keys) for path in seen if path.is_file()
    ]
    most = max(counts, default=0)
    return f"{most:,} of the questions were trained on" if most else ""


def _features(about: Mapping[str, Any]) -> dict[str, str]:
    streams = about.get("data", {}).get("identity", {}).get("streams", {})
    return {
        name: f"imported{mark[mark.index(IMPORTED_MARK) :].rpartition(' (')[0]}"
        if IMPORTED_MARK in mark
        else f"extracted here ({mark.rpartition('-')[2]})"
        for name, mark in streams.items()
    }


def _weights(about: Mapping[str, Any]) -> str:
    return "" if not about else "official" if "converted_from" in about else "trained here"


def _is_prior(about: Mapping[str, Any]) -> bool:
    """Whether a run sees and hears nothing: it reads no stream, or both senses were muted."""
    if not about:
        return False
    return about.get("streams") == [] or {"audio", "visual"} <= set(about["data"]["mute"])

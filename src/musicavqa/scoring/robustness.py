"""The same model, the same questions, other senses: what an answer really depends on.

Every disturbance is answered into its own prediction file, so that a run that was killed goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.devices import check_device
from musicavqa.features.store import ClipStore
from musicavqa.methods.registry import load_checkpoint
from musicavqa.metrics import accuracy, bootstrap, consistency, paired
from musicavqa.metrics.bootstrap import Interval
from musicavqa.records import SENSES, Clip, Prediction, Question
from musicavqa.scoring.disturbances import DISTURBANCES, Disturbance, disturb, why_not
from musicavqa.training import loop, runs
from musicavqa.training.batches import Collation, make_batches

if TYPE_CHECKING:
    from musicavqa.methods.registry import Checkpoint

GROUPS = ("A", "V", "AV", "overall")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Examination:
    """What is asked, of whom, and what it reads."""

    run: Path
    clips: Sequence[Clip]
    questions: Sequence[Question]
    path: Path
    """The run's predictions of these questions, undisturbed."""
    streams: Mapping[str, ClipStore]
    texts: Mapping[str, Mapping[str, np.ndarray]]
    seed: int = 0
    """Of the swapped sound tracks and the shuffled seconds."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """What answers are made from, name -> hash; see `runs.pending`."""
    without_media: Set[str] = frozenset()
    """Keys of questions whose clip has no media that can be read."""
    method_file: Path | None = None
    """Of a run that was trained with a method file of one's own."""
    device: str = "cpu"


@dataclass(frozen=True)
class Row:
    """One group of questions under one disturbance."""

    group: str
    accuracy: Interval
    drop: Interval
    """Undisturbed minus disturbed, paired, in points."""
    adjusted: float
    """Holm over all disturbances and groups of the report."""
    flips: Interval
    """Share of questions, in percent, that get another answer than undisturbed."""


@dataclass(frozen=True)
class StressReport:
    """Accuracy under each disturbance, by group; `left_out` says why one could not be tried."""

    seed: int
    undisturbed: dict[str, Interval]
    disturbed: dict[str, list[Row]]
    left_out: Mapping[Disturbance, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        return asdict(self)


def stress(examination: Examination, progress: Progress | None = None) -> StressReport:
    """Answer every question undisturbed and under each disturbance that the method can feel."""
    checkpoint = load_checkpoint(examination.run, examination.method_file)
    checkpoint.model.to(check_device(examination.device))
    muted = tuple(runs.about(examination.run)["data"]["mute"])
    heard = [n for n in examination.streams if not n.startswith(_prefixes(muted))]
    asked = _readable(examination)
    reasons = {name: why_not(name, heard, len(asked)) for name in DISTURBANCES}
    tried = [name for name, reason in reasons.items() if reason is None]
    before = _answer(examination, checkpoint, muted, None)
    after: dict[str, list[Prediction]] = {}
    for done, name in enumerate(tried, start=1):
        after[name] = _answer(examination, checkpoint, muted, name)
        if progress is not None:
            progress(done, len(tried))
    undisturbed, disturbed = _rows(examination.questions, before, after)
    left_out = {name: reason for name, reason in reasons.items() if reason is not None}
    return StressReport(examination.seed, undisturbed, disturbed, left_out)


def disturbed_path(path: Path, disturbance: Disturbance, seed: int) -> Path:
    """Where the answers to disturbed senses lie, beside the undisturbed predictions at `path`."""
    split = path.stem.removeprefix("predictions.")
    folder = f"robustness.{split}-s{seed}"
    return path.parent / folder / f"{disturbance.replace(' ', '-')}.jsonl"


def _answer(
    examination: Examination,
    checkpoint: Checkpoint,
    muted: tuple[str, ...],
    disturbance: Disturbance | None,
) -> list[Prediction]:
    """Predictions in the order of the questions; those already in the file are not made again."""
    questions, streams = examination.questions, dict(examination.streams)
    path, lost = examination.path, examination.without_media
    if disturbance is not None:
        streams = disturb(disturbance, streams, _readable(examination), examination.seed)
        path = disturbed_path(path, disturbance, examination.seed)
    own = checkpoint.method.own_grids
    collation = Collation(mute=muted, texts=examination.texts, own_grids=own)
    with runs.appending(path) as append:
        todo = runs.pending(path, questions, examination.sources)
        append([Prediction(q.key, None, "no media") for q in todo if q.key in lost])
        todo = [question for question in todo if question.key not in lost]
        batches = make_batches(examination.clips, todo, streams, collation=collation)
        loop.write_answers(append, checkpoint, batches)
    return runs.read_predictions(path, questions)


def _readable(examination: Examination) -> list[str]:
    """The clips asked about that have media."""
    lost = examination.without_media
    return sorted({q.clip for q in examination.questions if q.key not in lost})


def _rows(
    questions: Sequence[Question],
    before: Sequence[Prediction],
    after: Mapping[str, Sequence[Prediction]],
) -> tuple[dict[str, Interval], dict[str, list[Row]]]:
    """Accuracies by group, undisturbed and under each disturbance."""
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    members = accuracy.group_members([question.cell for question in questions])
    groups = {name: members[name] for name in GROUPS if members[name].any()}
    right = accuracy.correctness(questions, before)
    undisturbed = {
        name: bootstrap.clustered_interval(right[rows], clips[rows])
        for name, rows in groups.items()
    }
    found = {}
    for disturbance, predictions in after.items():
        still = accuracy.correctness(questions, predictions)
        flipped = consistency.flips([p.answer for p in before], [p.answer for p in predictions])
        found[disturbance] = [
            Row(
                group=name,
                accuracy=bootstrap.clustered_interval(still[rows], clips[rows]),
                drop=bootstrap.paired_difference(right[rows], still[rows], clips[rows]),
                adjusted=1.0,
                flips=bootstrap.clustered_interval(flipped[rows], clips[rows]),
            )
            for name, rows in groups.items()
        ]
    return undisturbed, _adjusted(found)


def _adjusted(found: Mapping[str, Sequence[Row]]) -> dict[str, list[Row]]:
    """Holm's correction over every drop that the report shows."""
    p_values = paired.holm([row.drop.p_value for rows in found.values() for row in rows])
    adjusted = iter(p_values)
    return {
        name: [replace(row, adjusted=next(adjusted)) for row in rows]
        for name, rows in found.items()
    }


def _prefixes(senses: Sequence[str]) -> tuple[str, ...]:
    return tuple(prefix for sense in senses for prefix in SENSES[sense])

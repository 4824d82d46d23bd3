"""Explanations scored: does the evidence of a method point at what it was asked about?

On rendered clips the truth of time and place is known (`bandstand.meant`). Each measure stands
beside two rivals that know nothing, chance (even evidence) and a hill in the middle. What is meant
for more than `WHOLE` of all places tells nothing, and is left out for everybody.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from musicavqa.bandstand.meant import cells, meant, seconds
from musicavqa.datasets import load_dataset
from musicavqa.datasets.dubbing import dub
from musicavqa.devices import check_device
from musicavqa.features.grids import on_one_grid
from musicavqa.features.streams import embed_texts, open_streams
from musicavqa.methods.registry import Checkpoint, load_checkpoint
from musicavqa.metrics import bootstrap
from musicavqa.metrics.bootstrap import Interval
from musicavqa.metrics.grounding import HALF, MEASURES, even, grounding, hill
from musicavqa.records import Batch, Clip, Question
from musicavqa.scoring.comparing import identity_of
from musicavqa.training import runs
from musicavqa.training.answering import device_of
from musicavqa.training.batches import Collation, make_batches

Axis = Literal["time", "place"]
KIND_OF: dict[Axis, str] = {"time": "time", "place": "space"}
"""Axis -> what `Output.evidence` calls it."""
WHOLE = 0.9
BATCH_CLIPS = 8
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Measure:
    """One measure over all questions that have a truth, in percent, over clips."""

    value: Interval
    chance: float
    """Of even evidence on the same questions."""
    centre: float
    """Of a hill in the middle."""
    above_chance: Interval
    """The value minus chance, paired, in points."""


@dataclass(frozen=True)
class Grounded:
    """One method on one axis; seeds are averaged question by question."""

    method: str
    axis: Axis
    seeds: int
    n_questions: int
    measures: dict[str, Measure]
    """By the names of `MEASURES`; empty where there is nothing to score."""
    why_not: str = ""
    """Why there is nothing to score."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Scores:
    """Of one run on one axis: (measures, rivals and clip) of each question, by key."""

    rows: dict[str, tuple[np.ndarray, str]]
    """Key -> (3 kinds of evidence, 3 measures), clip."""
    why_not: str = "it shows none"


def grounding_of(
    places: Sequence[Path],
    data: Path,
    features: Path | str = "features",
    split: str = "test",
    *,
    method_file: Path | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> list[Grounded]:
    """Score the evidence of the runs at `places` on bandstand, both axes of each method.

    Runs that differ in their seed only are one method. ValueError where clips have no scene.
    """
    check_device(device)
    world = _World.of(Path(data), features, split)
    together: dict[str, list[dict[Axis, _Scores]]] = {}
    names: dict[str, str] = {}
    for number, run in enumerate(places, start=1):
        about = runs.about(run)
        key = identity_of(about)
        names[key] = Path(about["method"]).stem
        checkpoint = load_checkpoint(run, method_file)
        checkpoint.model.to(device)
        together.setdefault(key, []).append(_scored(checkpoint, about["data"]["mute"], world))
        if progress is not None:
            progress(number, len(places))
    return [
        _summed(names[key], axis, [seed[axis] for seed in found])
        for key, found in together.items()
        for axis in KIND_OF
    ]


@dataclass(frozen=True)
class _World:
    """What is asked, and the scenes that know."""

    data: Path
    features: Path | str
    clips: list[Clip]
    questions: dict[str, Question]

    @classmethod
    def of(cls, data: Path, features: Path | str, split: str) -> _World:
        clips, questions = load_dataset("bandstand", data, split)
        bare = [clip.id for clip in clips if clip.scene is None]
        if bare:
            raise ValueError(
                f"{len(bare)} clips have no scene (first: {bare[0]}), so no truth is known."
            )
        return cls(data, features, clips, {question.key: question for question in questions})

    def scene(self, clip: str) -> dict[str, Any]:
        return self._scenes[clip]

    @cached_property
    def _scenes(self) -> dict[str, Any]:
        return {clip.id: clip.scene for clip in self.clips}

    def batches(self, checkpoint: Checkpoint, mute: Sequence[str]) -> tuple[Iterator[Batch], int]:
        """The batches that this model reads, and the seconds from row to row."""
        questions = list(self.questions.values())
        stores = open_streams(self.features, checkpoint.streams, "bandstand", self.data)
        on_grid = on_one_grid(stores)
        step_s = next((store.step_s for store in on_grid.values()), 1)
        texts = embed_texts(checkpoint.method.texts(checkpoint.model.options), questions)
        clips, asked, rows = dub(self.clips, questions, on_grid)
        collation = Collation(mute=tuple(mute), texts=texts)
        return make_batches(clips, asked, rows, BATCH_CLIPS, None, collation), step_s


def _scored(checkpoint: Checkpoint, mute: Sequence[str], world: _World) -> dict[Axis, _Scores]:
    """The scores of one run on both axes."""
    batches, step_s = world.batches(checkpoint, mute)
    found = {axis: _Scores({}) for axis in KIND_OF}
    model = checkpoint.model.requires_grad_(False)
    device = device_of(model)
    for batch in batches:
        evidence = model(batch.to(device)).evidence
        for axis, kind in KIND_OF.items():
            if kind not in evidence:
                continue
            shares = evidence[kind].float().cpu().numpy()
            reason = _no_grid(shares.shape[1]) if axis == "place" else ""
            found[axis] = replace(found[axis], why_not=reason)
            if reason:
                continue
            for key, row in zip(batch.keys, shares, strict=True):
                question = world.questions[key]
                scores = _one(axis, row, world.scene(question.clip), question, step_s)
                if scores is not None:
                    found[axis].rows[key] = scores, question.clip
    return found


def _one(
    axis: Axis, row: np.ndarray, scene: dict[str, Any], question: Question, step_s: int
) -> np.ndarray | None:
    """(3 kinds of evidence, 3 measures): the method's, chance, centre; None without a truth."""
    about = meant(scene, question)
    sides: tuple[int, ...]
    if axis == "time":
        row = row[: math.ceil(scene["duration_s"] / step_s)]
        sides = (len(row),)
        target = seconds(about, len(row), step_s)
    else:
        sides = (math.isqrt(len(row)),) * 2
        target = cells(about, *sides)
    if not (target >= HALF).any() or target.mean() > WHOLE or not row.sum() > 0:
        return None
    rivals = (row, even(len(row)), hill(*sides))
    return np.array([grounding(evidence, target) for evidence in rivals])


def _no_grid(n_places: int) -> str:
    """Why so many parts are no places of the picture; '' for the cells of a square grid."""
    side = math.isqrt(n_places)
    is_grid = side > 1 and side * side == n_places
    return "" if is_grid else f"its {n_places} parts are no grid of the picture"


def _summed(method: str, axis: Axis, seeds: Sequence[_Scores]) -> Grounded:
    """One method on one axis, its seeds averaged on the questions that all of them have."""
    keys = [key for key in seeds[0].rows if all(key in seed.rows for seed in seeds)]
    if not keys:
        why_not = seeds[0].why_not or "no question has a truth that is less than everything"
        return Grounded(method, axis, len(seeds), 0, {}, why_not)
    values = np.mean([[seed.rows[key][0] for key in keys] for seed in seeds], axis=0)  # (N, 3, 3)
    clips = np.unique([seeds[0].rows[key][1] for key in keys], return_inverse=True)[1]
    measures = {
        name: Measure(
            value=bootstrap.clustered_interval(values[:, 0, place], clips),
            chance=100.0 * float(values[:, 1, place].mean()),
            centre=100.0 * float(values[:, 2, place].mean()),
            above_chance=bootstrap.paired_difference(
                values[:, 0, place], values[:, 1, place], clips
            ),
        )
        for place, name in enumerate(MEASURES)
    }
    return Grounded(method, axis, len(seeds), len(keys), measures)

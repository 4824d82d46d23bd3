"""The survey's thesis in a 2 x 2 x 2 design: what docs/thesis.md plans and reports.

    python bench/thesis.py --data DATA --features FEATURES --work FOLDER

Renders what the parts learn from, learns them for each seed, answers the questions of each split in
all eight cells, and writes docs/thesis.json, its table and its figure. What is there already is not
done again, so a killed run goes on. DATA and FEATURES hold `val` and the splits that are asked for,
rendered and extracted (streams: audio_logmel, audio_yamnet, visual_keyframes, visual_movement,
visual_effnet).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablation import report
from ablation.answering import (
    answer,
    beliefs_of,
    exact_reading,
    prior_of,
    reading_of,
    tables_of,
)
from ablation.design import CELLS, Cell
from ablation.facts import facts
from ablation.frequencies import Frequencies, of_train
from ablation.parts import Perceived, Sizes, Workshop
from ablation.perceived import STREAMS, Streams
from ablation.weighing import Spreads, fit_judge
from musicavqa.cli.extras import what_to_install
from musicavqa.datasets import load_dataset
from musicavqa.features.streams import open_streams
from musicavqa.files import read_json, write_json
from musicavqa.records import Clip, Question, Reading

ROOT = Path(__file__).parents[1]
SPLITS = ("test", "test-timbre", "test-art", "test-conflict")
WAYS = ("cells", "joined", "exact")
"""The eight cells; those without music, but sight and hearing joined; all with perfect senses.
The last two on the first split alone."""
N_TRAIN = 2000
"""Performances of train from which frequencies are taken."""


@dataclass(frozen=True)
class Asked:
    """The questions of a split, and their clips."""

    split: str
    clips: Sequence[Clip]
    questions: Mapping[str, list[Question]]
    """By clip."""


def read_split(data: Path, split: str, streams: Streams) -> Asked:
    """All clips of a split that are asked about; ValueError where a stream lacks one."""
    clips, questions = load_dataset("bandstand", data, split)
    by_clip: dict[str, list[Question]] = {}
    for question in questions:
        by_clip.setdefault(question.clip, []).append(question)
    asked = [clip for clip in clips if clip.id in by_clip]
    for name, store in streams.items():
        missing = [clip.id for clip in asked if clip.id not in store]
        if missing:
            raise ValueError(
                f"{name} has no rows of {len(missing)} of {len(asked)} clips of {split} "
                f"(first: {missing[0]}). Run: musicavqa features extract bandstand --split {split}"
            )
    return Asked(split, asked, by_clip)


@dataclass(frozen=True)
class Trial:
    """What all cells answer with, and where their answers are kept."""

    shop: Workshop
    streams: Streams
    val: Asked
    frequencies: Frequencies

    def answers(self, asked: Asked, way: str, seed: int) -> dict[str, dict[str, str]]:
        """Cell -> key of each question -> answer."""
        path = self.shop.folder / f"seed-{seed}" / f"answers-{asked.split}-{way}.json"
        found: dict[str, dict[str, str]] = read_json(path) if path.exists() else {}
        cells = [cell for cell in CELLS if way != "joined" or not cell.music]
        missing = [cell for cell in cells if cell.name not in found]
        senses = self._senses(asked, seed) if missing and way != "exact" else None
        for cell in missing:
            found[cell.name] = self._answered(asked, cell, way, seed, senses)
            write_json(path, found)
            self.shop.tell(len(found), len(cells), f"{asked.split}, {way}, seed {seed}")
        return found

    def _senses(self, asked: Asked, seed: int) -> tuple[Perceived, Perceived]:
        """What all parts say of val, and of the clips that are asked about."""
        val, own = (
            self.shop.perceived(seed, a.split, a.clips, self.streams) for a in (self.val, asked)
        )
        return val, own

    def _answered(
        self, asked: Asked, cell: Cell, way: str, seed: int, senses: tuple[Perceived, ...] | None
    ) -> dict[str, str]:
        rng = np.random.default_rng([seed, CELLS.index(cell)])
        if senses is None:
            scenes = [clip.scene for clip in asked.clips if clip.scene is not None]
            readings = [exact_reading(cell, scene, self.frequencies) for scene in scenes]
            spreads = Spreads()
        else:
            readings, spreads = self._read(cell, senses)
        beliefs = beliefs_of(self.frequencies, cell.music or way == "joined", spreads)
        prior = prior_of([q for questions in self.val.questions.values() for q in questions])
        found: dict[str, str] = {}
        for clip, reading in zip(asked.clips, readings, strict=True):
            tables = tables_of(cell, reading, beliefs, self.frequencies, rng)
            found |= answer(tables, asked.questions[clip.id], prior)
        return found

    def _read(self, cell: Cell, senses: tuple[Perceived, ...]) -> tuple[list[Reading], Spreads]:
        """Readings of the clips that are asked about, weighed by those of val."""
        known, said = ((found[cell.eye], found[cell.ear]) for found in senses)
        judge = fit_judge(cell, self.val.clips, *known)
        pairs = zip(*said, strict=True)
        readings = [reading_of(cell, judge, *pair, self.frequencies) for pair in pairs]
        return readings, judge.spreads

    def perception(self, asked: Asked, seeds: Sequence[int]) -> dict[str, dict[str, float]]:
        """Cell -> what it perceives rightly of the clips, in percent, mean over seeds."""
        scenes = [clip.scene for clip in asked.clips if clip.scene is not None]
        all_senses = [self._senses(asked, seed) for seed in seeds]
        found = {}
        for cell in CELLS:
            by_seed = [facts(cell, self._read(cell, senses)[0], scenes) for senses in all_senses]
            found[cell.name] = {
                name: round(float(np.mean([one[name] for one in by_seed])), 1)
                for name in by_seed[0]
            }
        return found


def scored(trial: Trial, asked: Asked, seeds: Sequence[int], ways: Sequence[str]) -> report.Scored:
    """Right or wrong of every question of a split, in these ways."""
    questions = [q for found in asked.questions.values() for q in found]
    right = {}
    for way in ways:
        all_seeds = [trial.answers(asked, way, seed) for seed in (seeds if way != "exact" else [0])]
        right[way] = {
            cell: np.array(
                [[said[cell][q.key] == q.answer for q in questions] for said in all_seeds]
            )
            for cell in all_seeds[0]
        }
    return report.Scored(questions, right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bandstand-data"))
    parser.add_argument("--features", type=Path, default=Path("features"))
    parser.add_argument("--work", type=Path, default=Path("thesis"), help="parts and answers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--splits", nargs="*", default=SPLITS, help="none: parts are learned alone")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "thesis.json")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "pictures" / "thesis.svg")
    parser.add_argument("--draw", action="store_true", help="only print and draw what --out holds")
    given = parser.parse_args()
    if not given.draw:
        try:
            measure(given)
        except (ValueError, FileNotFoundError) as error:
            parser.error(str(error))
    if given.splits:
        kept = read_json(given.out)
        print(report.page(kept))
        draw(kept, given.figure)


def measure(given: argparse.Namespace) -> None:
    """Learn what is not learned yet, answer what is not answered yet, and write the numbers."""
    torch.set_num_threads(given.threads)
    streams = open_streams(given.features, STREAMS, data=given.data)
    shop = Workshop(given.work, Sizes(), _Told())
    shop.check()
    seeds = range(given.seeds)
    val = read_split(given.data, "val", streams)
    for seed in seeds:
        shop.perceived(seed, "val", val.clips, streams)
    trial = Trial(shop, streams, val, of_train(N_TRAIN))
    asked = {split: read_split(given.data, split, streams) for split in given.splits}
    if not asked:
        return
    first = next(iter(asked))
    results = {
        split: scored(trial, found, seeds, WAYS if split == first else WAYS[:1])
        for split, found in asked.items()
    }
    about = {"sizes": asdict(shop.sizes), "seeds": given.seeds, "parameters": shop.parameters()}
    about["frequencies"] = {
        name: round(getattr(trial.frequencies, name), 4)
        for name in ("usual", "if_seen", "if_unseen", "equal_sounds")
    }
    about["perception"] = {"split": first, "cells": trial.perception(asked[first], seeds)}
    write_json(given.out, report.results(about, results))


def draw(results: Mapping[str, Any], path: Path) -> None:
    """The figure; ends with the line that names the extra where matplotlib is missing."""
    try:
        report.draw(results, path)
    except ModuleNotFoundError as error:
        raise SystemExit(what_to_install(error) or str(error)) from error


class _Told:
    """Tells how far all is, on stderr, a line every ten seconds at most."""

    def __init__(self) -> None:
        self.last_s = 0.0

    def __call__(self, done: float, total: float | None, remark: str) -> None:
        if time.monotonic() - self.last_s > 10 or done == total:
            self.last_s = time.monotonic()
            cpu_s = time.process_time()
            print(
                f"{cpu_s:7.0f} CPU s  {remark} {done:g} of {total:g}", file=sys.stderr, flush=True
            )


if __name__ == "__main__":
    main()

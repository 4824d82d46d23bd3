"""MUSIC-AVQA-R (Ma et al. 2024): the MUSIC-AVQA test questions in 21 to 33 wordings each.

    <clone>/dataset/MUSIC-AVQA-R/avqa-test-headtail.json   `test`: all of them
    <clone>/dataset/MUSIC-AVQA-R/avqa-test-head.json       `head`: frequent answers
    <clone>/dataset/MUSIC-AVQA-R/avqa-test-tail.json       `tail`: rare answers
    MUSIC-AVQA beside it                                   the questions that are reworded, videos

Training and validation are those of MUSIC-AVQA. In `test` the part of a row is its own column
`split`; where the file has none, it is found by looking the row up in the two other files. The
files could not be seen when this was written (they are stored nowhere but in the repository); the
loader follows what the authors' read-me and code say of them, and was tested on rows made up in
that layout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from musicavqa.datasets import music_avqa, official, rephrased, sources
from musicavqa.datasets.sources import Defect, File, Repository
from musicavqa.records import Clip, Question

CITATION = (
    "Jie Ma, Min Hu, Pinghui Wang, Wangchun Sun, Lingyun Song, Hongbin Pei, Jun Liu, Youtian Du: "
    "Look, Listen, and Answer: Overcoming Biases for Audio-Visual Question Answering. "
    "NeurIPS 2024."
)
LICENCE = "No licence file. Made from MUSIC-AVQA (CC BY-NC 4.0); it is not shipped here."
REPOSITORY = Repository(
    "reml-group/MUSIC-AVQA-R",
    "d9bed99bb3ecfdc33553a20579d9a040a8844750",
    "music_avqa_r",
    ("dataset/MUSIC-AVQA-R", "dataset"),
)


def _file(name: str, rows: int, blob: str, tiger: str) -> File:
    variants = {tiger: "QA-TIGER, whose bytes are others"}
    return File(REPOSITORY, f"avqa-test-{name}.json", rows, None, blob, variants)


SPLITS = {
    "test": _file("headtail", 211572,
        "35ab0599d288e54f391bae511ca099a0f73f2467",
        "429b74234105882f8f3d63a4fa8969fdaebe4f78"),
    "head": _file("head", 138153,
        "387be11979f25e7a90dce5b6e5d8012f43adaefb",
        "773c361fce18981662694a14c7adf91d0e776a97"),
    "tail": _file("tail", 73419,
        "19e426a64257efdf6a13d870d2465f39cc54f0aa",
        "33e7907a7ddf2164743accb6bb89f495b5e343a3"),
}  # fmt: skip
FILES = tuple(SPLITS.values())

DEFECTS = (
    Defect(
        "wordings",
        "Wordings by template, so all questions of a template have the same 21 to 33",
        {"test": 768},
        "Each row names its original in `Question.rephrases`.",
    ),
    Defect(
        "published_head",
        "Head rows of AV Location that no cut by frequency gives (17,464 printed, 14,890 by rule)",
        {"head": 17464},
        "The files' own labels are used.",
    ),
)
"""Counts from published tables (DATA.md 6); the files could not be counted."""


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line."""
    path = sources.locate(root, SPLITS, split, "music_avqa_r")
    originals = rephrased.Originals(root)
    rows = official.read_rows(path)
    part_of = _labels(root, split, rows)
    questions = rephrased.to_questions(path, rows, f"music_avqa_r/{split}", originals, part_of)
    media = sources.media_files(root, (music_avqa.REPOSITORY,))
    return official.to_clips(questions, media), questions


def splits(root: Path) -> list[str]:
    """The splits whose files are under `root`."""
    return sources.present(root, SPLITS, "music_avqa_r")


def _labels(
    root: Path, split: str, rows: Sequence[Mapping[str, Any]]
) -> Callable[[Mapping[str, Any]], rephrased.Part]:
    """How to tell the part of a row."""
    if split == "head":
        return lambda row: "head"
    if split == "tail":
        return lambda row: "tail"
    if all("split" in row for row in rows):
        return rephrased.own_part
    members = {
        part: {
            rephrased.identity(row)
            for row in official.read_rows(sources.locate(root, SPLITS, part, "music_avqa_r"))
        }
        for part in ("head", "tail")
    }

    def look_up(row: Mapping[str, Any]) -> rephrased.Part:
        mark = rephrased.identity(row)
        head, tail = mark in members["head"], mark in members["tail"]
        if head == tail:
            where = "both the head and the tail" if head else "neither the head nor the tail"
            raise ValueError(f"the row is in {where} file.")
        return "head" if head else "tail"

    return look_up

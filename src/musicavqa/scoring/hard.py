"""The hard questions: those that neither one frame nor the question alone answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from musicavqa.files import write_text
from musicavqa.questions import CELLS
from musicavqa.records import Question

MOST = 0.5
"""A shortcut answers a question where more than this share of its answers is right."""


def hard(questions: Sequence[Question], answered: Mapping[str, np.ndarray]) -> list[str]:
    """Keys of the questions that no shortcut answers, in order.

    `answered` maps a shortcut's name to correctness (files, N): every system and every seed that
    took it. ValueError where there is none.
    """
    if not answered:
        raise ValueError("Nothing took a shortcut, so no question can be called hard.")
    taken = [np.atleast_2d(right).mean(0) > MOST for right in answered.values()]
    easy = np.any(taken, axis=0)
    return [question.key for question, known in zip(questions, easy, strict=True) if not known]


def counts(questions: Sequence[Question], keys: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Cell -> (hard questions, all), for cells that are asked."""
    chosen = set(keys)
    found = {}
    for cell in CELLS:
        asked = [question.key for question in questions if question.cell == cell]
        if asked:
            found[cell] = (sum(key in chosen for key in asked), len(asked))
    return found


def write_keys(path: Path, keys: Sequence[str]) -> None:
    """One key a line."""
    write_text(path, "".join(f"{key}\n" for key in keys))


def only_these(questions: Sequence[Question], path: Path) -> tuple[list[Question], set[str]]:
    """The questions whose keys the file has, and the keys of the others.

    ValueError where the file names a key that is not asked, or none at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no list of keys {path}.")
    wanted = path.read_text(encoding="utf-8").split("\n")
    keys = {key for key in wanted if key}
    asked = {question.key for question in questions}
    if unknown := sorted(keys - asked):
        raise ValueError(f"{path}: {len(unknown)} keys are not asked (first: {unknown[0]!r}).")
    if not keys:
        raise ValueError(f"{path} has no keys.")
    return [question for question in questions if question.key in keys], asked - keys

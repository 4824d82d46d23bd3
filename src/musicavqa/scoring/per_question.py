"""Question by question: which of them nobody answers, and which only priors do.

A *prior* sees and hears nothing: a majority counted on training questions, a method that reads no
stream, or one whose senses were muted in training. All others *listen*. A question is answered by a
system as often as its seeds answer it; "all wrong" means no seed of any listening system.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from musicavqa.questions import CELLS
from musicavqa.records import Question

Outcome = Literal["all right", "all wrong", "only priors right", "divided"]
OUTCOMES: tuple[Outcome, ...] = ("all right", "divided", "all wrong", "only priors right")
"""'only priors right' is the part of what all listening systems get wrong that a prior knows."""


@dataclass(frozen=True)
class PerQuestion:
    """What became of each question on one board."""

    questions: Sequence[Question]
    listening: dict[str, np.ndarray]
    """System -> share of its seeds that are right (N,), in the order of the questions."""
    priors: dict[str, np.ndarray]
    outcomes: list[Outcome]
    expected_all_wrong: float
    """How many all would get wrong if in each cell the systems erred independently."""

    def keys(self, outcome: Outcome) -> list[str]:
        """The questions that this became of."""
        pairs = zip(self.questions, self.outcomes, strict=True)
        return [question.key for question, became in pairs if became == outcome]

    def counts(self) -> list[dict[str, Any]]:
        """One row per cell and one over all: how many questions had which outcome."""
        cells = np.array([question.cell for question in self.questions])
        became = np.array(self.outcomes)
        rows = []
        for cell in (*CELLS, "overall"):
            inside = np.ones(len(cells), dtype=bool) if cell == "overall" else cells == cell
            if inside.any():
                row: dict[str, Any] = {"cell": cell, "asked": int(inside.sum())}
                row |= {str(name): int((became[inside] == name).sum()) for name in OUTCOMES}
                rows.append(row)
        return rows

    def as_dict(self) -> dict[str, Any]:
        """Counts and keys for JSON."""
        return {
            "listening": list(self.listening),
            "priors": list(self.priors),
            "counts": self.counts(),
            "expected_all_wrong": self.expected_all_wrong,
            "all_wrong": [*self.keys("all wrong"), *self.keys("only priors right")],
            "only_priors_right": self.keys("only priors right"),
        }

    def csv(self) -> str:
        """A line per question: what it is, what became of it, and who is right how often."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        systems = {**self.listening, **self.priors}
        about = ["key", "clip", "cell", "template", "question", "answer", "outcome"]
        lines.writerow([*about, *systems])
        for place, (question, became) in enumerate(zip(self.questions, self.outcomes, strict=True)):
            told = [question.key, question.clip, question.cell, question.template, question.text]
            shares = [f"{share[place]:.3g}" for share in systems.values()]
            lines.writerow([*told, question.answer, became, *shares])
        return text.getvalue()


def per_question(
    questions: Sequence[Question],
    listening: Mapping[str, np.ndarray],
    priors: Mapping[str, np.ndarray],
) -> PerQuestion | None:
    """Put systems (S, N) and priors together; None where no system listens.

    Both map a name to correctness (seeds, N) or (N,), in the order of the questions.
    """
    if not listening:
        return None
    heard = {name: np.atleast_2d(right).mean(0) for name, right in listening.items()}
    blind = {name: np.atleast_2d(right).mean(0) for name, right in priors.items()}
    anybody = np.stack(list(heard.values())).max(0) > 0
    everybody = np.stack(list(heard.values())).min(0) == 1
    guessed = np.stack(list(blind.values())).max(0) > 0 if blind else np.zeros_like(anybody)
    outcomes = np.select(
        [everybody, anybody, guessed],
        ["all right", "divided", "only priors right"],
        default="all wrong",
    )
    return PerQuestion(questions, heard, blind, outcomes.tolist(), _expected(questions, listening))


def _expected(questions: Sequence[Question], listening: Mapping[str, np.ndarray]) -> float:
    """Number of questions that all files get wrong where errors in a cell are independent."""
    cells = np.array([question.cell for question in questions])
    total = 0.0
    for cell in np.unique(cells):
        inside = cells == cell
        files = [seed[inside] for right in listening.values() for seed in np.atleast_2d(right)]
        wrong = [1.0 - float(right.mean()) for right in files]
        total += inside.sum() * float(np.prod(wrong))
    return total

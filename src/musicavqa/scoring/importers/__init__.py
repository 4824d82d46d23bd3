"""Predictions from elsewhere: one file per format, all joined to the questions by what they name.

A table format has `fits(columns)`, `check(table)` and `given(line, row)`; to add one, write the
file and name it in `TABLES`. Every reader gives all rows, or raises a ValueError of one line.
A plain table (`PLAIN`) has no fixed columns: which one is the model's is never guessed.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from musicavqa.answers.scorers import read_answer, rule_name
from musicavqa.records import CountedWarning, Prediction, Question
from musicavqa.scoring.importers import lmms_eval, plain, tables, tspm, videollama2, vlmevalkit
from musicavqa.scoring.importers.given import Given
from musicavqa.scoring.importers.joining import join

TABLES = {"lmms_eval": lmms_eval, "videollama2": videollama2, "vlmevalkit": vlmevalkit}
PLAIN = "plain"
FORMATS = ("tspm", *TABLES, PLAIN)


class GoldWarning(CountedWarning):
    """Answers that are all right, as those of an annotation are."""


@dataclass(frozen=True)
class Imported:
    """Predictions in the order of the questions, and what became of the file."""

    predictions: list[Prediction]
    format: str
    n_given: int

    def summary(self) -> str:
        """One line: how many were given, missing, and how the texts were read."""
        missing = len(self.predictions) - self.n_given
        outcomes = Counter(p.outcome for p in self.predictions if p.outcome)
        read = ", ".join(f"{name} {count}" for name, count in outcomes.most_common())
        rules = {p.rule for p in self.predictions if p.rule}
        how = f"; read by {rules.pop()}: {read}" if rules else "; answers given by number"
        lacks = f"; {missing} missing, counted as no media" if missing else ""
        return f"{self.n_given} of {len(self.predictions)} answers from {self.format}{how}{lacks}"


def import_predictions(
    path: Path,
    questions: Sequence[Question],
    format: str | None = None,
    scorer: str | None = None,
    partly: bool = False,
    column: str | None = None,
) -> Imported:
    """Read a file of answers to `questions`.

    `format` is one of `FORMATS`, None to tell it from the file; `column` names the model's answers
    in a plain table, None where only one column can be them; `scorer` reads free text, None for
    'mcq' where the file has options and 'span' elsewhere. With `partly`, questions without an
    answer become 'no media'. Raises ValueError or FileNotFoundError, never drops a row; answers
    that are all right are told by GoldWarning.
    """
    path = Path(path)
    format = format or (PLAIN if column else sniff(path))
    given = read(path, format, column)
    joined = join(given, questions, path, partly)
    scorer = scorer or ("mcq" if any(item.options for item in given) else "span")
    bare = [item for item in given if len(item.options) < 2]
    if scorer == "mcq" and bare:
        raise ValueError(
            f"{len(bare)} of {len(given)} rows of {path} (first: line {bare[0].line}) have no two "
            f"options to choose from. Say --scorer span to read them as free text."
        )
    answers = [_prediction(question, joined.get(question.key), scorer) for question in questions]
    _warn_of_gold(questions, answers, path)
    return Imported(answers, format, len(given))


def read(path: Path, format: str, column: str | None = None) -> list[Given]:
    """All rows of a file of this format; `column` is that of the answers, in a plain table."""
    if format not in FORMATS:
        raise ValueError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")
    if column and format != PLAIN:
        raise ValueError(f"--column goes with plain tables; {format} names its columns itself.")
    if format == "tspm":
        return tspm.read(path)
    table = tables.load(path)
    if format == PLAIN:
        found = plain.answer_column(table, column)
        return list(_rows(table, partial(plain.given, column=found)))
    TABLES[format].check(table)
    return list(_rows(table, TABLES[format].given))


def sniff(path: Path) -> str:
    """The format of a file, where only one fits; ValueError otherwise."""
    if path.suffix.lower() not in tables.SUFFIXES:
        if tspm.fits(tables.read_text(path)):
            return "tspm"
        raise ValueError(f"{path} is of no known format. Say --format {' or '.join(FORMATS)}.")
    columns = tables.load(path).columns
    if columns >= {"key", "answer", "status"}:
        raise ValueError(f"{path} is a prediction file already. Run: musicavqa evaluate {path}")
    fitting = [name for name, format in TABLES.items() if format.fits(columns)]
    if plain.fits(columns) or (plain.asks(columns) and not fitting):
        fitting.insert(0, PLAIN)
    if len(fitting) != 1:
        known = f"may be {' or '.join(fitting)}" if fitting else "is of no known format"
        shown = ", ".join(sorted(columns)[:12]) or "none that every row has"
        raise ValueError(
            f"{path} {known} (columns: {shown}). Say --format {' or '.join(fitting or FORMATS)}."
        )
    return fitting[0]


def _rows(table: tables.Table, given: Callable[[int, dict[str, Any]], Given]) -> Iterator[Given]:
    for line, row in table.rows:
        try:
            yield given(line, row)
        except ValueError as error:
            raise ValueError(f"{table.path}, line {line}: {error}") from error


def _warn_of_gold(
    questions: Sequence[Question], predictions: Sequence[Prediction], path: Path
) -> None:
    """Tell where every answer is the right one, which no model is known to reach."""
    right = [p.answer == q.answer for q, p in zip(questions, predictions, strict=True)]
    if len(right) > 1 and all(right):
        told = f"All {len(right)} answers in {path} are the right ones. Are they a model's?"
        warnings.warn(GoldWarning(told), stacklevel=3)


def _prediction(question: Question, given: Given | None, scorer: str) -> Prediction:
    if given is None:
        return Prediction(question.key, None, "no media")
    if given.answer is not None:
        return Prediction(question.key, given.answer)
    reading = read_answer(given.text, question, scorer, given.options)
    return Prediction(
        key=question.key,
        answer=reading.answer,
        status="answered" if reading.answer else "unreadable",
        text=given.text,
        outcome=reading.outcome,
        rule=rule_name(scorer),
    )

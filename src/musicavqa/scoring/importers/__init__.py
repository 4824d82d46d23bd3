"""Predictions from elsewhere: one file per format, all joined to the questions by what they name.

A table format has `fits(columns)`, `check(table)` and `given(line, row)`; to add one, write the
file and name it in `TABLES`. Every reader gives all rows, or raises a ValueError of one line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.answers.scorers import read_answer, rule_name
from musicavqa.records import Prediction, Question
from musicavqa.scoring.importers import lmms_eval, plain, tables, tspm, vlmevalkit
from musicavqa.scoring.importers.given import Given
from musicavqa.scoring.importers.joining import join

TABLES = {"lmms_eval": lmms_eval, "plain": plain, "vlmevalkit": vlmevalkit}
FORMATS = ("tspm", *TABLES)


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
) -> Imported:
    """Read a file of answers to `questions`.

    `format` is one of `FORMATS`, None to tell it from the file; `scorer` reads free text, None for
    'mcq' where the file has options and 'span' elsewhere. With `partly`, questions without an
    answer become 'no media'. Raises ValueError or FileNotFoundError, never drops a row.
    """
    path = Path(path)
    format = format or sniff(path)
    given = read(path, format)
    joined = join(given, questions, path, partly)
    scorer = scorer or ("mcq" if any(item.options for item in given) else "span")
    bare = [item for item in given if len(item.options) < 2]
    if scorer == "mcq" and bare:
        raise ValueError(
            f"{len(bare)} of {len(given)} rows of {path} (first: line {bare[0].line}) have no two "
            f"options to choose from. Say --scorer span to read them as free text."
        )
    answers = [_prediction(question, joined.get(question.key), scorer) for question in questions]
    return Imported(answers, format, len(given))


def read(path: Path, format: str) -> list[Given]:
    """All rows of a file of this format."""
    if format == "tspm":
        return tspm.read(path)
    if format not in TABLES:
        raise ValueError(f"There is no format {format!r}; there are {', '.join(FORMATS)}.")
    table = tables.load(path)
    TABLES[format].check(table)
    return list(_rows(table, format))


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
    if len(fitting) != 1:
        known = f"may be {' or '.join(fitting)}" if fitting else "is of no known format"
        shown = ", ".join(sorted(columns)[:12]) or "none that every row has"
        raise ValueError(
            f"{path} {known} (columns: {shown}). Say --format {' or '.join(fitting or FORMATS)}."
        )
    return fitting[0]


def _rows(table: tables.Table, format: str) -> Iterable[Given]:
    for line, row in table.rows:
        try:
            yield TABLES[format].given(line, row)
        except ValueError as error:
            raise ValueError(f"{table.path}, line {line}: {error}") from error


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

"""A plain table, one row a question, as .csv, .tsv, .jsonl, .json or .xlsx.

Which question: `key`, or `video_id` with `question_id` or `question` (filled), or `question_id`
alone where it is unique. What was answered: the one column that can be the model's answer, by its
name (`answer`, `prediction`, `pred`, `model_output`, ...) or by its values; where several can, none
is guessed. `gold`, `gt_answer` and the like are compared with the questions. `options`, for
choices, is a list, or text with `|` between the options.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from musicavqa.answers import ANSWERS
from musicavqa.answers.reading import normalise
from musicavqa.scoring.importers.given import Given, name, shorten, whole_number, words
from musicavqa.scoring.importers.tables import Table

TEXTS = ("answer", "prediction", "response", "text", "output")
"""Columns of the model's answer, for messages; `could_be_the_answer` knows more."""
_SAID = frozenset({
    "answer", "answers", "pred", "preds", "predict", "predicted", "prediction", "predictions",
    "response", "responses", "output", "outputs", "text", "generated", "generation", "completion",
    "reply", "hypothesis", "hyp", "said",
})  # fmt: skip
_FORETOLD = frozenset(word for word in _SAID if word.startswith("pred"))
_RIGHT = frozenset({
    "gold", "golden", "gt", "truth", "groundtruth", "target", "reference", "ref", "label", "anser",
    "correct", "right", "true",
})  # fmt: skip
_ABOUT = frozenset({
    "key", "id", "index", "video", "question", "type", "kind", "split", "template", "templ",
    "options", "choices", "prompt", "score", "confidence", "probability",
})  # fmt: skip
"""Words in the names of columns that tell something else, whatever they hold."""


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns say which question and, by one name, what was answered."""
    return asks(columns) and sum(map(_says, columns)) == 1


def asks(columns: frozenset[str]) -> bool:
    """Whether these columns say which question was answered."""
    return bool({"key", "question_id"} & columns) or {"video_id", "question"} <= columns


def could_be_the_answer(table: Table) -> list[str]:
    """Columns that may hold the model's answers: by their names, or by values that are answers."""
    named = sorted(table.columns | table.stray_columns)
    return [column for column in named if _says(column) or _holds_answers(table, column)]


def given(line: int, row: dict[str, Any], column: str) -> Given:
    """One row, its answer in `column`."""
    gold = next((value for at, value in row.items() if at != column and _is_gold(at)), None)
    return Given(
        line,
        words(row[column], column),
        key=name(row.get("key"), "key"),
        question_id=whole_number(row.get("question_id"), "question_id"),
        clip=name(row.get("video_id"), "video_id"),
        question=name(row.get("question"), "question"),
        gold=gold if isinstance(gold, str) and normalise(gold) in _NORMAL_ANSWERS else None,
        options=_options(row.get("options")),
    )


def answer_column(table: Table, column: str | None = None) -> str:
    """The column of the model's answers: `column`, or the only one that can be.

    Raises ValueError unless every row has it and says which question was answered.
    """
    could_be = [column] if column else could_be_the_answer(table)
    if len(could_be) != 1:
        raise ValueError(f"{table.path}: {_none_or_several(could_be)}")
    if could_be[0] not in table.columns:
        raise ValueError(
            f"{table.path} has no column {could_be[0]!r} in every row; there are "
            f"{', '.join(sorted(table.columns)) or 'none that every row has'}."
        )
    if not asks(table.columns):
        raise ValueError(
            f"{table.path} does not say in every row which question was answered: it needs a "
            f"column key, or video_id with question_id or question."
        )
    return could_be[0]


def _none_or_several(columns: Sequence[str]) -> str:
    if not columns:
        return f"there is no answer; name its column {', '.join(TEXTS)}, or say --column."
    said = " or ".join(f"--column {column}" for column in columns)
    return f"{' and '.join(columns)} could each be the answer of the model. Say {said}."


def _says(column: str) -> bool:
    """Whether the name of a column is that of what a model said."""
    parts = _parts(column)
    return bool(parts & _SAID) and not parts & _ABOUT and not _is_gold(column)


def _is_gold(column: str) -> bool:
    """Whether the name of a column is that of the right answer."""
    parts = _parts(column)
    return bool(parts & _RIGHT) and not parts & (_FORETOLD | _ABOUT)


def _parts(column: str) -> set[str]:
    """The words of a name such as 'pred_answer' or 'modelOutput'."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", column)
    return set(re.findall(r"[^\W\d_]+", apart.lower()))


def _holds_answers(table: Table, column: str) -> bool:
    """Whether most cells of a column of no known name are answers, word for word."""
    if _parts(column) & _ABOUT or _is_gold(column):
        return False
    cells = [cell for _, row in table.rows if isinstance(cell := row.get(column), str) and cell]
    return sum(normalise(cell) in _NORMAL_ANSWERS for cell in cells) * 2 > len(cells)


def _options(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(words(option, "options") or "" for option in value)
    if isinstance(value, str) or value is None:
        return tuple(part.strip() for part in (value or "").split("|") if part.strip())
    raise ValueError(f"'options' holds {shorten(value)}, which is no list.")


_NORMAL_ANSWERS = frozenset(normalise(answer) for answer in ANSWERS)

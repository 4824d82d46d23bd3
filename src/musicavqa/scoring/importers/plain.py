"""A plain table, one row a question, as .csv, .tsv, .jsonl, .json or .xlsx.

Which question: `key`, or `video_id` with `question_id` or `question` (filled), or `question_id`
alone where it is unique. What was answered: exactly one of `answer`, `prediction`, `response`,
`text`, `output`. `options`, for choices, is a list, or text with `|` between the options.
"""

from __future__ import annotations

from typing import Any

from musicavqa.scoring.importers.given import Given, name, shorten, whole_number, words
from musicavqa.scoring.importers.tables import Table

TEXTS = ("answer", "prediction", "response", "text", "output")


def fits(columns: frozenset[str]) -> bool:
    """Whether these columns say which question and what was answered."""
    asks = {"key", "question_id"} & columns or {"video_id", "question"} <= columns
    return bool(asks) and len(columns.intersection(TEXTS)) == 1


def given(line: int, row: dict[str, Any]) -> Given:
    """One row."""
    column = next(text for text in TEXTS if text in row)
    return Given(
        line,
        words(row[column], column),
        key=name(row.get("key"), "key"),
        question_id=whole_number(row.get("question_id"), "question_id"),
        clip=name(row.get("video_id"), "video_id"),
        question=name(row.get("question"), "question"),
        options=_options(row.get("options")),
    )


def check(table: Table) -> None:
    """Raise ValueError unless every row says which question and what was answered."""
    texts = [text for text in TEXTS if text in table.columns | table.stray_columns]
    if len(texts) != 1:
        found = f"{' and '.join(texts)} could each be" if texts else "there is no"
        raise ValueError(f"{table.path}: {found} the answer; keep one of {', '.join(TEXTS)}.")
    if not fits(table.columns):
        raise ValueError(
            f"{table.path} does not say in every row which question was answered: it needs a "
            f"column key, or video_id with question_id or question."
        )


def _options(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(words(option, "options") or "" for option in value)
    if isinstance(value, str) or value is None:
        return tuple(part.strip() for part in (value or "").split("|") if part.strip())
    raise ValueError(f"'options' holds {shorten(value)}, which is no list.")

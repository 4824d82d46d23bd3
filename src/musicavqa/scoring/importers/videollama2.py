"""Result files of VideoLLaMA2 and of programs made from it: id, question, answer, pred.

`id` is the file name of the video, or the question's number; `answer` is the right answer, by
which every row is checked, and `pred` the words of the model ('error' where it failed). The
released script writes JSON lines into a file that ends with .json.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from musicavqa.scoring.importers.given import Given, name, words
from musicavqa.scoring.importers.tables import Table

_COLUMNS = frozenset({"id", "question", "answer", "pred"})
_ENDINGS = (".mp4", ".avi", ".mov", ".mkv", ".webm")


def fits(columns: frozenset[str]) -> bool:
    """Whether such a file has these columns."""
    return columns >= _COLUMNS


def given(line: int, row: dict[str, Any]) -> Given:
    """One row."""
    said = name(row["id"], "id") or ""
    is_number = isinstance(row["id"], int) or (said.isdecimal() and not said.startswith("0"))
    file = PurePosixPath(said)
    return Given(
        line,
        words(row["pred"], "pred"),
        question_id=int(said) if is_number and len(said) < 19 else None,
        clip=None if is_number else file.stem if file.suffix in _ENDINGS else said or None,
        question=name(row["question"], "question"),
        gold=name(row["answer"], "answer"),
    )


def check(table: Table) -> None:
    """Raise ValueError unless every row has what a result file must have."""
    if missing := sorted(_COLUMNS - table.columns):
        raise ValueError(
            f"{table.path} is no result file of VideoLLaMA2: no column "
            f"{' and no '.join(missing)} in some row."
        )

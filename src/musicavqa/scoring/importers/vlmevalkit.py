"""Result files of VLMEvalKit: <model>_<dataset>.xlsx, .tsv or .json (its PRED_FORMAT), also .csv.

The columns of the data set (`index`, `question`, `answer`, for choices `A`, `B`, ...) with the
model's `prediction`. A data set that carries `key`, or `video_id` and `question`, joins by these;
otherwise `index` is taken as the place of the question in the split, and checked against `question`
and `answer`.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

from musicavqa.scoring.importers.given import Given, name, whole_number, words
from musicavqa.scoring.importers.tables import Table

_COLUMNS = frozenset({"index", "prediction"})


def fits(columns: frozenset[str]) -> bool:
    """Whether such a file has these columns."""
    return columns >= _COLUMNS


def given(line: int, row: dict[str, Any]) -> Given:
    """One row; the right answer of a choice is a letter and stands for its option."""
    options: list[str] = []
    for letter in ascii_uppercase:
        option = name(row.get(letter), letter)
        if option is None:
            break
        options.append(option)
    gold = name(row.get("answer"), "answer")
    if options and gold is not None and gold in ascii_uppercase[: len(options)]:
        gold = options[ascii_uppercase.index(gold)]
    return Given(
        line,
        words(row["prediction"], "prediction"),
        key=name(row.get("key"), "key"),
        index=whole_number(row["index"], "index"),
        question_id=whole_number(row.get("question_id"), "question_id"),
        clip=name(row.get("video_id", row.get("video")), "video_id"),
        question=name(row.get("question"), "question"),
        gold=gold,
        options=tuple(options),
    )


def check(table: Table) -> None:
    """Raise ValueError unless every row has what a result file must have."""
    missing = sorted(_COLUMNS - table.columns)
    if missing:
        raise ValueError(
            f"{table.path} is no result file of VLMEvalKit: no column {' and no '.join(missing)}."
        )

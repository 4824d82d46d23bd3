"""Sets whose rows are other wordings of MUSIC-AVQA test questions, traced to what they reword.

A wording does not tell its template, so each row is joined to the test questions of json_update:
by `question_id` where the row has one, else by (video, type, answer), which no two of those 9,129
questions share. Video, type and answer must agree with the question found. A row that cannot be
traced raises ValueError: nothing is guessed from the wording, and no row is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from musicavqa.datasets import music_avqa, official, sources
from musicavqa.records import Question

Part = Literal["head", "tail"] | None
REQUIRED = ("video_id", "type", "question_content", "anser")
_SLOT = re.compile(r"<\w+>")


class Originals:
    """The test questions of MUSIC-AVQA (json_update), to be found by what a wording keeps."""

    def __init__(self, root: Path) -> None:
        path = sources.locate(root, music_avqa.SPLITS, "test", "music_avqa")
        rows = official.read_rows(path)
        found = official.to_questions(rows, "music_avqa/test", source=str(path))
        self.by_id: dict[int, Question | None] = {}
        self.by_content: dict[tuple[str, str, str | None], Question | None] = {}
        for row, question in zip(rows, found, strict=True):
            number, content = row["question_id"], (question.clip, question.cell, question.answer)
            self.by_id[number] = None if number in self.by_id else question
            self.by_content[content] = None if content in self.by_content else question

    def of(self, row: Mapping[str, Any], cell: str) -> Question:
        """The question that a row rewords."""
        number = official.whole_number(row.get("question_id"), "question_id")
        content = (row["video_id"], cell, row["anser"])
        if number is None:
            found = self.by_content.get(content)
            what = "this video, type and answer"
        else:
            found, what = self.by_id.get(number), f"question_id {number}"
        if found is None:
            raise ValueError(f"MUSIC-AVQA test has no single question with {what}.")
        if (found.clip, found.cell, found.answer) != content:
            raise ValueError(
                f"MUSIC-AVQA test has {found.clip}, {found.cell}, {found.answer!r} for {what}, "
                f"the row has {official.show(row['video_id'])}, {cell}, {row['anser']!r}."
            )
        return found


def to_questions(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    prefix: str,
    originals: Originals,
    part_of: Callable[[Mapping[str, Any]], Part],
) -> list[Question]:
    """One Question per row, with `rephrases` naming the key of its original.

    Columns besides `REQUIRED` are read where they are and may be others: neither file could be
    seen when this was written. The text is kept as it is, with `<Slot>` marks filled.
    """
    found = []
    for index, row in enumerate(rows):
        try:
            original, text = _original(row, originals), _text(row)
            part = part_of(row)
        except ValueError as error:
            raise ValueError(f"{path} row {index}: {error}") from None
        key = f"{prefix}/{index}"
        found.append(replace(original, key=key, text=text, part=part, rephrases=original.key))
    return found


def own_part(row: Mapping[str, Any]) -> Part:
    """'head' or 'tail' from the row's own column `split`."""
    part = row.get("split")
    if part not in ("head", "tail"):
        raise ValueError(f"split is {official.show(part)}, not 'head' or 'tail'.")
    return part


def identity(row: Mapping[str, Any]) -> str:
    """What makes a row itself, to find it again in another file."""
    columns = ("video_id", "question_id", "type", "question_content", "templ_values", "anser")
    return json.dumps([row.get(column) for column in columns])


def _original(row: Mapping[str, Any], originals: Originals) -> Question:
    official.check_columns(row, REQUIRED, None)
    official.check_answer(row["anser"])
    if not isinstance(row["video_id"], str):
        raise ValueError(f"video_id is {official.show(row['video_id'])}, not a text.")
    kind = tuple(official.decode_list(row["type"], "type"))
    cell = official.CELL_OF.get(kind)
    if cell is None:
        raise ValueError(f"type {official.show(row['type'])} is none of the nine.")
    return originals.of(row, cell)


def _text(row: Mapping[str, Any]) -> str:
    text = row["question_content"]
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"question_content is {official.show(text)}, not a question.")
    n_marks = len(_SLOT.findall(text))
    if not n_marks:
        return text
    values = official.decode_list(row.get("templ_values"), "templ_values")
    if len(values) != n_marks:
        raise ValueError(f"{official.show(text)} has {n_marks} slots, the row {len(values)}.")
    filling = iter(values)
    return _SLOT.sub(lambda _: next(filling), text)

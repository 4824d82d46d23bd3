"""The official annotation rows, read and checked in this one place.

A file is a JSON list of flat objects: `video_id`, `question_id`, `type`, `question_content` (the
template), `templ_values` (its slot values), `question_deleted` and `anser`. `type` and
`templ_values` are strings that hold JSON lists; v2 has some real lists, rows without an id, and
numbers that a table library turned into floats. Whatever does not fit raises one ValueError that
names file, row (counted from 0, as in the key) and what is wrong; no row is ever left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from musicavqa import answers
from musicavqa.files import parse_json
from musicavqa.questions import INSTRUMENTS, TEMPLATES, fill, template
from musicavqa.records import Clip, Question

SECONDS = 60.0
"""Every clip of MUSIC-AVQA is cut to one minute."""

COLUMNS = (
    "video_id", "question_id", "type", "question_content", "templ_values", "question_deleted",
    "anser",
)  # fmt: skip

CELL_OF: dict[tuple[str, ...], str] = {item.type_pair: item.cell for item in TEMPLATES}
"""(modality, type) as files write it -> cell."""

_NUMBER_OF = {item.text: item.number for item in TEMPLATES}
_KIND_OF = {item.number: json.dumps(item.type_pair) for item in TEMPLATES}
_VIDEO = re.compile(r"(va|sa|vv|eva|esa|evv)?[0-9]{8}")


def family(video_id: str) -> str | None:
    """'real', or the prefix of a synthetic video; None when this is no id of MUSIC-AVQA."""
    found = _VIDEO.fullmatch(video_id)
    return None if found is None else found[1] or "real"


@dataclass(frozen=True)
class Layout:
    """What the rows of a file have to look like."""

    required: tuple[str, ...] = COLUMNS
    optional: tuple[str, ...] = ("source", "ambiguous", "idx")
    """By default those that files derived from the official ones add."""
    origin: Callable[[str], str | None] = family
    """Video id -> origin of the clip, None where the id cannot be one."""


V1 = Layout()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON list; ValueError when the file holds anything else."""
    try:
        rows = parse_json(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        what = " ".join(str(error).split())[:120]
        raise ValueError(f"{path} is not JSON, damaged or cut short: {what}") from None
    if not isinstance(rows, list) or not rows:
        what = "an empty list" if rows == [] else f"a {type(rows).__name__}"
        raise ValueError(f"{path} holds {what}, not a list of questions.")
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"{path} row {index} is {show(row)}, not an object.")
    return rows


def read_questions(path: Path, prefix: str, layout: Layout = V1) -> list[Question]:
    """The questions of an official file; `prefix` of the keys is set/split."""
    return to_questions(read_rows(path), prefix, layout, str(path))


def to_questions(
    rows: Sequence[Mapping[str, Any]], prefix: str, layout: Layout = V1, source: str = "rows"
) -> list[Question]:
    """Questions from official rows, keyed by position, as `question_id` repeats."""
    reader, found = _Reader(layout), []
    for index, row in enumerate(rows):
        try:
            found.append(reader.question(row, f"{prefix}/{index}"))
        except ValueError as error:
            raise ValueError(f"{source} row {index}: {error}") from None
    return found


def to_clips(
    questions: Iterable[Question],
    media: Mapping[str, Path],
    seconds: Mapping[str, float] | None = None,
) -> list[Clip]:
    """The clips asked about or heard, by first appearance; without a file, `path` is None.

    `seconds` has the length of those clips that do not last a minute.
    """
    lengths = seconds or {}
    names: dict[str, None] = {}
    for question in questions:
        names[question.clip] = None
        if question.sound_from is not None:
            names[question.sound_from] = None
    return [Clip(name, media.get(name), lengths.get(name, SECONDS)) for name in names]


def whole_number(value: Any, column: str) -> int | None:
    """An int, a float that is one, or None; anything else raises ValueError."""
    if value is None or type(value) is int:
        return value
    if type(value) is float and value.is_integer():
        return int(value)
    raise ValueError(f"{column} is {show(value)}, not a whole number.")


def show(value: Any) -> str:
    """A value for an error message: on one line, and short."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


Asked = tuple[str, int, tuple[str, ...], str]
"""(text, template, slots, cell) of what a row asks."""


class _Memo(dict[Any, Any]):
    """Remembers what `make` gave: files repeat few questions, videos and answers very often."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make

    def __missing__(self, key: Any) -> Any:
        self[key] = value = self.make(key)
        return value


class _Reader:
    """Makes questions of the rows of one file."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.columns = _Memo(lambda names: check_columns(names, layout.required, layout.optional))
        self.asked: dict[Any, Asked] = _Memo(lambda signature: _parse(*signature))
        self.origins: dict[Any, str] = _Memo(self._origin)
        self.answers = _Memo(check_answer)

    def question(self, row: Mapping[str, Any], key: str) -> Question:
        columns = tuple(row)
        self.columns[columns]
        video, answer = row["video_id"], row["anser"]
        signature = (row["question_content"], row["templ_values"], row["type"])
        try:
            self.answers[answer]
            origin = self.origins[video]
            text, number, slots, cell = self.asked[signature]
        except TypeError:  # a list is no key
            check_answer(answer)
            origin = self._origin(video)
            text, number, slots, cell = _parse(*signature)
        number_in_file = row.get("question_id")
        if type(number_in_file) is not int or row.get("question_deleted") != 0:
            number_in_file = self._check_numbers(row)
        sound = row.get("unmatch_audio")
        if len(columns) > len(COLUMNS):
            self._check_v2(row, sound)
        return Question(
            key, video, text, number, slots, cell, answer, origin, None, None, sound, number_in_file
        )

    def _origin(self, video: Any, column: str = "video_id") -> str:
        origin = self.layout.origin(video) if isinstance(video, str) else None
        if origin is None:
            raise ValueError(f"{column} {show(video)} is no video of this set.")
        return origin

    def _check_numbers(self, row: Mapping[str, Any]) -> int | None:
        """The question_id as a whole number."""
        question_id = whole_number(row.get("question_id"), "question_id")
        if question_id is None and "question_id" in self.layout.required:
            raise ValueError("question_id is None, not a whole number.")
        found = whole_number(row.get("question_deleted"), "question_deleted")
        if found != 0 and (found is not None or "question_deleted" in self.layout.required):
            raise ValueError(f"question_deleted is {found}; every released row has 0.")
        return question_id

    def _check_v2(self, row: Mapping[str, Any], sound: Any) -> None:
        if sound is not None:
            self._origin(sound, "unmatch_audio")
        for column in ("audio_instrument", "video_instrument"):
            if (value := row.get(column)) is not None and value not in INSTRUMENTS:
                raise ValueError(f"{column} is {show(value)}, none of the 22 instruments.")
        if row.get("person") not in (None, "True"):
            raise ValueError(f"person is {show(row['person'])}, not 'True'.")


def check_columns(
    columns: Iterable[str], required: Sequence[str], optional: Sequence[str] | None
) -> None:
    """ValueError unless all required columns are there, and (but for None) no unknown one."""
    columns = list(columns)
    missing = [name for name in required if name not in columns]
    unknown = [name for name in columns if name not in {*required, *(optional or ())}]
    if missing:
        near = get_close_matches(missing[0], unknown, n=1, cutoff=0.5)
        hint = f" There is {near[0]!r} instead." if near else ""
        raise ValueError(f"column {missing[0]!r} is missing.{hint}")
    if unknown and optional is not None:
        raise ValueError(f"column {show(unknown[0])} is unknown; is this another release?")


def check_answer(answer: Any) -> None:
    """ValueError unless this is one of the 42."""
    if not isinstance(answer, str):
        raise ValueError(f"anser is {show(answer)}, not one of the 42 answers.")
    answers.index(answer)


def decode_list(value: Any, column: str) -> list[str]:
    """A list of strings, given as such or as a string that holds JSON."""
    found = value
    if isinstance(value, str):
        try:
            found = parse_json(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{column} is {show(value)}, not a list in JSON.") from None
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise ValueError(f"{column} is {show(value)}, not a list of words.")
    return found


def _parse(content: Any, values: Any, kind: Any) -> Asked:
    """Check that template, slot values and type fit together."""
    if not isinstance(content, str) or content not in _NUMBER_OF:
        near = get_close_matches(str(content)[:200], _NUMBER_OF, n=1)
        hint = f" The nearest is {near[0]!r}." if near else ""
        raise ValueError(f"{show(content)} is none of the 33 templates.{hint}")
    number = _NUMBER_OF[content]
    item, slots = template(number), tuple(decode_list(values, "templ_values"))
    if kind != _KIND_OF[number] and tuple(decode_list(kind, "type")) != item.type_pair:
        raise ValueError(f"type {show(kind)} does not fit {content!r}, which is {item.cell}.")
    return fill(number, slots), number, slots, item.cell

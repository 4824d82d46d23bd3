"""Which answer belongs to which question: by what both name, never by the order of the lines."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from musicavqa.answers.reading import normalise
from musicavqa.metrics.accuracy import check_keys
from musicavqa.records import Question
from musicavqa.scoring.importers.given import Given, shorten

_OF_QUESTION: dict[str, Callable[[Question], Any]] = {
    "key": lambda question: question.key,
    "clip": lambda question: question.clip,
    "question_id": lambda question: question.question_id,
    "question": lambda question: _plain(question.text),
    "index": lambda question: _place(question.key),
}
_STRENGTH = (("key",), ("clip", "question"), ("clip", "question_id"), ("question_id",), ("index",))


def join(
    given: Sequence[Given], questions: Sequence[Question], path: Path, partly: bool = False
) -> dict[str, Given]:
    """Question key -> what was given for it.

    Missing (unless `partly`), double and unknown ones raise KeyMismatchError with counts. So do, as
    ValueError, names that several questions share, and right answers or question texts that
    contradict the questions: such a file answers another split or release.
    """
    fields = _fields(given, path)
    keys = _key_of(questions, fields)
    names = [_name(item, fields) for item in given]
    predicted = [keys.get(name) or _say(fields, name) for name in names]
    check_keys([question.key for question in questions], predicted, partly)
    joined = dict(zip(predicted, given, strict=True))
    _check_contents(joined, questions, fields, path)
    return joined


def _fields(given: Sequence[Given], path: Path) -> tuple[str, ...]:
    """By which fields the rows name their questions: the strongest that every row has."""
    for fields in _STRENGTH:
        if all(getattr(item, field) is not None for item in given for field in fields):
            return fields
    lacking = [item for item in given if item.key is None]
    raise ValueError(
        f"{len(lacking)} of {len(given)} rows of {path} have no key (first: line "
        f"{lacking[0].line}), and not all have video_id and question, a question_id, or a place."
    )


def _key_of(questions: Sequence[Question], fields: tuple[str, ...]) -> dict[Any, str]:
    """What the fields say of each question -> its key."""
    named = [tuple(_OF_QUESTION[field](question) for field in fields) for question in questions]
    without = sum(None in name for name in named)
    if without:
        raise ValueError(
            f"{without} of {len(questions)} questions have no {' or no '.join(fields)} to join by."
        )
    shared = [name for name, count in Counter(named).items() if count > 1]
    if shared:
        raise ValueError(
            f"{len(shared)} names are shared by several of the {len(questions)} questions (first: "
            f"{_say(fields, shared[0])}), so they cannot join. Give a column key."
        )
    return {name: question.key for name, question in zip(named, questions, strict=True)}


def _name(item: Given, fields: tuple[str, ...]) -> tuple[Any, ...]:
    values = (getattr(item, field) for field in fields)
    return tuple(
        _plain(value) if field == "question" else value
        for field, value in zip(fields, values, strict=True)
    )


def _check_contents(
    joined: dict[str, Given],
    questions: Sequence[Question],
    fields: tuple[str, ...],
    path: Path,
) -> None:
    """Right answers and question texts of the file must be those of the questions."""
    asked = {question.key: question for question in questions}
    if fields == ("index",) and any(i.gold is None and i.question is None for i in joined.values()):
        raise ValueError(
            f"{path} names questions by their place only, which nothing confirms. "
            f"It needs the right answer or the question in every row, or a column key."
        )
    for what, of_given, of_question in (
        ("right answers", lambda i: i.gold, lambda q: q.answer),
        ("question texts", lambda i: i.question, lambda q: q.text),
    ):
        pairs = [(item, of_given(item), of_question(asked[key])) for key, item in joined.items()]
        told = [pair for pair in pairs if pair[1] is not None and pair[2] is not None]
        wrong = [pair for pair in told if _plain(pair[1]) != _plain(pair[2])]
        if wrong:
            item, said, true = wrong[0]
            raise ValueError(
                f"{len(wrong)} of {len(told)} {what} in {path} differ from those of the questions "
                f"(first: line {item.line} has {shorten(said)}, not {shorten(true)}). Is it about "
                f"another split or release?"
            )


def _plain(text: str) -> str:
    return normalise(text).rstrip("?？ ")


def _place(key: str) -> int | None:
    """Index in the annotation file, which ends a key."""
    found = re.search(r"/(\d{1,18})$", key, re.ASCII)
    return int(found[1]) if found else None


def _say(fields: tuple[str, ...], name: tuple[Any, ...]) -> str:
    """The name for a message; a key speaks for itself."""
    if fields == ("key",) and name[0].isprintable():
        return str(name[0])[:200]
    return ", ".join(f"{field} {shorten(value)}" for field, value in zip(fields, name, strict=True))

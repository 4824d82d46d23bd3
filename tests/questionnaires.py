"""Made-up lists of questions: only template and answer matter."""

from __future__ import annotations

from musicavqa.questions import SLOTS, fill, template
from musicavqa.records import Question


def question(number: int, answer: str | None, place: int = 0) -> Question:
    item = template(number)
    slots = tuple(SLOTS[name][min(at, 1)] for at, name in enumerate(item.slots))
    text = fill(number, slots)
    return Question(f"set/test/{place}", "clip", text, number, slots, item.cell, answer)


def ask(pairs: list[tuple[int, str]]) -> list[Question]:
    return [question(number, answer, place) for place, (number, answer) in enumerate(pairs)]

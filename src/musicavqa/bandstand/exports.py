"""Question lists of a split, and the files they are written to.

`make_questions` asks, thins and balances; `write_questions` keeps our records as JSONL;
`to_music_avqa` gives MUSIC-AVQA's own JSON rows, spelling included, so every existing reader works.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from musicavqa import answers
from musicavqa.bandstand.asked import Asked, questions
from musicavqa.bandstand.truth import Scene
from musicavqa.builders.balance import surplus
from musicavqa.files import parse_json, write_text
from musicavqa.questions import TEMPLATES, fill, template
from musicavqa.records import Question


def make_questions(
    scenes: Sequence[Scene],
    split: str,
    set_name: str = "bandstand",
    per_template: int | None = None,
    balanced: bool = True,
) -> list[Question]:
    """The question list of a split: asked, thinned to `per_template`, balanced, keyed in order."""
    rng = random.Random(f"{set_name}/{split}")
    asked = [questions(scene) for scene in scenes]
    if per_template is not None:
        asked = _thinned(asked, per_template, rng)
    if balanced:
        asked = balance(asked, rng)
    rows = [(scene["id"], row) for scene, rows in zip(scenes, asked, strict=True) for row in rows]
    return [
        Question(
            key=f"{set_name}/{split}/{index}",
            clip=clip,
            text=fill(number, slots),
            template=number,
            slots=slots,
            cell=template(number).cell,
            answer=found,
            origin="rendered",
        )
        for index, (clip, (number, slots, found)) in enumerate(rows)
    ]


def balance(questions_by_scene: Sequence[Sequence[Asked]], rng: random.Random) -> list[list[Asked]]:
    """Questions per scene after dropping majority rows until each template meets the v2.0 rule.

    A template with one answer only cannot meet it and is dropped altogether.
    """
    places = [
        (scene, row) for scene, rows in enumerate(questions_by_scene) for row in range(len(rows))
    ]
    pairs = [(number, found) for rows in questions_by_scene for number, _, found in rows]
    dropped = {places[place] for place in surplus(pairs, rng)}
    return _without(questions_by_scene, dropped)


def write_questions(path: Path, rows: Sequence[Question]) -> None:
    """Write questions as JSON lines, in order."""
    write_text(path, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows))


def read_questions(path: Path) -> list[Question]:
    """The questions of a JSONL file; ValueError names the line that is not one."""
    found = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            found.append(_checked(parse_json(line)))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            what = " ".join(str(error).split())[:200]
            raise ValueError(f"{path} line {number} is not a question: {what}") from None
    return found


def _checked(row: dict[str, Any]) -> Question:
    """A question whose fields fit together; ValueError, TypeError or KeyError where not."""
    question = Question(**{**row, "slots": tuple(row["slots"])})
    named = {"key": question.key, "clip": question.clip, "text": question.text}
    named["origin"] = question.origin
    for name, value in named.items():
        if not isinstance(value, str):
            raise ValueError(f"{name} is {value!r:.80}, not a text")
    if type(question.template) is not int:
        raise ValueError(f"template is {question.template!r:.80}, not a number")
    fill(question.template, question.slots)
    if question.cell != template(question.template).cell:
        raise ValueError(f"cell {question.cell!r:.80} is not that of template {question.template}")
    if question.answer is not None:
        answers.index(question.answer)
    if question.part not in (None, "head", "tail"):
        raise ValueError(f"part is {question.part!r:.80}, not 'head' or 'tail'")
    for name in ("rephrases", "sound_from"):
        if not isinstance(getattr(question, name), str | None):
            raise ValueError(f"{name} is {getattr(question, name)!r:.80}, not a text")
    if question.question_id is not None and type(question.question_id) is not int:
        raise ValueError(f"question_id is {question.question_id!r:.80}, not a number")
    return question


def to_music_avqa(rows: Sequence[Question]) -> list[dict[str, Any]]:
    """Rows of the official annotation: verbatim template text, lists encoded as strings, `anser`.

    `question_id` counts from 1. Raises ValueError for a question without an answer.
    """
    unanswered = [row.key for row in rows if row.answer is None]
    if unanswered:
        raise ValueError(
            f"{len(unanswered)} of {len(rows)} questions have no answer (first: {unanswered[0]}); "
            "the MUSIC-AVQA format needs one. Leave them out."
        )
    return [
        {
            "video_id": row.clip,
            "question_id": number,
            "type": json.dumps(template(row.template).type_pair),
            "question_content": template(row.template).text,
            "templ_values": json.dumps(row.slots),
            "question_deleted": 0,
            "anser": row.answer,
        }
        for number, row in enumerate(rows, start=1)
    ]


def write_music_avqa(path: Path, rows: Sequence[Question]) -> None:
    """Write the official JSON file, laid out as the released ones."""
    write_text(path, json.dumps(to_music_avqa(rows), indent=2))


def _thinned(
    questions_by_scene: Sequence[Sequence[Asked]], per_template: int, rng: random.Random
) -> list[list[Asked]]:
    dropped: set[tuple[int, int]] = set()
    for item in TEMPLATES:
        rows = _places(questions_by_scene, item.number)
        dropped.update(rng.sample(rows, max(0, len(rows) - per_template)))
    return _without(questions_by_scene, dropped)


def _places(questions_by_scene: Sequence[Sequence[Asked]], number: int) -> list[tuple[int, int]]:
    """(scene, row) of every question of one template."""
    return [
        (scene, row)
        for scene, rows in enumerate(questions_by_scene)
        for row, asked in enumerate(rows)
        if asked[0] == number
    ]


def _without(
    questions_by_scene: Sequence[Sequence[Asked]], dropped: set[tuple[int, int]]
) -> list[list[Asked]]:
    return [
        [asked for row, asked in enumerate(rows) if (scene, row) not in dropped]
        for scene, rows in enumerate(questions_by_scene)
    ]

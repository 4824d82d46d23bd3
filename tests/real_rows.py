"""Rows of the official files in ../shared/data, read with the least that tests of scores need."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from musicavqa.questions import TEMPLATES, fill
from musicavqa.records import Question

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TSPM = SHARED / "tspm" / "results" / "TSPM.result"
_NUMBERS = {item.text: item.number for item in TEMPLATES}

needs_real_rows = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")


@cache
def read_real(release: str = "json_update", split: str = "test") -> list[Question]:
    """Questions of MUSIC-AVQA: 'json_update' is the corrected release, 'json' the original."""
    path = SHARED / "music_avqa" / release / f"avqa-{split}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [_question(row, f"music_avqa/{split}/{place}") for place, row in enumerate(rows)]


def _question(row: dict, key: str) -> Question:
    number = _NUMBERS[row["question_content"]]
    slots = tuple(json.loads(row["templ_values"]))
    return Question(
        key=key,
        clip=row["video_id"],
        text=fill(number, slots),
        template=number,
        slots=slots,
        cell=TEMPLATES[number - 1].cell,
        answer=row["anser"],
        question_id=row["question_id"],
    )

"""Questions of the real annotation files in ../shared, where this machine has them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from musicavqa.questions import TEMPLATES, fill
from musicavqa.records import Question

SHARED = Path(__file__).parents[2] / "shared" / "data"
FILES = {
    "test": "music_avqa/json_update/avqa-test.json",
    "test 9185": "music_avqa/json/avqa-test.json",
    "val": "music_avqa/json_update/avqa-val.json",
    "train_fake": "music_avqa/json/avqa-train_fake.json",
    "train": "music_avqa/reconstructed/avqa-train_partial.json",
    "v2 balance test": "music_avqa_v2/balance_full_set/test_balance.json",
    "v2 bias test": "music_avqa_v2/bias_set/test_bias.json",
    "v2 balance valid": "qa_tiger/music_avqa_v2/balance_valid.json",
    "v2 bias valid": "qa_tiger/music_avqa_v2/bias_valid.json",
}
NUMBER = {item.text: item.number for item in TEMPLATES}

needs_real_rows = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the real annotation files are not on this machine"
)


@cache
def real_rows(name: str) -> tuple[Question, ...]:
    """Every question of one of FILES, in order."""
    rows = json.loads((SHARED / FILES[name]).read_text(encoding="utf-8"))
    return tuple(_question(f"{name}/{place}", row) for place, row in enumerate(rows))


def _question(key: str, row: dict) -> Question:
    values = row["templ_values"]
    slots = tuple(json.loads(values) if isinstance(values, str) else values)
    item = TEMPLATES[NUMBER[row["question_content"]] - 1]
    return Question(
        key=key,
        clip=row["video_id"],
        text=fill(item.number, slots),
        template=item.number,
        slots=slots,
        cell=item.cell,
        answer=row["anser"],
    )

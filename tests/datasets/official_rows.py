"""Rows in the layout of the official files, made up here: none is taken from a real file."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from musicavqa.answers import ANSWERS
from musicavqa.questions import SLOTS, TEMPLATES

SHARED = Path(__file__).parents[3] / "shared" / "data"
V2_CSV = "\ufeffvideo_id,start_time,duration,suffix,has_flip\nab-DEF_hijk,0:05,0:54,_#02,Y\n"


def official_row(number: int, index: int, video: str | None = None) -> dict[str, Any]:
    """A row that asks template `number`; everything else follows from `index`."""
    item, rng = TEMPLATES[number - 1], random.Random(index)
    return {
        "video_id": video or f"{index:08d}",
        "question_id": index + 1,
        "type": json.dumps(item.type_pair),
        "question_content": item.text,
        "templ_values": json.dumps([rng.choice(SLOTS[name]) for name in item.slots]),
        "question_deleted": 0,
        "anser": rng.choice(ANSWERS),
    }


def official_rows(n_rows: int = 66) -> list[dict[str, Any]]:
    """Rows that ask every template in turn, two about each video."""
    return [official_row(i % 33 + 1, i, f"{i // 2:08d}") for i in range(n_rows)]


def write(path: Path, rows: Any) -> Path:
    """Write JSON as the official files are laid out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    return path


def write_v1(root: Path, rows: list[dict[str, Any]], split: str = "test") -> Path:
    """A clone of MUSIC-AVQA under `root` with one file of json_update."""
    return write(root / f"MUSIC-AVQA/data/json_update/avqa-{split}.json", rows)


def v2_rows() -> list[dict[str, Any]]:
    """One row of each of v2's key sets, and one as QA-TIGER's table library left it."""
    plain = official_row(3, 0)
    with_id = dict(plain)
    without_id = {k: v for k, v in official_row(9, 1).items() if k != "question_id"}
    shortest = {k: v for k, v in without_id.items() if k != "question_deleted"}
    dubbed = {
        "video_id": "sa00000001",
        "unmatch_audio": "00000009",
        "audio_instrument": "pipa",
        "video_instrument": "tuba",
        "question_content": "Is this sound from the instrument in the video?",
        "anser": "no",
        "templ_values": [],
        "type": '["Audio-Visual", "Existential"]',
    }
    person = {**shortest, "video_id": "ab-DEF_hijk_#02_flip", "person": "True"}
    empty = dict.fromkeys(("unmatch_audio", "audio_instrument", "video_instrument", "person"))
    floats = {**official_row(4, 5), "question_id": 6.0, "question_deleted": 0.0, **empty}
    nulls = {**floats, "question_id": None, "question_deleted": None}
    return [with_id, without_id, shortest, dubbed, person, floats, nulls]


def write_v2(root: Path, rows: list[dict[str, Any]]) -> Path:
    """A clone of MUSIC-AVQA-v2.0 under `root` with test@balance and the csv."""
    path = write(root / "MUSIC-AVQA-v2.0/data/balance_full_set/test_balance.json", rows)
    csv = root / "MUSIC-AVQA-v2.0/data/MUSIC-AVQA-v2.0_additional_videos.csv"
    csv.write_text(V2_CSV, encoding="utf-8")
    return path


def reworded(row: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
    """The row in another wording, with the columns that FortisAVQA's example shows."""
    kept = {k: row[k] for k in ("video_id", "question_id", "type", "anser")}
    return {**kept, "question_content": text, **more}

"""Damaged files give one line of ValueError or FileNotFoundError, or every row: nothing else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musicavqa.bandstand.exports import write_questions
from musicavqa.datasets import load_dataset, official
from official_rows import V2_CSV, official_rows, reworded, v2_rows, write

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["yes", "[]", '["violin"]', "00000001", "ten", "\u2028", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)  # fmt: skip

V1_TEST = "MUSIC-AVQA/data/json_update/avqa-test.json"
V2_TEST = "MUSIC-AVQA-v2.0/data/balance_full_set/test_balance.json"
V2_NEW = "MUSIC-AVQA-v2.0/data/MUSIC-AVQA-v2.0_additional_videos.csv"
R_TAIL = "MUSIC-AVQA-R/dataset/MUSIC-AVQA-R/avqa-test-tail.json"
FORTIS = "FortisAVQA/test.json"
SCENES = [{"id": "val-0", "duration_s": 4.0}]


def whole() -> dict[str, tuple[str, str, list[dict]]]:
    """File -> (set, split, its sound rows)."""
    rows = official_rows(6)
    for place, row in enumerate(rows):
        row["video_id"] = f"{place:08d}"
    own = official.to_questions(rows, "bandstand/val")
    lines = [q.__dict__ | {"clip": "val-0", "slots": list(q.slots)} for q in own]
    mine = [{"clip": "a", "question": q.text, "answer": q.answer} for q in own]
    return {
        V1_TEST: ("music_avqa", "test", rows),
        V2_TEST: ("music_avqa_v2", "test@balance", v2_rows()),
        R_TAIL: ("music_avqa_r", "tail", [reworded(row, "And now?") for row in rows]),
        FORTIS: ("fortisavqa", "test", [reworded(r, "And now?", split="tail") for r in rows]),
        "val/questions.jsonl": ("bandstand", "val", lines),
        "val/scenes.jsonl": ("bandstand", "val", SCENES),
        "mine.jsonl": ("folder", "mine", mine),
    }


def text_of(name: str, rows: list) -> bytes:
    if name.endswith(".jsonl"):
        return "".join(json.dumps(row) + "\n" for row in rows).encode()
    return json.dumps(rows, indent=2).encode()


@pytest.fixture(scope="module")
def root() -> Path:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, (_, _, rows) in whole().items():
            write(root / name, rows).write_bytes(text_of(name, rows))
        (root / V2_NEW).write_text(V2_CSV, encoding="utf-8")
        (root / "val/clips").mkdir()
        (root / "val/clips/val-0.mp4").touch()
        yield root


def outcome(root: Path, name: str, content: bytes) -> int | str:
    """Number of records or the error line, for a file with this content."""
    data_set, split, rows = whole()[name]
    path = root / name
    path.write_bytes(content)
    try:
        _, questions = load_dataset(data_set, root, split)
        found: int | str = len(questions)
    except (ValueError, FileNotFoundError) as error:
        found = str(error)
    finally:
        path.write_bytes(text_of(name, rows))
    assert isinstance(found, int) or (len(found.splitlines()) == 1 and len(found) < 1000), found
    return found


FILES = sorted(whole())
fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize("name", FILES)
def test_a_sound_file_gives_every_row(root, name):
    data_set, _, rows = whole()[name]
    n_rows = 6 if data_set == "bandstand" else len(rows)
    assert outcome(root, name, text_of(name, rows)) == n_rows


@fuzz
@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_mutated_row_is_read_or_told(root, name, data):
    rows = whole()[name][2]
    place = data.draw(st.integers(0, len(rows) - 1))
    row = dict(rows[place])
    for _ in range(data.draw(st.integers(1, 2))):
        column = data.draw(st.sampled_from([*row, "extra"]) if row else st.just("extra"))
        if data.draw(st.booleans()):
            row[column] = data.draw(ANYTHING)
        else:
            row.pop(column, None)
    changed = [*rows[:place], data.draw(st.just(row) | ANYTHING), *rows[place + 1 :]]
    found = outcome(root, name, text_of(name, changed))
    assert isinstance(found, str) or found == (6 if name.startswith("val/") else len(rows))


@fuzz
@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_damaged_bytes_are_told_and_no_row_is_lost(root, name, data):
    rows = whole()[name][2]
    content = bytearray(text_of(name, rows))
    cut = data.draw(st.integers(0, len(content)))
    if data.draw(st.booleans()):
        content = content[:cut]
    else:
        content[cut : cut + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    found = outcome(root, name, bytes(content))
    if isinstance(found, int) and name.endswith(".json"):
        assert found == len(rows)


@fuzz
@given(rows=ANYTHING)
def test_any_json_instead_of_rows_is_told(root, rows):
    assert isinstance(outcome(root, V1_TEST, json.dumps(rows).encode()), str)


@fuzz
@given(data=st.data())
def test_a_damaged_csv_is_told(root, data):
    content = bytearray(V2_CSV.encode())
    place = data.draw(st.integers(0, len(content)))
    content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    (root / V2_NEW).write_bytes(bytes(content))
    try:
        found = outcome(root, V2_TEST, text_of(V2_TEST, v2_rows()))
    finally:
        (root / V2_NEW).write_text(V2_CSV, encoding="utf-8")
    assert isinstance(found, str) or found == 7


@fuzz
@given(text=st.text(max_size=80))
def test_any_csv_of_your_own_is_read_or_told(root, text):
    (root / "mine.csv").write_bytes(("clip,question\n" + text).encode("utf-8", "surrogatepass"))
    (root / "mine.jsonl").rename(root / "aside")
    told = "one line"
    try:
        load_dataset("folder", root, "mine")
    except (ValueError, FileNotFoundError) as error:
        told = str(error)
    finally:
        (root / "aside").rename(root / "mine.jsonl")
        (root / "mine.csv").unlink()
    assert len(told.splitlines()) == 1


def test_lines_are_cut_at_line_feeds_only(tmp_path):
    (question,) = official.to_questions(official_rows(1), "folder/odd")
    odd = question.__class__(**question.__dict__ | {"clip": "a\u2028b"})
    write_questions(tmp_path / "odd.jsonl", [odd])
    assert load_dataset("folder", tmp_path, "odd")[1] == [odd]

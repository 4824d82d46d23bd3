"""Question files: our records, MUSIC-AVQA's own format, and the bandstand folder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from musicavqa.bandstand.exports import (
    make_questions,
    read_questions,
    to_music_avqa,
    write_music_avqa,
    write_questions,
)
from musicavqa.bandstand.scene import sample_scene
from musicavqa.datasets import bandstand, official
from musicavqa.questions import TEMPLATES
from musicavqa.records import Question

OFFICIAL = Path(__file__).parents[3] / "shared/data/music_avqa/json_update/avqa-val.json"


@pytest.fixture(scope="module")
def asked() -> list[Question]:
    return make_questions([sample_scene("val", index) for index in range(40)], "val")


def test_questions_survive_a_round_trip_through_jsonl(
    tmp_path: Path, asked: list[Question]
) -> None:
    write_questions(tmp_path / "questions.jsonl", asked)
    assert read_questions(tmp_path / "questions.jsonl") == asked
    assert [p.name for p in tmp_path.iterdir()] == ["questions.jsonl"]


def test_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"key": "a"}\n')
    with pytest.raises(ValueError, match="line 1"):
        read_questions(tmp_path / "q.jsonl")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"cell": "A-Location"}, "is not that of template"),
        ({"answer": "si"}, "none of the 42"),
        ({"slots": ["kazoo", "violin"]}, "slots|cannot fill"),
        ({"template": True}, "not a number"),
        ({"clip": 3}, "clip is 3, not a text"),
        ({"part": "middle"}, "not 'head' or 'tail'"),
        ({"rephrases": 1}, "rephrases is 1"),
        ({"mood": "merry"}, "mood"),
    ],
)
def test_question_that_contradicts_itself_is_refused(
    tmp_path: Path, asked: list[Question], change: dict[str, object], told: str
) -> None:
    row = {**asdict(asked[0]), **change}
    (tmp_path / "q.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=told):
        read_questions(tmp_path / "q.jsonl")


def test_questions_survive_a_round_trip_through_the_official_format(asked: list[Question]) -> None:
    layout = official.Layout(origin=lambda clip: "rendered")
    back = official.to_questions(to_music_avqa(asked), "bandstand/val", layout)
    assert [replace(row, question_id=None) for row in back] == asked
    assert [row.question_id for row in back] == list(range(1, len(asked) + 1))


def test_question_without_answer_is_not_exported(asked: list[Question]) -> None:
    blank = Question("k", "c", asked[0].text, asked[0].template, asked[0].slots, asked[0].cell)
    with pytest.raises(ValueError, match="have no answer"):
        to_music_avqa([blank])


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="official annotation not on this machine")
def test_format_equals_the_official_file(tmp_path: Path, asked: list[Question]) -> None:
    text = OFFICIAL.read_text(encoding="utf-8")
    rows = json.loads(text)
    ours = to_music_avqa(asked)
    assert all(list(row) == list(rows[0]) for row in ours)
    assert all(type(row[k]) is type(rows[0][k]) for row in ours for k in row)
    contents = {(row["question_content"], row["type"]) for row in rows}
    assert {(row["question_content"], row["type"]) for row in ours} <= contents
    assert {item.text for item in TEMPLATES} == {content for content, _ in contents}
    read = official.to_questions(rows, "music_avqa/val")
    numbered = [{**row, "question_id": i} for i, row in enumerate(rows, start=1)]
    assert to_music_avqa(read) == numbered
    assert json.dumps(rows, indent=2) == text  # the layout that write_music_avqa uses
    write_music_avqa(tmp_path / "val.json", asked)
    assert json.loads((tmp_path / "val.json").read_text()) == ours


def _folder(root: Path) -> list[Question]:
    scenes = [sample_scene("val", index) for index in range(3)]
    (root / "val" / "clips").mkdir(parents=True)
    (root / "val" / "scenes.jsonl").write_text("".join(json.dumps(s) + "\n" for s in scenes))
    for scene in scenes:
        (root / "val" / "clips" / f"{scene['id']}.mp4").touch()
    rows = make_questions(scenes, "val", balanced=False)
    write_questions(root / "val" / "questions.jsonl", rows)
    return rows


def test_bandstand_folder_is_loaded(tmp_path: Path) -> None:
    rows = _folder(tmp_path)
    clips, questions = bandstand.load(tmp_path, "val")
    assert questions == rows
    assert [clip.id for clip in clips] == ["val-00000000", "val-00000001", "val-00000002"]
    assert clips[0].scene == sample_scene("val", 0)


def test_missing_files_say_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="musicavqa render --split val"):
        bandstand.load(tmp_path, "val")
    _folder(tmp_path)
    (tmp_path / "val/clips/val-00000001.mp4").unlink()
    with pytest.raises(FileNotFoundError, match="1 of 3 clips"):
        bandstand.load(tmp_path, "val")


def test_question_about_an_unknown_clip_is_refused(tmp_path: Path) -> None:
    rows = _folder(tmp_path)
    stray = replace(rows[0], key="bandstand/val/x", clip="val-9")
    write_questions(tmp_path / "val/questions.jsonl", [*rows, stray])
    with pytest.raises(ValueError, match="val-9"):
        bandstand.load(tmp_path, "val")

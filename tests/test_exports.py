"""Question files: our records, MUSIC-AVQA's own format, and the bandstand folder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from musicavqa.bandstand.exports import (
    from_music_avqa,
    make_questions,
    read_questions,
    to_music_avqa,
    write_music_avqa,
    write_questions,
)
from musicavqa.bandstand.scene import sample_scene
from musicavqa.datasets import bandstand
from musicavqa.questions import TEMPLATES
from musicavqa.records import Question

OFFICIAL = Path(__file__).parents[2] / "shared/data/music_avqa/json_update/avqa-val.json"


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


def test_questions_survive_a_round_trip_through_the_official_format(asked: list[Question]) -> None:
    back = from_music_avqa(to_music_avqa(asked), "bandstand", "val")
    assert [replace(row, origin="rendered") for row in back] == asked


def test_question_without_answer_is_not_exported(asked: list[Question]) -> None:
    blank = Question("k", "c", asked[0].text, asked[0].template, asked[0].slots, asked[0].cell)
    with pytest.raises(ValueError, match="have no answer"):
        to_music_avqa([blank])


def test_unknown_template_text_is_refused() -> None:
    with pytest.raises(ValueError, match="none of the 33"):
        from_music_avqa([{"question_content": "Who is it?"}], "bandstand", "val")


@pytest.mark.skipif(not OFFICIAL.is_file(), reason="official annotation not on this machine")
def test_format_equals_the_official_file(tmp_path: Path, asked: list[Question]) -> None:
    text = OFFICIAL.read_text(encoding="utf-8")
    official = json.loads(text)
    ours = to_music_avqa(asked)
    assert all(list(row) == list(official[0]) for row in ours)
    assert all(type(row[k]) is type(official[0][k]) for row in ours for k in row)
    contents = {(row["question_content"], row["type"]) for row in official}
    assert {(row["question_content"], row["type"]) for row in ours} <= contents
    assert {item.text for item in TEMPLATES} == {content for content, _ in contents}
    read = from_music_avqa(official, "music_avqa", "val")
    numbered = [{**row, "question_id": i} for i, row in enumerate(official, start=1)]
    assert to_music_avqa(read) == numbered
    assert json.dumps(official, indent=2) == text  # the layout that write_music_avqa uses
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
    stray = Question("bandstand/val/x", "val-9", rows[0].text, rows[0].template, (), rows[0].cell)
    write_questions(tmp_path / "val/questions.jsonl", [*rows, stray])
    with pytest.raises(ValueError, match="val-9"):
        bandstand.load(tmp_path, "val")

"""A folder of files as people have them: hidden files, endings of cameras, odd names."""

from __future__ import annotations

import json
import unicodedata

import pytest

from musicavqa.datasets import load_dataset
from musicavqa.datasets.footage import files_in
from musicavqa.files import cache_folder
from musicavqa.media import ENDINGS


def touch(place, *names):
    for name in names:
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\26\7")


@pytest.mark.parametrize("ending", ["mts", "m2ts", "3gp", "vob", "ogv", "wmv", "flv", "ts", "MOV"])
def test_endings_of_cameras_are_media(tmp_path, ending):
    touch(tmp_path, f"a.{ending}")
    assert [clip.id for clip in files_in(tmp_path).clips] == ["a"]


def test_hidden_files_are_passed_over_and_others_counted(tmp_path):
    touch(tmp_path, "a.mp4", "._a.mp4", ".b.mp4", "__MACOSX/c.mp4", ".d/e.mp4", "sub/f.wav")
    touch(tmp_path, "notes.txt", "more.txt", "cover.jpg", "README", ".DS_Store")
    shown = files_in(tmp_path)
    assert [clip.id for clip in shown.clips] == ["a", "sub/f"]
    assert dict(shown.left_out) == {"": 1, ".jpg": 1, ".txt": 2}
    assert shown.left_out_line.endswith("by their endings: 1 without ending, 1 .jpg, 2 .txt")


def test_a_name_that_is_no_text_is_skipped_and_named(command_line, tmp_path, small_video):
    place = tmp_path / "clips"
    touch(place, "l\udce9.mp4")
    (place / "a.mts").write_bytes(small_video.read_bytes())
    arguments = ("features", "extract", place, "--out", tmp_path / "s", "--streams", "audio_logmel")
    code, out, err = command_line(*arguments)
    assert (code, out.startswith("1 arrays")) == (1, True)
    assert err == (
        "skipped, of 2 clips: 1\n  l\\xe9.mp4: its name is not text in UTF-8, so that no store can "
        "keep it. Rename it.\n"
    )
    told = json.loads(command_line(*arguments, "--json")[1])
    assert [note["clip"] for note in told["skipped"]] == ["l\\xe9.mp4"]


def test_a_flood_is_a_count_and_the_first_three(command_line, tmp_path):
    place = tmp_path / "clips"
    touch(place, *(f"{i:03}.mp4" for i in range(50)))
    code, _, err = command_line(
        "features", "extract", place, "--out", tmp_path / "s", "--streams", "audio_logmel"
    )
    lines = err.strip().splitlines()
    assert code == 1
    assert lines[0] == "skipped, of 50 clips: 50"
    assert [line.split(":")[0].strip() for line in lines[1:4]] == ["000", "001", "002"]
    assert lines[4:] == ["  and 47 more"]


def test_endings_are_small_letters_with_a_dot():
    assert all(ending.startswith(".") and ending == ending.lower() for ending in ENDINGS)


@pytest.mark.parametrize(
    ("given", "home", "told"),
    [
        (None, None, "there is no home folder"),
        ("~/x", None, "there is no home folder"),
        ("~nobody-at-all/x", "/tmp", "there is no home folder"),
        ("/dev/null/x", "/tmp", "cannot be made in /dev/null"),
    ],
)
def test_a_cache_that_cannot_be_there_is_one_line_with_a_hint(
    command_line, monkeypatch, given, home, told
):
    monkeypatch.delenv("MUSICAVQA_CACHE", raising=False)
    if given is not None:
        monkeypatch.setenv("MUSICAVQA_CACHE", given)
    if home is None:
        monkeypatch.delenv("HOME")
        monkeypatch.setattr("pathlib.Path.expanduser", _nobody_is_home)
    code, out, err = command_line("doctor")
    assert (code, out) == (1, "")
    assert told in err
    assert "Set MUSICAVQA_CACHE to a folder that can be written." in err
    assert len(err.strip().splitlines()) == 1


def _nobody_is_home(path):
    raise RuntimeError("Could not determine home directory.")


def test_a_home_in_the_name_of_the_cache_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MUSICAVQA_CACHE", "~/x")
    assert cache_folder() == tmp_path / "x"
    monkeypatch.delenv("MUSICAVQA_CACHE")
    assert cache_folder() == tmp_path / ".cache" / "musicavqa"


QUESTION = "How many instruments are sounding in the video?"
ROWS = [{"clip": "étude, one.mp4", "question": QUESTION, "answer": "one"}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'clip,question,answer\n"{clip}",{question},{answer}\n'),
        ("a.csv", "\ufeffclip;question;answer\r\n{clip};{question};{answer}\r\n"),
        ("a.csv", "clip\tquestion\tanswer\n{clip}\t{question}\t{answer}\n"),
        ("a.tsv", "clip\tquestion\tanswer\n{clip}\t{question}\t{answer}\n"),
        ("a.jsonl", json.dumps(ROWS[0]) + "\n"),
        ("a.json", json.dumps(ROWS[0]) + "\n"),
        ("a.json", json.dumps(ROWS, ensure_ascii=False, indent=1)),
        ("a.jsonl", json.dumps(ROWS)),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_tables_are_read_as_they_are_written(tmp_path, name, text, form):
    touch(tmp_path, f"clips/{unicodedata.normalize(form, 'étude, one')}.mp4", "clips/._x.mp4")
    if "json" not in name:
        text = text.format(**ROWS[0])
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    clips, questions = load_dataset("folder", tmp_path, "a")
    assert [question.text for question in questions] == [QUESTION]
    assert clips[0].path is not None
    assert clips[0].path.is_file()


@pytest.mark.parametrize("text", ["[1, 2]", "[{}", '[{"clip": "a"}, 3]'])
def test_a_list_that_is_no_table_is_named(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json") as caught:
        load_dataset("folder", tmp_path, "a")
    assert "\n" not in str(caught.value)

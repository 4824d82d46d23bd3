"""Files appear whole, writers do not meet, and names and JSON mean one thing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from musicavqa import files
from musicavqa.files import create, file_name, id_of, parse_json, read_json, replacing, write_text

KILLED = """
import os, signal, sys
from pathlib import Path
from musicavqa.files import replacing, temporary_folder
folder = Path(sys.argv[1])
with replacing(folder / "whole.txt") as part, temporary_folder(folder / "kept") as work:
    part.write_text("half")
    (work / "inside").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_two_writers_of_one_file_never_meet(tmp_path):
    path = tmp_path / "x.txt"
    texts = [letter * 5000 for letter in "abcd"]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(write_text, path, texts[i % 4]) for i in range(200)]:
            done.result()
    assert path.read_text() in texts
    assert os.listdir(tmp_path) == ["x.txt"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path):
    path = tmp_path / "x.txt"
    write_text(path, "before")
    for fails in (lambda part: 1 / part.write_text(""), lambda part: None):
        with pytest.raises((ZeroDivisionError, FileNotFoundError)), replacing(path) as part:
            fails(part)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["x.txt"]


def test_what_a_killed_writer_left_goes_with_the_next_write(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(os.listdir(tmp_path)) == 2
    write_text(tmp_path / "other.txt", "whole")
    assert os.listdir(tmp_path) == ["other.txt"]


def test_what_is_still_written_or_is_not_ours_stays(tmp_path):
    for name in ("film.mp4.part", "x.deadbeef-1.part", "notes.part"):
        (tmp_path / name).touch()
    mine = tmp_path / f"x.txt.{files._mark()}-{os.getppid()}-00000000.part"
    distant = tmp_path / "x.txt.deadbeef-1-00000000.part"
    for path in (mine, distant):
        path.touch()
    write_text(tmp_path / "x.txt", "whole")
    assert len(os.listdir(tmp_path)) == 6
    os.utime(distant, (1, 1))
    files._sweep.cache_clear()
    write_text(tmp_path / "x.txt", "whole")
    assert not distant.exists()
    assert mine.exists()


def test_of_many_who_create_a_file_one_succeeds_and_it_is_never_empty(tmp_path):
    path = tmp_path / "x.claim"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: create(path, f"owner {i}".encode()), range(8)))
    assert sum(made) == 1
    assert path.read_text() == f"owner {made.index(True)}"
    assert os.listdir(tmp_path) == ["x.claim"]


def test_a_file_system_without_links_can_create_too(tmp_path, monkeypatch):
    def no_links(*_):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", no_links)
    assert create(tmp_path / "x", b"one")
    assert not create(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"


@given(st.text())
@example("../../x")
@example("/etc/passwd")
@example("C:\\x")
@example("..")
@example(".")
@example("")
@example(" a. ")
@example("nul.txt")
@example("a" * 500)
@example("二" * 100)
@example("a\0b\udcff")
def test_any_id_becomes_one_name_in_one_folder(clip_id):
    name = file_name(clip_id)
    assert name
    assert name.isascii()
    assert len(name) <= files.LONGEST_NAME + 3
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name[0] not in ". "
    assert name[-1] not in ". "
    assert name.partition(".")[0].upper() not in files._DEVICES
    if "%~" not in name and clip_id:
        assert id_of(name) == clip_id


def test_different_ids_have_different_names():
    ids = ["a/b", "a%2Fb", "a_b", "a b", "b" * 400, "b" * 401, "nul", "NUL", "%6Eul", ".a", "%2Ea"]
    assert len({file_name(clip_id) for clip_id in ids}) == len(ids)


@pytest.mark.parametrize("clip_id", ["00000823", "va00012345", "-xY_z8.4", "train-0", "solo 2"])
def test_usual_ids_stay_as_they_are(clip_id):
    assert file_name(clip_id) == clip_id


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', '[{"b": {"a": 1, "c": 3, "a": 1}}]'])
def test_json_that_names_a_thing_twice_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="names 'a' twice"):
        parse_json(text)
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no JSON .* names 'a' twice"):
        read_json(tmp_path / "x.json")


def test_json_that_is_nested_too_deep_is_told():
    with pytest.raises(ValueError, match="nested too deep"):
        parse_json("[" * 100_000)


def test_no_reader_of_ours_takes_the_last_of_two_values():
    package = Path(files.__file__).parent
    users = [p for p in package.rglob("*.py") if "json.loads(" in p.read_text(encoding="utf-8")]
    assert {p.relative_to(package).as_posix() for p in users} == {
        "cli/converting.py",  # one value on the command line
        "features/store/claims.py",  # written and read by us within seconds
        "files.py",
    }


def test_questions_and_predictions_that_name_a_thing_twice_are_refused(tmp_path, command_line):
    row = {"clip": "a", "question": "Is there a voiceover?", "answer": "yes"}
    line = json.dumps(row)[:-1] + ', "answer": "no"}'
    (tmp_path / "mine.jsonl").write_text(line + "\n")
    code, _, err = command_line("evaluate", tmp_path / "p.jsonl", "--data", tmp_path, "--set",
                                "folder", "--split", "mine")  # fmt: skip
    assert code == 1
    assert "mine.jsonl line 1 is not JSON: it names 'answer' twice" in err


@pytest.mark.parametrize("place", [0, 250_000, 499_999])
def test_a_file_is_known_by_its_size_beginning_middle_and_end(tmp_path, place):
    path, content = tmp_path / "a.mp4", bytearray(500_000)
    assert files.mark_of(path) is None
    path.write_bytes(content)
    mark = files.mark_of(path)
    content[place] = 1
    path.write_bytes(content)
    assert files.mark_of(path) != mark
    path.write_bytes(content[:3])
    assert files.mark_of(path).startswith("3-")

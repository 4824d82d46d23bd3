"""The same questions to many files: one document each, and nothing lost or done twice."""

import json
import shutil
import subprocess
import sys
import time
from dataclasses import replace

import jsonschema
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.ask import many
from musicavqa.ask.asking import listen_and_look
from musicavqa.ask.documents import answers, failure, schema
from musicavqa.ask.many import Errand, ask_each, missing, read_documents, read_questions
from musicavqa.ask.music import Music

pytestmark = pytest.mark.usefixtures("small_default")
QUESTIONS = (
    "How many musical instruments were heard throughout the video?",
    "what is the meaning of life",
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Two short files in folders, a broken one, and something else."""
    place = tmp_path_factory.mktemp("videos")
    (place / "more").mkdir()
    write_media(place / "a.mp4", grey_frames(20), wave=sine(440, 2.0))
    write_media(place / "more" / "b.mp4", grey_frames(20), wave=sine(220, 2.0))
    (place / "broken.mp4").write_bytes(b"no video")
    (place / "notes.txt").write_text("x")
    return place


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    path = tmp_path_factory.mktemp("asked") / "questions.txt"
    path.write_text("# two\n\n" + "\n".join(QUESTIONS) + "\n", encoding="utf-8")
    return path


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_file_has_a_document_and_a_broken_one_stops_nobody(
    command_line, videos, asked, tmp_path
):
    out = tmp_path / "answers.jsonl"
    code, said, err = command_line("ask", videos, "--questions", asked, "--out", out)
    assert (code, said) == (1, f"{out}\n")
    assert "not answered, of 3 files: 1" in err
    assert "left out, as they are no media by their endings: 1 .txt" in err
    found = {document["file"].rpartition("videos")[2][2:]: document for document in lines(out)}
    assert set(found) == {"a.mp4", "more/b.mp4", "broken.mp4"}
    for document in found.values():
        jsonschema.validate(document, schema())
    assert [r["question"] for r in found["a.mp4"]["replies"]] == list(QUESTIONS)
    assert found["a.mp4"]["replies"][1]["answer"] is None
    assert set(found["broken.mp4"]) == {"version", "file", "mark", "error"}


def test_the_same_command_does_only_what_is_missing(command_line, videos, asked, tmp_path):
    out = tmp_path / "answers.jsonl"
    command_line("ask", videos, "--questions", asked, "--out", out)
    before = lines(out)
    with out.open("ab") as file:  # what a kill leaves
        file.write(b'{"version": 1, "fi')
    command_line("ask", videos, "--questions", asked, "--out", out)
    after = lines(out)
    assert after[: len(before)] == before
    assert [document["file"] for document in after[len(before) :]] == [str(videos / "broken.mp4")]


def test_another_file_checkpoint_or_question_is_asked_anew(videos, run_folder, tmp_path):
    path = tmp_path / "a.mp4"
    shutil.copy(videos / "a.mp4", path)
    errand = Errand(QUESTIONS[:1], run_folder)
    done = list(ask_each([path], errand))
    assert missing([path], errand, done) == []
    assert missing([path], Errand(QUESTIONS, run_folder), done) == [path]
    other = tmp_path / "run"
    shutil.copytree(run_folder, other)
    weights = (other / "checkpoint.safetensors").read_bytes()
    (other / "checkpoint.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert missing([path], Errand(QUESTIONS[:1], other), done) == [path]
    shutil.copy(videos / "more" / "b.mp4", path)
    assert missing([path], errand, done) == [path]


def test_music_is_added_to_documents_that_lack_it_and_only_where_it_is_wanted(videos, run_folder):
    path = videos / "a.mp4"
    plain, wanted = (Errand(QUESTIONS[:1], run_folder, music=music) for music in (False, True))
    without, having = (next(ask_each([path], errand)) for errand in (plain, wanted))
    assert without["music"] is None
    jsonschema.validate(json.loads(json.dumps(having)), schema())
    assert having["music"]["left_out"] is None
    assert {**having, "music": None} == without
    assert missing([path], wanted, [without]) == [path]
    assert missing([path], plain, [without]) == missing([path], wanted, [having]) == []


def test_workers_give_the_same_documents(videos, run_folder):
    files = sorted(videos.rglob("*.mp4"))
    errand = Errand(QUESTIONS, run_folder)
    alone, shared = (
        sorted(ask_each(files, errand, workers=n), key=lambda d: d["file"]) for n in (1, 2)
    )
    assert alone == shared


def test_a_document_of_a_killed_worker_says_so(videos):
    document = many._lost(videos / "a.mp4", "was killed (SIGKILL)")
    jsonschema.validate(document, schema())
    assert document["error"]["message"].endswith("was killed (SIGKILL) twice")


def test_without_the_weights_of_music_the_answers_stand_and_it_is_said(videos, run_folder):
    def missing_weights():
        raise FileNotFoundError("The weights beatnet are not here.\nRun: musicavqa doctor")

    performance = replace(listen_and_look(videos / "a.mp4", run_folder), music=missing_weights)
    document = answers(videos / "a.mp4", performance, performance.ask(QUESTIONS), music=True)
    jsonschema.validate(json.loads(json.dumps(document)), schema())
    assert document["music"]["left_out"].startswith("The weights beatnet are not here. Run")
    assert len(document["replies"]) == len(QUESTIONS)


def test_json_of_one_file_is_the_same_document(command_line, videos):
    code, out, _ = command_line("ask", videos / "a.mp4", QUESTIONS[0], "--json")
    jsonschema.validate(json.loads(out), schema())
    assert code == 0
    code, out, err = command_line("ask", videos / "broken.mp4", QUESTIONS[0], "--json")
    document = json.loads(out)
    jsonschema.validate(document, schema())
    assert code == 1
    assert err.strip() == f"musicavqa: {document['error']['message']}"


@pytest.mark.parametrize(
    "spoilt",
    [
        {"version": 2},
        {"replies": "yes"},
        {"error": {"kind": "x", "message": "y"}},
        {"mark": "12"},
        {"music": {}},
        {"music": Music(key="H dur").as_dict()},
    ],
)
def test_the_schema_refuses_what_is_no_document(videos, spoilt):
    document = failure(videos / "a.mp4", ValueError("x"))
    jsonschema.validate(document, schema())
    good = {**document, "checkpoint": {"method": "bandleader", "mark": None}, "reading": None,
            "media": {"used_s": 1, "line": ""}, "replies": []}  # fmt: skip
    del good["error"]
    jsonschema.validate(good, schema())  # as before there was music
    jsonschema.validate({**good, "music": Music(key="B flat minor").as_dict()}, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**good, **spoilt}, schema())


@pytest.mark.parametrize("content", ["x\n", '{"version": 2}\n', "[1]\n", '{"version": 1}\n'])
def test_a_file_of_something_else_is_not_added_to(command_line, videos, asked, tmp_path, content):
    out = tmp_path / "mine.txt"
    out.write_text(content)
    code, _, err = command_line("ask", videos, "--questions", asked, "--out", out)
    assert code == 1
    assert "line 1 is no document of version 1" in err
    assert out.read_text() == content


def test_questions_are_lines_and_there_must_be_one(tmp_path, asked):
    assert read_questions(asked) == QUESTIONS
    (tmp_path / "none.txt").write_text("# nothing\n\n")
    with pytest.raises(ValueError, match="holds no question"):
        read_questions(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("Où est le violon ?".encode("latin-1"))
    with pytest.raises(ValueError, match=r"no text in UTF-8 \(byte 1\)"):
        read_questions(tmp_path / "latin.txt")
    with pytest.raises(FileNotFoundError, match="no file of questions"):
        read_questions(tmp_path / "missing.txt")


def test_out_and_evidence_belong_to_their_ways(command_line, videos, asked, tmp_path):
    code, _, err = command_line("ask", videos / "a.mp4", QUESTIONS[0], "--out", tmp_path / "x")
    assert (code, "--out goes with --questions" in err) == (1, True)
    code, _, err = command_line("ask", videos, "--questions", asked, "--evidence", "e.png")
    assert (code, "--evidence is drawn of one file" in err) == (1, True)


@pytest.mark.slow
def test_runs_killed_at_any_moment_end_with_every_file_once(videos, asked, run_folder, tmp_path):
    out = tmp_path / "answers.jsonl"
    command = [sys.executable, "-m", "musicavqa.cli", "ask", str(videos), "--questions", str(asked)]
    command += ["--out", str(out), "--checkpoint", str(run_folder), "--workers", "2"]
    for moment in range(8):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(2 + 0.7 * moment)
        run.kill()
        run.wait()
    subprocess.run(command, capture_output=True, check=False)
    answered = [d["file"] for d in read_documents(out) if "replies" in d]
    assert sorted(answered) == sorted(str(videos / name) for name in ("a.mp4", "more/b.mp4"))

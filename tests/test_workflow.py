"""Render, encode, train, predict, evaluate: folder in, folder out, through the command line."""

import json

import numpy as np
import pytest


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def test_every_verb_follows_the_other(command_line, root):
    data, features, runs = root / "data", root / "features", root / "runs"
    for split, n in (("train", 4), ("val", 2), ("test", 2)):
        arguments = ("--split", split, "--clips", n, "--seconds", 4)
        assert command_line("render", data, *arguments)[0] == 0
    stores = ("--data", data, "--features", features)
    encoders = ("--streams", "audio_logmel,visual_motion")
    command = ("features", "extract", "bandstand")
    code, out, _ = command_line(*command, "--data", data, "--out", features, *encoders)
    assert (code, "written" in out) == (0, True)
    code, out, _ = command_line("train", "question_gru", *stores, "--out", runs, "--epochs", 1)
    assert code == 0
    folder = out.strip()
    code, out, _ = command_line("predict", folder, *stores)
    assert code == 0
    predictions = out.strip()
    code, out, _ = command_line("evaluate", predictions, "--data", data, "--json")
    assert code == 0
    overall = json.loads(out)["groups"]["overall"]
    lines = (data / "test" / "questions.jsonl").read_text().splitlines()
    assert overall["asked"] == overall["answered"] == len(lines)
    assert overall["interval"][0] <= overall["accuracy"] <= overall["interval"][1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("train", "bandleeder"), "Did you mean bandleader"),
        (("train", "bandleader", "--data", "nowhere"), "musicavqa render --split train"),
        (("render", "--split", "rehearsal"), "rehearsal"),
        (
            ("features", "extract", "bandstand", "--data", "nowhere"),
            "no rendered split in nowhere",
        ),
        (("evaluate", "nothing.jsonl", "--data", "nowhere"), "no predictions at nothing.jsonl"),
    ],
)
def test_what_cannot_work_says_so_in_one_line(monkeypatch, command_line, tmp_path, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, out, err = command_line(*arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


def test_a_prompt_stream_holds_the_statement_of_each_question():
    from fixtures import make_clips, make_questions
    from musicavqa.features.encoders import load_encoder
    from musicavqa.features.streams import embed_texts
    from musicavqa.questions import declare

    questions = make_questions(make_clips(1), per_clip=3)
    streams = embed_texts(("text_minilm", "text_minilm_prompt"), questions)
    for name, sentence in (
        ("text_minilm", lambda question: question.text),
        ("text_minilm_prompt", lambda question: declare(question.template, question.slots)),
    ):
        wanted = load_encoder("text_minilm").embed([sentence(question) for question in questions])
        found = np.stack([streams[name][question.text] for question in questions])
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_a_clip_that_cannot_be_read_is_no_media_and_one_not_encoded_yet_an_error(
    command_line, tmp_path
):
    data, features, runs = tmp_path / "data", tmp_path / "features", tmp_path / "runs"
    for split, n in (("train", 2), ("val", 1), ("test", 2)):
        command_line("render", data, "--split", split, "--clips", n, "--seconds", 3)
    broken = min((data / "test" / "clips").glob("*.mp4"))
    broken.write_bytes(b"")
    extract = ("features", "extract", "bandstand", "--data", data, "--out", features)
    assert command_line(*extract, "--streams", "audio_logmel")[0] == 1  # a clip was skipped
    stores = ("--data", data, "--features", features)
    run = command_line("train", "fcnlstm", *stores, "--out", runs, "--epochs", 1)[1].strip()
    code, out, err = command_line("predict", run, *stores)
    assert code == 0
    report = json.loads(command_line("evaluate", out.strip(), "--data", data, "--json")[1])
    overall = report["groups"]["overall"]
    asked = [json.loads(line)["clip"] for line in (data / "test" / "questions.jsonl").open()]
    lost = asked.count(broken.stem)
    assert lost > 0
    assert f"{lost} of {len(asked)} questions of bandstand/test are set aside" in err
    assert (overall["asked"], overall["no_media"]) == (len(asked), lost)

    code, out, err = command_line("robustness", run, *stores, "--json")
    assert code == 0, err
    assert f"{lost} of {len(asked)} questions of bandstand/test are set aside" in err
    report = json.loads(out)
    assert report["bias"]["counts"]["no_media"] == lost
    shaken = report["stress"]["disturbed"]["muted audio"]
    assert {row["group"]: row["drop"]["n_rows"] for row in shaken}["overall"] == len(asked)
    assert "and 1 can be read" in report["stress"]["left_out"]["swapped sound"]

    command_line("render", data, "--split", "val", "--clips", 2, "--seconds", 3)
    code, _, err = command_line("predict", run, *stores, "--split", "val")
    assert (code, "rows for 1 of 2 clips are missing" in err) == (1, True)

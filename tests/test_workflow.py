"""Render, encode, train, predict, evaluate: folder in, folder out, through the command line."""

import json

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
    assert (code, "rows written" in out) == (0, True)
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
        (("evaluate", "nothing.jsonl", "--data", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_work_says_so_in_one_line(monkeypatch, command_line, tmp_path, arguments, told):
    monkeypatch.chdir(tmp_path)
    code, out, err = command_line(*arguments)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1

"""`musicavqa llm`: from a data set and a server to a run that every other verb reads."""

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("openai")
sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))

from conftest import grey_frames, sine, write_media
from made_server import serving

ROWS = [("How many types of musical instruments sound in the video?", "two"),
        ("Is there a voiceover?", "no"), ("Where is the performance?", "indoor")]  # fmt: skip


@pytest.fixture
def data(tmp_path):
    (tmp_path / "clips").mkdir()
    write_media(tmp_path / "clips" / "a.mp4", grey_frames(20), wave=sine(440, 2.0))
    lines = [json.dumps({"clip": "a", "question": q, "answer": a}) for q, a in ROWS]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_a_run_is_reported_evaluated_and_goes_on(command_line, data):
    out = data / "runs"
    with serving() as script:
        command = ["llm", "run", f"vllm:m@{script.url}", "--set", "folder", "--data", data]
        command += ["--out", out, "--sampling", "frames=1 side=64", "--json"]
        code, said, err = command_line(*command)
        n_asked = len(script.seen)
        again = command_line(*command)
        assert len(script.seen) == n_asked + 3  # the probe alone
    assert code == 0, err
    assert "pictures: 170 tokens more" in err
    told = json.loads(said)
    assert json.loads(again[1]) == told
    assert told["score"]["groups"]["overall"]["correct"] == 1
    assert told["model"]["server"] == "vllm"
    (folder,) = out.glob("folder/m/*-s0")
    code, said, _ = command_line("llm", "report", folder)
    assert code == 0
    assert "beside it" in said
    assert "accuracy   33.33 %" in said
    code, said, err = command_line("evaluate", folder, "--data", data, "--set", "folder", "--json")
    assert code == 0, err
    assert json.loads(said)["headline"] == pytest.approx(100 / 3)


def test_a_server_that_drops_the_sound_stops_the_run_in_one_line(command_line, data):
    with serving(hears=False) as script:
        code, _, err = command_line(
            "llm", "run", f"vllm:m@{script.url}", "--set", "folder", "--data", data
        )
    assert code == 1
    assert "they do not reach the model" in err.strip().splitlines()[-1]
    assert not (data / "runs").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [(["--prompt", "long"], "no prompt preset"), (["--sampling", "all"], "sampling policy"),
     (["--by", "score"], "--by is 'score'"), (["--price", "cheap"], "--price takes IN,OUT"),
     (["--budget", "1"], "--budget needs --price")],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(command_line, data, more, said):
    code, _, err = command_line(
        "llm", "run", "vllm:m@http://127.0.0.1:9/v1", "--set", "folder", "--data", data, *more
    )
    assert code == 1
    assert said in err.strip().splitlines()[-1]

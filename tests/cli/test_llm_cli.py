"""`musicavqa llm`: from a data set and a server to a run that every other verb reads."""

import json

import pytest

pytest.importorskip("openai")

from folder_sets import write_folder_set
from llm.made_server import serving


@pytest.fixture
def data(tmp_path):
    return write_folder_set(tmp_path, "test")


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


def test_workers_that_share_a_run_report_what_one_process_does(command_line, data):
    with serving() as script:
        command = ["llm", "run", f"vllm:m@{script.url}", "--set", "folder", "--data", data]
        command += ["--sampling", "frames=1 side=64", "--json"]
        alone = command_line(*command, "--out", data / "alone")
        shared = command_line(*command, "--out", data / "shared", "--workers", "2")
    assert shared[0] == 0, shared[2]
    assert json.loads(shared[1]) == json.loads(alone[1])


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
     (["--budget", "1"], "--budget needs --price"),
     (["--budget", "1", "--price", "1,1", "--workers", "2"], "are counted in one process"),
     (["--address", "here:1"], "is for the engine 'ray'"),
     (["--engine", "spark"], "engine is local or ray")],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(command_line, data, more, said):
    code, _, err = command_line(
        "llm", "run", "vllm:m@http://127.0.0.1:9/v1", "--set", "folder", "--data", data, *more
    )
    assert code == 1
    assert said in err.strip().splitlines()[-1]

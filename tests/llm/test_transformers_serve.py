"""`llm run` against a real `transformers serve`: small networks, random weights, a real dialect."""

import json

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("openai")
pytest.importorskip("transformers")

import served_models
from folder_sets import ROWS, write_folder_set

pytestmark = pytest.mark.slow
TRAFFIC = {"sees": "frames=2 side=64 sound=none", "hears": "frames=0 sound=whole"}


@pytest.fixture
def data(tmp_path):
    return write_folder_set(tmp_path, "test")


def asking(folder, url, data, *more):
    """The command that asks the model in `folder` at `url`."""
    command = ["llm", "run", f"transformers:{folder}@{url}", "--set", "folder", "--data", data]
    return [*command, "--out", data / "runs", *more]


@pytest.mark.parametrize("sense", ["sees", "hears"])
def test_a_run_is_answered_and_reported_and_media_that_it_drops_are_found(
    command_line, data, sense
):
    if sense == "hears":
        pytest.importorskip("soundfile")  # without it the server answers sound with a 500
    folder = served_models.save(sense, data / sense)
    with served_models.transformers_serve(folder) as url:
        code, said, err = command_line(
            *asking(folder, url, data, "--sampling", TRAFFIC[sense], "--json")
        )
        assert code == 0, err
        assert "tokens more, so they reach the model" in err
        other = TRAFFIC["hears" if sense == "sees" else "sees"]
        code, _, err = command_line(*asking(folder, url, data, "--sampling", other))
        assert code == 1
        assert "they do not reach the model" in err.strip().splitlines()[-1]
        short = ["--sampling", TRAFFIC[sense], "--max-tokens", "1", "--no-baselines"]
        code, _, err = command_line(*asking(folder, url, data, *short))
        assert code == 0, err
    told = json.loads(said)
    assert told["model"]["server"] == "transformers"
    assert told["score"]["groups"]["overall"]["asked"] == len(ROWS)
    runs = sorted((data / "runs").rglob("records.jsonl"), key=lambda path: -path.stat().st_size)
    whole, cut = ([json.loads(line) for line in run.read_text().splitlines()] for run in runs)
    assert {record["status"] for record in whole} == {"answered"}
    assert {record["error"]["kind"] for record in cut} == {"cut short"}
    heard = [record["receipt"]["seconds_heard"] for record in whole[: len(ROWS)]]
    seen = [record["receipt"]["frames"] for record in whole[: len(ROWS)]]
    assert (max(heard) > 1.9, max(seen)) == ((True, 0) if sense == "hears" else (False, 2))

"""`llm teach`, `llm merge`, `llm convert` on the command line: small real models, and mistakes."""

import json

import pytest
import torch
from safetensors.torch import save_file

pytest.importorskip("peft")

from folder_sets import ROWS, write_folder_set
from llm import own_models
from llm.official_layouts import LAYOUTS, official_weights
from musicavqa.llm import own
from musicavqa.llm.own import save_model

SMALL = ["--sampling", "frames=2 side=64 sound=whole"]


@pytest.fixture
def data(tmp_path):
    write_folder_set(tmp_path, "train", "test")
    tokenizer = own_models.tokenizer()
    save_model(tmp_path / "model", "videollama2", own_models.network("videollama2"), tokenizer, "")
    return tmp_path


def test_a_model_is_taught_merged_and_asked(command_line, data):
    where = ["--set", "folder", "--data", data, *SMALL]
    lesson, taught = data / "lesson", data / "taught"
    teach = ["llm", "teach", data / "model", lesson, *where, "--rank", "2", "--batch", "3"]
    code, said, err = command_line(*teach, "--epochs", "2")
    assert code == 0, err
    assert f"Next: musicavqa llm merge {data / 'model'} {lesson}" in said
    assert (lesson / "adapter" / "adapter_config.json").is_file()
    again = command_line(*teach, "--epochs", "2")
    assert again[0] == 0
    code, _, err = command_line(*teach, "--epochs", "3")
    assert code == 1  # another recipe goes to another folder
    assert str(lesson) in err.strip().splitlines()[-1]
    code, said, err = command_line("llm", "merge", data / "model", lesson, taught)
    assert code == 0, err
    assert "taught folder train" in json.loads((taught / "model.json").read_text())["trained_on"]
    code, said, err = command_line(
        "llm", "run", taught, *where, "--by", "score", "--out", data / "runs", "--json"
    )
    assert code == 0, err
    assert json.loads(said)["score"]["groups"]["overall"]["asked"] == len(ROWS)


@pytest.mark.parametrize("name", LAYOUTS)
def test_published_weights_become_a_folder_that_is_asked(command_line, data, monkeypatch, name):
    """Official names in the form in which they are given out; only the size is a small one."""
    official = official_weights(name)
    given, made = give_out(name, official, data), data / name
    with monkeypatch.context() as small:
        small.setattr(own, "build_model", lambda name, *_: own_models.network(name, seed=1))
        convert = ["llm", "convert", name, given, data / "model", made]
        code, said, err = command_line(*convert)
    assert code == 0, err
    assert said.strip() == f"Written to {made}. Next: musicavqa llm run {made}"
    written, _ = own.read_safetensors(made / own.WEIGHTS)
    due = own.model_file(name).convert(official)
    assert written
    assert all(tensor.equal(due[key]) for key, tensor in written.items())
    where = ["--set", "folder", "--data", data, *SMALL, "--prompt", "bare", "--no-baselines"]
    code, said, err = command_line("llm", "run", made, *where, "--out", data / "runs", "--json")
    assert code == 0, err
    assert json.loads(said)["score"]["groups"]["overall"]["asked"] == len(ROWS)


def give_out(name, official, folder):
    """A file of PyTorch, or safetensors in two parts."""
    if name == "vast":
        torch.save(official, folder / "model_step_1.pt")
        return folder / "model_step_1.pt"
    (folder / "official").mkdir()
    for number in (0, 1):
        some = dict(list(official.items())[number::2])
        save_file(some, folder / "official" / f"model-0000{number + 1}-of-00002.safetensors")
    return folder / "official"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["teach", "nowhere", "lesson"], "'nowhere' is neither a folder with a model nor"),
        (["teach", "vllm:m@http://127.0.0.1:9/v1", "lesson"], "so it cannot be taught"),
        (["teach", "model", "lesson", "--prompt", "mcq4"], "not as letters"),
        (["teach", "model", "lesson", "--sampling", "all"], "sampling policy"),
        (["teach", "model", "lesson", "--split", "val"], "val"),
        (["merge", "model", "nowhere", "out"], "nowhere"),
        (["merge", "nowhere", "lesson", "out"], "'nowhere' is neither"),
        (["convert", "valour", "w", "t", "out"], "no language model 'valour' here; near: valor"),
        (["convert", "cat", "w", "t", "out"], "of vast, videollama2 are"),
        (["convert", "vast", "nowhere", "model", "out"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(command_line, data, monkeypatch, command, said):
    monkeypatch.chdir(data)
    verb, *rest = command
    where = ["--set", "folder", "--data", "."] if verb == "teach" else []
    code, _, err = command_line("llm", verb, *rest, *where)
    assert code == 1
    (line,) = [line for line in err.strip().splitlines() if line.startswith("musicavqa: ")]
    assert said in line
    assert not (data / "out").exists()
    assert not (data / "lesson").exists()

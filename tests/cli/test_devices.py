"""Verbs whose networks may compute elsewhere take a device, and refuse one that is not here."""

import pytest
import torch
import typer

from musicavqa.cli import app

COMPUTING = {
    ("train",), ("predict",), ("robustness",), ("ask",), ("read",),
    ("grounding",), ("shortcuts",),
    ("features", "extract"), ("features", "verify"),
}  # fmt: skip


def command(path):
    group = typer.main.get_command(app)
    for name in path:
        group = group.commands[name]
    return group


@pytest.mark.parametrize("path", sorted(COMPUTING))
def test_it_takes_a_device(path):
    option = next(item for item in command(path).params if item.name == "device")
    assert option.default == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_here_is_one_line(command_line, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"nothing")
    for line in (
        ("ask", tmp_path / "clip.mp4", "How many instruments are there?"),
        ("read", tmp_path / "clip.mp4"),
        ("grounding", tmp_path),
        ("shortcuts", tmp_path),
        ("features", "extract", tmp_path, "--streams", "audio_logmel"),
    ):
        code, _, err = command_line(*line, "--device", "cuda")
        assert (code, "no GPU here for --device cuda" in err) == (1, True), err
        assert len(err.strip().splitlines()) == 1

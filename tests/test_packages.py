"""What installed packages add is found by name: the example package, loaded and installed."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa import added as packages
from musicavqa.datasets import dataset, list_datasets
from musicavqa.datasets.footage import footage
from musicavqa.features.encoders import list_encoders, load_encoder, load_spec
from musicavqa.media import read
from musicavqa.methods.registry import list_methods, list_plugins, load_method, load_plugin

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "musicavqa-example"
NAMES = {
    "musicavqa.methods": "bright_gate",
    "musicavqa.encoders": "audio_brightness",
    "musicavqa.datasets": "plain_lines",
    "musicavqa.plugins": "calm",
    "musicavqa.llms": "loud_guess",
}


@pytest.fixture
def found(monkeypatch):
    """The example's entry points, as if it were installed."""
    monkeypatch.syspath_prepend(EXAMPLE / "src")

    def entry_points(group):
        name = NAMES[group]
        return [EntryPoint(name, f"musicavqa_example.{name}", group)]

    monkeypatch.setattr(packages, "entry_points", entry_points)


def test_the_example_names_every_group_there_is():
    text = (EXAMPLE / "pyproject.toml").read_text(encoding="utf-8")
    assert set(NAMES) == set(packages.GROUPS)
    for group, name in NAMES.items():
        assert f'[project.entry-points."{group}"]\n{name} = "musicavqa_example.{name}"' in text


def test_names_of_packages_stand_beside_ours(found, tmp_path):
    assert "bright_gate" in list_methods()
    assert "audio_brightness" in list_encoders()
    assert list_datasets()[-1] == "plain_lines"
    assert "calm" in list_plugins()
    assert load_method("bright_gate").streams() == ("audio_brightness",)
    assert load_plugin("calm").Options().weight == 1e-3
    assert load_spec("audio_brightness").shape == (2,)
    (tmp_path / "test.txt").write_text("one | Is there a voiceover? | no\n")
    (tmp_path / "clips").mkdir()
    write_media(tmp_path / "clips" / "one.mp4", grey_frames(20))
    assert [clip.id for clip in footage("plain_lines", tmp_path).clips] == ["one"]


def test_the_encoder_hears_loudness_and_brightness(found, tmp_path):
    waves = [sine(300, 1.0), sine(4000, 1.0) / 5]
    path = write_media(tmp_path / "a.wav", wave=np.concatenate(waves, axis=1), codec="pcm_s16le")
    encoder = load_encoder("audio_brightness")
    rows = encoder.encode(read(path, encoder.spec.reads, require="any"))
    assert rows.shape == (2, 2)
    assert rows[0, 0] > 3 * rows[1, 0]
    np.testing.assert_allclose(rows[:, 1], [300 / 8000, 0.5], atol=0.02)


def test_an_adapter_of_a_package_is_asked_like_any_model(found, tmp_path, command_line):
    (tmp_path / "clips").mkdir()
    for name, loudness in (("loud", 0.5), ("soft", 0.01)):
        write_media(tmp_path / "clips" / f"{name}.mp4", wave=loudness * sine(300, 1.0))
    rows = [f"{name} | Is there a flute sound? | {answer}" for name, answer in
            (("loud", "yes"), ("soft", "no"))]  # fmt: skip
    (tmp_path / "test.txt").write_text("\n".join(rows))
    where = ["--set", "plain_lines", "--data", tmp_path, "--out", tmp_path / "runs"]
    code, said, err = command_line("llm", "run", "loud_guess:0.05", *where, "--json")
    assert code == 0, err
    told = json.loads(said)
    assert told["score"]["groups"]["overall"]["correct"] == 2
    assert told["model"]["level"] == 0.05
    code, _, err = command_line("llm", "run", "loud_guess:loud", *where)
    assert code == 1
    assert err.strip() == "musicavqa: loud_guess takes a level such as 0.05, got 'loud'."
    code, _, err = command_line("llm", "run", "loud_gues", *where)
    assert code == 1
    assert "sglang, transformers, loud_guess" in err.strip()


def test_what_lacks_its_parts_is_told_in_one_line(found, monkeypatch):
    point = EntryPoint("empty_set", "musicavqa_example", "musicavqa.datasets")
    monkeypatch.setattr(packages, "entry_points", lambda group: [point])
    with pytest.raises(ValueError, match=r"'empty_set' .* lacks CITATION, LICENCE"):
        dataset("empty_set")
    with pytest.raises(ValueError, match="Did you mean empty_set"):
        dataset("empty_sett")


def environment(target):
    paths = [str(target), str(ROOT / "src")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The example package, installed by pip into a folder of its own."""
    pytest.importorskip("setuptools", "70.1", reason="builds the example package")
    target = tmp_path_factory.mktemp("site")
    copy = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation"]
    command += ["--no-index", "--quiet", "--target", str(target), str(copy)]
    subprocess.run(command, check=True)
    return target


@pytest.mark.slow
def test_the_example_package_is_installed_and_trained_with(installed, tmp_path):
    (tmp_path / "clips").mkdir()
    for name, tone in (("low", 200), ("high", 3000), ("other", 900)):
        wave = sine(tone, 4.0)
        write_media(tmp_path / "clips" / f"{name}.mp4", grey_frames(40), wave=wave)
    for split, clips in (("train", ("low", "high")), ("val", ("other",)), ("test", ("high",))):
        lines = [f"{clip} | Is there a flute sound? | {'yes' if clip == 'high' else 'no'}"
                 for clip in clips]  # fmt: skip
        (tmp_path / f"{split}.txt").write_text("\n".join(lines))

    def say(*arguments):
        command = [sys.executable, "-m", "musicavqa.cli", *map(str, arguments)]
        run = {"cwd": tmp_path, "env": environment(installed), "text": True}
        done = subprocess.run(command, **run, capture_output=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "plain_lines" in say("data", "list")
    where = ("--data", ".", "--out", "features")
    say("features", "extract", "plain_lines", *where, "--streams", "audio_brightness")
    where = ("--data", ".", "--features", "features")
    trained = say("train", "bright_gate", "--set", "plain_lines", *where, "--plugin", "calm")
    run = trained.strip().splitlines()[-1]
    say("predict", run, *where, "--set", "plain_lines")
    report = json.loads(say("evaluate", run, "--data", ".", "--json"))
    assert report["groups"]["overall"]["answered"] == 1
    asked = say("llm", "run", "loud_guess", "--set", "plain_lines", "--data", ".", "--json")
    assert json.loads(asked)["model"]["model"] == "loud_guess"


@pytest.mark.slow
def test_the_example_is_checked_against_our_types():
    pytest.importorskip("mypy", reason="checks the types of the example package")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(EXAMPLE / "src")]
    run = {"env": environment(EXAMPLE / "src"), "text": True, "capture_output": True}
    done = subprocess.run(command, **run)
    assert done.returncode == 0, done.stdout

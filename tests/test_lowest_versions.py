"""The lowest versions that are declared: installed in a fresh environment, they answer."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from conftest import grey_frames, sine, write_media
from musicavqa.files import cache_folder

SOURCES = Path(__file__).parents[1] / "src"


def declared() -> list[str]:
    """Requirements of the core and of the extras, as they are written."""
    text = (SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(line for extra in extras for line in extra)]


def lowest() -> list[str]:
    """Requirements of the core for this Python, each at its lower bound."""
    text = (SOURCES.parent / "pyproject.toml").read_text(encoding="utf-8")
    core = tomllib.loads(text)["project"]["dependencies"]
    return [line.replace(">=", "==") for line in core if "python_version" not in line]


def test_every_requirement_has_a_lower_bound_and_no_other():
    for line in declared():
        name = line.partition(";")[0].strip()
        assert re.fullmatch(r"[\w-]+(\[[\w,-]+\])?>=[\d.]+|musicavqa\[[\w,-]+\]", name), line


@pytest.mark.slow
def test_the_lowest_versions_answer(tmp_path):
    python = str(tmp_path / "env" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    installed = subprocess.run([*pip, *lowest()], capture_output=True, text=True)
    assert installed.returncode == 0, installed.stderr
    clip = write_media(tmp_path / "a.mp4", grey_frames(40), wave=sine(440, 4.0))
    code = "import sys; from musicavqa.cli import main; sys.argv[0] = 'musicavqa'; main()"
    question = "How many instruments are sounding in the video?"
    surroundings = {
        **os.environ, "PYTHONPATH": str(SOURCES), "MUSICAVQA_CACHE": str(cache_folder()),
    }  # fmt: skip
    asked = subprocess.run(
        [python, "-c", code, "ask", str(clip), question],
        capture_output=True, text=True, env=surroundings, cwd=tmp_path,
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert asked.stdout.startswith(question)

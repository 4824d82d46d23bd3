"""What is published: the wheel has all that it needs and nothing else, and works on its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from musicavqa import __version__
from musicavqa.files import cache_folder

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_python_that_is_named_is_tested_and_the_other_way_round():
    named = re.findall(r"Python :: (3\.\d+)", text("pyproject.toml"))
    matrix = re.search(r"python: \[(.*)\]", text(".github/workflows/test.yml"))
    assert named == re.findall(r"3\.\d+", matrix[1])
    assert f'requires-python = ">={named[0]}"' in text("pyproject.toml")


def test_the_workflow_and_ci_run_what_the_readme_says():
    command = "make test"
    assert command in text("README.md")
    assert f"- run: {command}\n" in text(".github/workflows/test.yml")
    assert text(".ci/run").splitlines()[-1] == command


def test_links_between_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_variables_that_are_read_are_on_their_page():
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    names = set(re.findall(r"environ(?:\.get|\.setdefault)?[\[(]\s*\"([A-Z_]+)\"", sources))
    page = text("docs/environment.md")
    assert names
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of wheel and sdist."""
    folder = tmp_path_factory.mktemp("dist")
    hatchling = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(hatchling, check=True, cwd=ROOT, capture_output=True)
    return folder


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package_and_its_data(built):
    wheel = next(built.glob("*.whl"))
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "src/musicavqa"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = {name.removeprefix("src/") for name in tracked.stdout.splitlines()}
    assert files <= names
    outside = {name for name in names - files if ".dist-info/" not in name}
    assert outside == set()
    assert wheel.stat().st_size < 25e6
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "tests/conftest.py"} <= inside


@pytest.mark.slow
def test_the_wheel_answers_from_an_empty_folder(built, tmp_path):
    """Installed alone, beside the libraries of this environment, far from the sources."""
    place = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place)]
    subprocess.run([*pip, str(next(built.glob("*.whl")))], check=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    surroundings = {
        **os.environ, "PYTHONPATH": str(place), "MUSICAVQA_CACHE": str(cache_folder()),
    }  # fmt: skip

    def run(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "musicavqa.cli", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=surroundings, cwd=empty)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import musicavqa; print(musicavqa.__file__)"
    found = subprocess.run(
        [sys.executable, "-P", "-c", where],
        capture_output=True,
        text=True,
        env=surroundings,
        cwd=empty,
    )
    assert str(place) in found.stdout
    assert run("--version").strip() == f"musicavqa {__version__}"
    run("render", "clips", "--split", "val", "--clips", "1", "--seconds", "3")
    clip = next((empty / "clips" / "val" / "clips").glob("*.mp4"))
    assert "Which instruments are there?" in run("ask", str(clip), "Which instruments are there?")

"""The pages: generated ones are up to date, commands on them exist, the site builds strictly."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import musicavqa
from musicavqa.cli import app, pages
from musicavqa.methods.registry import list_methods

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
COMMANDS = dict(pages.commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", pages.PAGES)
def test_generated_pages_are_up_to_date(name):
    assert (DOCS / name).read_text(encoding="utf-8") == pages.PAGES[name](), (
        "run: python -m musicavqa.cli.pages"
    )


def shown() -> list[tuple[str, str]]:
    """(page, command) of every `musicavqa ...` line in a block of code."""
    found = []
    for page in [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]:
        for block in re.findall(r"```\w*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            lines = block.replace("\\\n", " ").splitlines()
            commands = (line.strip().removeprefix("$ ") for line in lines)
            found += [(page.name, line) for line in commands if line.startswith("musicavqa ")]
    return found


@pytest.mark.parametrize(("page", "line"), sorted(set(shown())))
def test_a_command_on_a_page_exists_with_all_its_options(page, line):
    words = shlex.split(line, comments=True)[1:]
    while words and words[0] in ("--quiet", "--verbose", "--version"):
        words = words[1:]
    if not words or words[0].isupper():  # `musicavqa VERB --help`
        return
    name = next((" ".join(words[:n]) for n in (2, 1) if " ".join(words[:n]) in COMMANDS), None)
    assert name is not None, f"{page}: there is no {words[0]!r}"
    known = {option for p in COMMANDS[name].params for option in (*p.opts, *p.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert asked - {"--help"} <= known, f"{page}: {asked - known}"


def test_pictures_are_small_and_each_is_shown_somewhere():
    pictures = sorted((DOCS / "pictures").iterdir())
    assert max(path.stat().st_size for path in pictures) < 150_000
    assert sum(path.stat().st_size for path in pictures) < 1_000_000
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert {path.name for path in pictures} == set(re.findall(r"\(pictures/(.+?)\)", pages))


def test_the_readme_stays_short_and_sends_to_the_pages_with_the_figures():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text[: text.index("## Credit")].splitlines()) <= 60
    for page in ("accuracy", "gallery", "install", "tour", "index"):
        assert f"(docs/{page}.md)" in text
    assert "accuracy on renderings is not accuracy on film" in text


def test_every_page_is_in_the_navigation_and_every_method_on_the_page_that_helps_to_choose():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"([\w/]+\.md)$", text, re.MULTILINE))
    there = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert {name for name in there if not name.startswith("methods/")} <= listed <= there
    advice = (DOCS / "which_method.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", advice))
    assert {"bandleader", "avst", "tspm"} <= named & set(list_methods())


def test_the_reference_has_every_public_function():
    text = pages.api_page()
    for name, home in musicavqa._HOMES.items():
        assert f"::: {home}.{name}\n" in text


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    # without --quiet, which hides warnings from --strict too
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)]
    surroundings = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=surroundings)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "api.html").read_text(encoding="utf-8")
    for name, home in musicavqa._HOMES.items():
        assert f'id="{home}.{name}"' in reference
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(
            r"<(?:script|img|iframe|link)[^>]*(?:src|href)=\"(https?://[^\"]+)", text
        )
        assert loads == [], page.name

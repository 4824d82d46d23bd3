"""What `import musicavqa` offers: every verb of the command line, typed and told."""

import ast
import inspect
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import typer

import musicavqa
from musicavqa.cli import app

PAGE = (Path(__file__).parents[1] / "docs" / "python.md").read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| `musicavqa ([\w -]+)` \| `(\w+)", PAGE, re.MULTILINE))


def commands(group, path=()):
    """Every command of the command line, as 'features extract'."""
    for name, below in getattr(group, "commands", {}).items():
        yield from commands(below, (*path, name))
    if not hasattr(group, "commands"):
        yield " ".join(path)


def test_every_verb_of_the_command_line_has_its_function_on_the_page():
    assert set(TABLE) == set(commands(typer.main.get_command(app)))
    assert set(TABLE.values()) <= set(musicavqa.__all__)


@pytest.mark.parametrize("name", musicavqa.__all__)
def test_a_public_function_has_types_and_a_docstring(name):
    function = getattr(musicavqa, name)
    signature = inspect.signature(function)
    assert inspect.getdoc(function)
    assert signature.return_annotation is not signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation not in (parameter.empty, "Any"), parameter
    assert f"`{name}" in PAGE


def test_type_checkers_are_told_the_same_as_the_interpreter():
    tree = ast.parse(Path(musicavqa.__file__).read_text(encoding="utf-8"))
    told = {
        alias.asname: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname
    }
    assert told == musicavqa._HOMES
    assert files("musicavqa").joinpath("py.typed").is_file()


def test_dir_lists_what_there_is_and_nothing_else():
    assert set(dir(musicavqa)) == {*musicavqa.__all__, "__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'sing'"):
        _ = musicavqa.sing


def test_the_verb_ask_is_not_hidden_by_the_room_of_that_name():
    code = "import musicavqa, musicavqa.ask.timeline; from musicavqa.ask import asking;"
    code += "assert musicavqa.ask is asking.ask"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("given", "kept"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(given, kept):
    """Set before torch loads, which reads it once; beside busy programs spinning costs minutes."""
    around = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    around |= {} if given is None else {"OMP_WAIT_POLICY": given}
    code = "import os, sys, musicavqa.cli;"
    code += "print(os.environ['OMP_WAIT_POLICY'], 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=around, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [kept, "False"]

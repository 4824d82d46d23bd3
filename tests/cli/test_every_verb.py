"""What every verb has: how much is said, the version, completion for the shell."""

import io
import subprocess
import sys

import pytest

from musicavqa import __version__
from musicavqa.cli import progress


def run(*arguments):
    """The command in a process of its own, as logging is set up once in each."""
    found = subprocess.run(
        [sys.executable, "-m", "musicavqa.cli", *arguments], capture_output=True, text=True
    )
    return found.returncode, found.stdout, found.stderr


def test_errors_are_one_line_and_with_verbose_the_whole_of_it():
    code, out, err = run("ask", "missing.mp4", "Which instrument plays first?")
    assert (code, out, err.count("\n")) == (1, "", 1)
    code, out, err = run("--verbose", "ask", "missing.mp4", "Which instrument plays first?")
    assert (code, out) == (1, "")
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("musicavqa: missing.mp4 does not exist")


def test_quiet_shows_no_progress(monkeypatch):
    monkeypatch.setattr(progress, "shown", False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress.progress("encoding", "clips", clock=iter(range(0, 1000, 50)).__next__) as tell:
        for done in range(5):
            tell(done, 5)
    assert sys.stderr.getvalue() == ""


def test_quiet_is_an_option_of_every_verb(command_line, monkeypatch):
    monkeypatch.setattr(progress, "shown", True)
    assert command_line("--quiet", "data", "list")[0] == 0
    assert progress.shown is False
    command_line("data", "list")
    assert progress.shown is True
    assert command_line("--quiet", "--verbose", "data", "list")[0] == 2


def test_the_version_is_said(command_line):
    assert command_line("--version")[:2] == (0, f"musicavqa {__version__}\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete_verbs(monkeypatch, shell):
    pytest.importorskip("shellingham")
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")  # name it instead
    code, out, _ = run("--show-completion", shell)
    assert code == 0
    assert "_MUSICAVQA" in out or "musicavqa" in out.lower()

"""Nothing that only some systems have is needed to load or to use the package."""

import os
import subprocess
import sys

import pytest

from musicavqa import processes

HIDDEN = """
import importlib, os, pkgutil, sys
for name in ("resource", "fcntl", "pwd", "grp", "termios", "tty", "pty", "posix_ipc", "syslog"):
    sys.modules[name] = None
import musicavqa
for module in pkgutil.walk_packages(musicavqa.__path__, "musicavqa."):
    if module.name.endswith("__main__"):
        continue
    importlib.import_module(module.name)
from musicavqa import processes
assert processes.peak_mb() is None
"""
WINDOWS = """
import os, sys
from pathlib import Path
sys.platform = "win32"
def kill(*_):
    raise SystemExit("Ctrl-C was sent")
os.kill = kill
from musicavqa.features.store import claims, folder
from musicavqa.files import write_text
place = folder(sys.argv[1])
with claims.held(place, "ab") as claim:
    with claims.held(place, "ab") as busy:
        assert isinstance(busy, claims.Busy)
    assert claims.dead_claims(place) == []
write_text(Path(sys.argv[1]) / "x.txt", "whole")
"""


def run(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_module_loads_where_posix_modules_are_missing():
    run(HIDDEN)


def test_looking_for_the_dead_sends_nobody_a_signal_on_windows(tmp_path):
    run(WINDOWS, tmp_path)


def test_memory_is_told_where_the_system_tells():
    pytest.importorskip("resource")
    assert processes.peak_mb() > 1


def test_an_id_that_no_process_can_have_is_of_none():
    assert processes.has_ended(2**40)
    assert not processes.has_ended(os.getpid())

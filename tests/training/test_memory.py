"""Memory that is used again while training."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from musicavqa.training.memory import _glibc, give_back, kept_pages

SIZE = 16 << 20
"""Numbers of a tensor: 64 MB."""


def faults(n):
    """Pages newly touched while `n` large tensors come and go, one after the other."""
    for _ in range(4):  # small pieces may lie in the way at first
        torch.ones(SIZE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n):
        torch.ones(SIZE)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    """Pages of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1])


FRESH = """
from test_memory import faults, kept_pages, resident
usual, before = faults(4), resident()
with kept_pages():
    inside = faults(4)
print(usual, inside, resident() - before)
"""


BETWEEN = """
from test_memory import give_back, resident
pieces = [bytearray(100_000) for _ in range(2000)]
kept = [pieces.pop(i) for i in range(len(pieces) - 1, -1, -20)]  # one of twenty lies in between
del pieces
freed = resident()
give_back()
print(freed, resident())
"""


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_what_is_freed_between_pieces_in_use_goes_back():
    run = {"capture_output": True, "text": True, "check": True, "cwd": Path(__file__).parent}
    freed, after = map(int, subprocess.run([sys.executable, "-c", BETWEEN], **run).stdout.split())
    assert freed - after > 30_000  # pages of 4 kB: more than half of the 190 MB


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_a_step_uses_the_pages_of_the_step_before():
    """In a process of its own: what others allocated before changes what the system keeps."""
    run = {"capture_output": True, "text": True, "check": True, "cwd": Path(__file__).parent}
    usual, inside, held = map(
        int, subprocess.run([sys.executable, "-c", FRESH], **run).stdout.split()
    )
    assert inside < 100
    assert usual > 1000  # as the system has it otherwise
    assert held < 1000  # what was kept inside has gone back


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    give_back()
    with kept_pages():
        assert _glibc() is None

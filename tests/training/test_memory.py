"""Memory that is used again while training."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from musicavqa.training.memory import _glibc, kept_pages

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


FRESH = """
from test_memory import faults, kept_pages
with kept_pages():
    inside = faults(4)
print(inside, faults(4))
"""


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_a_step_uses_the_pages_of_the_step_before():
    """In a process of its own: what others allocated before changes what the system keeps."""
    run = {"capture_output": True, "text": True, "check": True, "cwd": Path(__file__).parent}
    found = subprocess.run([sys.executable, "-c", FRESH], **run).stdout.split()
    assert int(found[0]) < 100
    assert int(found[1]) > 1000  # as the system has it otherwise


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_pages():
        assert _glibc() is None

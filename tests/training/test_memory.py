"""Memory that is used again while training."""

import resource
import sys

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


@pytest.mark.skipif(_glibc() is None, reason="the C library is not glibc")
def test_a_step_uses_the_pages_of_the_step_before():
    with kept_pages():
        inside = faults(4)
    assert inside < 100
    assert faults(4) > 1000  # as the system has it otherwise


def test_elsewhere_nothing_happens(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_pages():
        assert _glibc() is None

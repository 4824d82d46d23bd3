"""The real annotation files in ../shared/data, for tests that check numbers against them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from musicavqa.datasets import load_dataset
from musicavqa.records import Question

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TSPM = SHARED / "tspm" / "results" / "TSPM.result"

needs_real_rows = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")


@cache
def read_real(split: str = "test") -> list[Question]:
    """Questions of a split of MUSIC-AVQA, such as 'test' (corrected) and 'test@json'."""
    return load_dataset("music_avqa", SHARED, split)[1]

"""The real annotation files in ../shared/data, for tests that check numbers against them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from musicavqa.datasets import load_dataset, official
from musicavqa.records import Question

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
TSPM = SHARED / "tspm" / "results" / "TSPM.result"
PARTIAL = SHARED / "music_avqa" / "reconstructed" / "avqa-train_partial.json"

needs_real_rows = pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not here")


@cache
def read_real(split: str = "test", name: str = "music_avqa") -> list[Question]:
    """Questions of a real split; 'train' of MUSIC-AVQA is the part that could be put together."""
    if (name, split) == ("music_avqa", "train"):
        return official.read_questions(PARTIAL, "music_avqa/train")
    return load_dataset(name, SHARED, split)[1]

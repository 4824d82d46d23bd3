"""Data sets: one file each, named in `NAMES`; `load(root, split)` gives clips and questions.

A data set file has `CITATION`, `LICENCE`, `FILES` (official files with size and git blob id),
`DEFECTS` (known faults with their counts), `splits(root)` and `load(root, split)`. What the
official files share is read in `official`; `sources` finds and checks the files.
"""

from __future__ import annotations

import importlib
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from musicavqa.records import Clip, Question

NAMES = ("bandstand", "folder", "fortisavqa", "music_avqa", "music_avqa_r", "music_avqa_v2")


def list_datasets() -> list[str]:
    """Names of all data sets."""
    return list(NAMES)


def dataset(name: str) -> ModuleType:
    """The file of a data set; ValueError with near matches when there is none of that name."""
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=3, cutoff=0.5) or NAMES
        raise ValueError(f"There is no data set {name!r}. Did you mean {' or '.join(near)}?")
    return importlib.import_module(f"{__name__}.{name}")


def load_dataset(name: str, root: Path | str, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of one split of the data set `name` under `root`.

    The layout under `root` and the splits of each set are in docs/datasets.md. What is not there
    raises FileNotFoundError, what is damaged or unknown ValueError.
    """
    return dataset(name).load(Path(root), split)

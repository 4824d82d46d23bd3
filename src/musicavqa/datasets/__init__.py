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
from typing import TYPE_CHECKING, Any

from musicavqa.added import added, load_added

if TYPE_CHECKING:
    from musicavqa.records import Clip, Question

NAMES = ("bandstand", "folder", "fortisavqa", "music_avqa", "music_avqa_r", "music_avqa_v2")
ENTRY_POINTS = "musicavqa.datasets"
PARTS = ("CITATION", "LICENCE", "FILES", "DEFECTS", "splits", "load")
"""What the module of a data set holds."""


def list_datasets() -> list[str]:
    """Names of all data sets: ours, and those that installed packages add."""
    return [*NAMES, *sorted(name for name in added(ENTRY_POINTS) if name not in NAMES)]


def dataset(name: str) -> ModuleType:
    """The file of a data set; ValueError with near matches when there is none of that name."""
    names = list_datasets()
    if name not in names:
        near = get_close_matches(name, names, n=3, cutoff=0.5) or names
        raise ValueError(f"There is no data set {name!r}. Did you mean {' or '.join(near)}?")
    if name not in NAMES:
        return load_added(ENTRY_POINTS, name, PARTS)
    return importlib.import_module(f"{__name__}.{name}")


def load_dataset(name: str, root: Path | str, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of one split of the data set `name` under `root`.

    The layout under `root` and the splits of each set are in docs/datasets.md. What is not there
    raises FileNotFoundError, what is damaged or unknown ValueError.
    """
    return dataset(name).load(Path(root), split)


def about_dataset(name: str) -> dict[str, Any]:
    """Name, what it is, splits, citation, licence and known defects with their counts."""
    module = dataset(name)
    return {
        "name": name,
        "what": (module.__doc__ or "").splitlines()[0],
        "splits": list(getattr(module, "SPLITS", ())),
        "citation": module.CITATION,
        "licence": module.LICENCE,
        "defects": [
            {"name": item.name, "counts": dict(item.counts), "line": item.line()}
            for item in module.DEFECTS
        ],
    }


def check_dataset(name: str, root: Path | str) -> dict[str, Any]:
    """`about_dataset`, and under 'files' each published file: its 'state' is 'here' if intact.

    Of a set without published files every split is loaded; 'questions' has how many each holds,
    and what cannot be read raises ValueError.
    """
    from musicavqa.datasets import sources

    module, root = dataset(name), Path(root)
    findings = sources.check(root, module.FILES)
    report = about_dataset(name) | {"files": [finding.as_dict() for finding in findings]}
    if not findings:
        report["questions"] = {s: len(module.load(root, s)[1]) for s in module.splits(root)}
    return report

"""Evaluations of our own runs, read from what `musicavqa evaluate --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicavqa.catalog.protocol import benchmark_of
from musicavqa.catalog.schema import COLUMN_OF
from musicavqa.files import parse_json


@dataclass(frozen=True)
class OwnRun:
    """One evaluation: accuracies in percent by column of the catalogue, and what it counted."""

    name: str
    benchmark: str
    """As the file names it under 'set'; empty where it does not."""
    scores: dict[str, float]
    asked: int


def read_all(paths: Sequence[Path]) -> list[OwnRun]:
    """One OwnRun per file, in order; ValueError or FileNotFoundError in one line."""
    return [read(path) for path in paths]


def read(path: Path) -> OwnRun:
    """Read one evaluation. Its name is the title in the file, else the name of the file."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no evaluation {path}. Make one: musicavqa evaluate --json"
        )
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    groups = _groups(content)
    if "overall" not in groups:
        raise ValueError(
            f"{path} is not what `musicavqa evaluate --json` prints: no group 'overall'."
        )
    scores = {}
    for group, column in COLUMN_OF.items():
        accuracy = groups.get(group, {}).get("accuracy")
        if accuracy is None:
            continue
        if not isinstance(accuracy, int | float) or not 0 <= accuracy <= 100:
            raise ValueError(f"{path}: accuracy of {group} is {accuracy!r}, expected 0 to 100.")
        scores[column] = float(accuracy)
    asked = groups["overall"].get("asked")
    if not isinstance(asked, int):
        raise ValueError(f"{path}: 'asked' of the group 'overall' is {asked!r}, expected a count.")
    name = content.get("title")
    return OwnRun(
        name if isinstance(name, str) else path.stem,
        _benchmark(content.get("set")),
        scores,
        asked,
    )


def _benchmark(asked: Any) -> str:
    """The benchmark of the catalogue that 'set/split' is the whole test set of, or ''."""
    benchmark, part = benchmark_of(str(asked or ""))
    return benchmark if part == "overall" else ""


def _groups(content: Any) -> dict[str, dict[str, Any]]:
    """Groups by name, at the top of the file or one level below."""
    if not isinstance(content, dict):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for level in (content, *(value for value in content.values() if isinstance(value, dict))):
        for name, value in level.items():
            if name in COLUMN_OF and isinstance(value, dict):
                found.setdefault(name, value)
    return found

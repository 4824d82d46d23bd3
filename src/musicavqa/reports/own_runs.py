"""Evaluations of our own runs, read from what `musicavqa evaluate --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicavqa.files import parse_json

_COLUMNS = {
    "A-Counting": "a_count",
    "A-Comparative": "a_comp",
    "A": "a_avg",
    "V-Counting": "v_count",
    "V-Location": "v_loc",
    "V": "v_avg",
    "AV-Existential": "av_exist",
    "AV-Counting": "av_count",
    "AV-Location": "av_loc",
    "AV-Comparative": "av_comp",
    "AV-Temporal": "av_temp",
    "AV": "av_avg",
    "overall": "avg",
}


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
    for group, column in _COLUMNS.items():
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
    """The benchmark of the catalogue that 'set/split' is the test set of, or ''."""
    name, _, split = str(asked or "").partition("/")
    part, _, revision = split.partition("@")
    if name != "bandstand" and (part != "test" or revision not in ("", "json", "balance", "bias")):
        return ""
    ending = f"-{revision}" if name == "music_avqa_v2" else ""
    return name.replace("_", "-") + ending


def _groups(content: Any) -> dict[str, dict[str, Any]]:
    """Groups by name, at the top of the file or one level below."""
    if not isinstance(content, dict):
        return {}
    found: dict[str, dict[str, Any]] = {}
    for level in (content, *(value for value in content.values() if isinstance(value, dict))):
        for name, value in level.items():
            if name in _COLUMNS and isinstance(value, dict):
                found.setdefault(name, value)
    return found

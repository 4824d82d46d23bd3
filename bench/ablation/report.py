"""The results as numbers (docs/thesis.json), as tables and as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ablation.design import CELLS, READS_MUSIC, READS_PLACE_OR_TIME, SWITCHES, TITLES
from ablation.effects import Estimate, contrasts, estimate
from musicavqa.records import Question

SUBSETS = {
    "all": lambda q: True,
    "A": lambda q: q.cell.startswith("A-"),
    "V": lambda q: q.cell.startswith("V-"),
    "AV": lambda q: q.cell.startswith("AV-"),
    "asks place or time": lambda q: q.template in READS_PLACE_OR_TIME,
    "asks no place or time": lambda q: q.template not in READS_PLACE_OR_TIME,
    "asks level or rate": lambda q: q.template in READS_MUSIC,
    "asks no level or rate": lambda q: q.template not in READS_MUSIC,
}
"""Which questions of a split are looked at together."""


@dataclass(frozen=True)
class Scored:
    """The questions of a split, and for each way and cell whether they were answered right."""

    questions: Sequence[Question]
    right: Mapping[str, Mapping[str, np.ndarray]]
    """Way -> cell -> (S, N); 'joined' has the cells without music alone."""


def results(about: Mapping[str, Any], splits: Mapping[str, Scored]) -> dict[str, Any]:
    """All numbers, rounded to two digits."""
    return {**about, "splits": {name: _of_split(scored) for name, scored in splits.items()}}


def _of_split(scored: Scored) -> dict[str, Any]:
    cells = scored.right["cells"]
    clips = np.array([question.clip for question in scored.questions])
    return {
        "n_questions": len(clips),
        "n_clips": len(set(clips)),
        "n_of": {
            name: sum(bool(inside(q)) for q in scored.questions) for name, inside in SUBSETS.items()
        },
        "by_seed": {
            name: [round(100 * float(x), 2) for x in right.mean(1)] for name, right in cells.items()
        },
        "cells": _estimates(scored, cells, _single_cells()),
        "effects": _estimates(scored, cells, contrasts()),
        **_other_ways(scored),
    }


def _other_ways(scored: Scored) -> dict[str, Any]:
    """With sight and hearing joined in all cells, and with perfect senses, where it was tried."""
    cells, exact = scored.right["cells"], scored.right.get("exact")
    found: dict[str, Any] = {}
    if "joined" in scored.right:
        right = {**cells, **scored.right["joined"]}
        found["joined"] = _estimates(scored, right, contrasts())
    if exact:
        found["exact_cells"] = _estimates(scored, exact, _single_cells())
        found["exact_effects"] = _estimates(scored, exact, contrasts())
    return found


def _single_cells() -> dict[str, np.ndarray]:
    return {cell.name: np.eye(len(CELLS))[i] for i, cell in enumerate(CELLS)}


def _estimates(
    scored: Scored, right: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]
) -> dict[str, dict[str, list[float]]]:
    """Name -> subset -> [mean, low, high]."""
    correct = np.stack([right[cell.name] for cell in CELLS]).astype(float)  # (8, S, N)
    clips = np.array([question.clip for question in scored.questions])
    found: dict[str, dict[str, list[float]]] = {name: {} for name in weights}
    for subset, inside in SUBSETS.items():
        mask = np.array([bool(inside(question)) for question in scored.questions])
        if not mask.any():
            continue
        for name, weight in weights.items():
            found[name][subset] = _rounded(estimate(correct[..., mask], clips[mask], weight))
    return found


def _rounded(found: Estimate) -> list[float]:
    return [round(x, 2) for x in (found.mean, found.low, found.high)]


def page(results: Mapping[str, Any]) -> str:
    """Tables in Markdown: cells, effects, questions apart, perfect perception, what is lost."""
    splits = results["splits"]
    effects = list(contrasts())
    parts = [
        _table("cell", splits, [cell.name for cell in CELLS], "cells"),
        _table("effect", splits, effects[:7], "effects"),
        _table("against one neighbour", splits, effects[7:], "effects"),
        _table("cell, perfect senses", splits, [cell.name for cell in CELLS], "exact_cells"),
        _table("effect, perfect senses", splits, effects[:7], "exact_effects"),
        _table("effect, sight and hearing joined in all", splits, effects[:7], "joined"),
        _by_subset(splits),
        _perception(results["perception"]["cells"]),
    ]
    return "\n\n".join(part for part in parts if part)


def _table(title: str, splits: Mapping[str, Any], rows: Sequence[str], part: str) -> str:
    splits = {name: split for name, split in splits.items() if part in split}
    if not splits:
        return ""
    lines = [f"| {title} | " + " | ".join(splits) + " |", "|---" * (1 + len(splits)) + "|"]
    for row in rows:
        values = [
            _shown(split[part][row]["all"], signed="cells" not in part) for split in splits.values()
        ]
        lines.append(f"| {_named(row)} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _by_subset(splits: Mapping[str, Any]) -> str:
    """The main effects on parts of the questions of the first split."""
    name, split = next(iter(splits.items()))
    lines = [
        f"| questions of {name} | n | " + " | ".join(TITLES[s] for s in SWITCHES) + " |",
        "|---" * 5 + "|",
    ]
    for subset in split["effects"]["input"]:
        values = [_shown(split["effects"][switch][subset], signed=True) for switch in SWITCHES]
        lines.append(f"| {subset} | {split['n_of'][subset]} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _perception(cells: Mapping[str, Mapping[str, float]]) -> str:
    known = {fact: None for found in cells.values() for fact in found}
    lines = ["| fact, % | " + " | ".join(_named(name) for name in cells) + " |", "|---" * 9 + "|"]
    for fact in known:
        values = [f"{found[fact]:.1f}" if fact in found else "" for found in cells.values()]
        lines.append(f"| {fact} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def _shown(value: Sequence[float], signed: bool) -> str:
    mean, low, high = value
    if signed:
        return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"
    return f"{mean:.1f} ({low:.1f}-{high:.1f})"


def _named(name: str) -> str:
    return name.replace("place_time", TITLES["place_time"]).replace("+", " + ")


def draw(results: Mapping[str, Any], path: Path) -> None:
    """The figure: all cells, and the seven effects, on each split."""
    import matplotlib.pyplot as plt

    splits = results["splits"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), width_ratios=(1, 1.15))
    names = [cell.name for cell in CELLS]
    effects = list(contrasts())[:7]
    _dots(left, splits, names, "cells")
    _dots(right, splits, effects, "effects")
    _marks(right, next(iter(splits.values())), effects)
    right.axvline(0, color="0.6", linewidth=0.8, zorder=0)
    left.set_xlabel("right answers, %")
    right.set_xlabel("points")
    left.set_title("cells", loc="left")
    right.set_title("main effects and interactions", loc="left")
    handles, labels = right.get_legend_handles_labels()
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="lower center", ncols=len(labels))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _dots(axes: Any, splits: Mapping[str, Any], rows: Sequence[str], part: str) -> None:
    for i, (split, found) in enumerate(splits.items()):
        values = np.array([found[part][row]["all"] for row in rows])
        places = np.arange(len(rows)) + 0.16 * (i - (len(splits) - 1) / 2)
        away = np.abs(values[:, 1:] - values[:, :1]).T
        axes.errorbar(values[:, 0], places, xerr=away, fmt="o", markersize=4, label=split)
    axes.set_yticks(range(len(rows)), [_named(row) for row in rows], fontsize=8)
    axes.invert_yaxis()


def _marks(axes: Any, split: Mapping[str, Any], rows: Sequence[str]) -> None:
    """Effects on the first split with perfect senses."""
    means = [split["exact_effects"][row]["all"][0] for row in rows]
    axes.plot(means, range(len(rows)), "x", color="black", markersize=6, label="perfect senses")

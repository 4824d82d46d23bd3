"""What was measured of a method, as parts of its page: does it listen, does its evidence point.

Nothing here is written by hand: docs/zoo.json is what bench/zoo.py found, docs/shortcuts.json what
`musicavqa shortcuts --json` prints, and docs/grounding.json what `musicavqa grounding --json` does.
Of a method in the zoo, the zoo's numbers stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicavqa.files import read_json

DOCS = Path("docs")
_ALIKE = ("set", "questions", "clips")
"""What a record of `shortcuts` says once for all its methods."""


def on_record(folder: Path = DOCS) -> dict[str, Any]:
    """The zoo, with 'shortcuts' and 'grounding' by method, from the files that are there."""
    zoo = _read(folder / "zoo.json", {})
    shortcuts = _badges(_read(folder / "shortcuts.json", {})) | _badges(zoo.get("shortcuts", {}))
    grounding = compact(_read(folder / "grounding.json", [])) | zoo.get("grounding", {})
    return {**zoo, "shortcuts": shortcuts, "grounding": grounding}


def _read(path: Path, nothing: Any) -> Any:
    return read_json(path) if path.exists() else nothing


def _badges(record: Mapping[str, Any]) -> dict[str, Any]:
    """Method -> its part of a record, with what is said of all."""
    facts = {name: record[name] for name in _ALIKE if name in record}
    return {name: {**facts, **found} for name, found in record.get("methods", {}).items()}


def compact(grounded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Method -> axis -> number of questions, and (value, chance, centre) of each measure."""
    found: dict[str, Any] = {}
    for item in grounded:
        if item["measures"]:
            found.setdefault(item["method"], {})[item["axis"]] = {
                "questions": item["n_questions"],
                **{
                    name: [round(row["value"]["mean"], 2), round(row["chance"], 2),
                           round(row["centre"], 2)]
                    for name, row in item["measures"].items()
                },
            }  # fmt: skip
    return found


def listens(name: str, measured: Mapping[str, Any]) -> str:
    """The badge: what could be shown by taking it away; '' for a method that was not run."""
    found = measured.get("shortcuts", {}).get(name)
    if found is None:
        return ""
    rows = ["| | shown | points lost | 95 % interval | with |", "|---|---|---|---|---|"]
    rows += [f"| {claim['name']} | {' | '.join(_claim(claim))} |" for claim in found["claims"]]
    seeds = found["seeds"]
    return (
        f"## Does it listen?\n\nOn {found['set']}, {found['questions']:,} questions about "
        f"{found['clips']:,} clips, {seeds} seed{'' if seeds == 1 else 's'} "
        f"([how](../shortcuts.md)): points lost when it is taken away.\n\n{_lines(rows)}"
    )


def _claim(claim: Mapping[str, Any]) -> tuple[str, ...]:
    drop = claim["drop"]
    if drop is None:
        return "not tried", "", "", claim["why_not"]
    interval = f"{drop['low']:.1f} to {drop['high']:.1f}"
    shown = "**yes**" if claim["shown"] else "not shown"
    return shown, f"{drop['mean']:+.1f}", interval, claim["by"]


def grounded(name: str, measured: Mapping[str, Any]) -> str:
    """Whether its evidence points at what is asked about; '' where it was not measured."""
    found = measured.get("grounding", {}).get(name)
    if found is None:
        return ""
    rows = [
        "| evidence | questions | pointing, % | inside, % | overlap, % |",
        "|---|---|---|---|---|",
    ]
    for axis, told in found.items():
        cells = [
            f"{told[part][0]:.1f} (chance {told[part][1]:.1f}, centre {told[part][2]:.1f})"
            for part in ("pointing", "inside", "overlap")
        ]
        rows.append(f"| {axis} | {told['questions']:,} | {' | '.join(cells)} |")
    return (
        "## Does its evidence point there?\n\nOn rendered clips, whose truth is known "
        f"([how](../grounding.md)).\n\n{_lines(rows)}"
    )


def _lines(rows: Sequence[str]) -> str:
    return "".join(f"{row}\n" for row in rows)

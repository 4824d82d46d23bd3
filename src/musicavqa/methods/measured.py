"""What was measured of a method, as parts of its page: does it listen, does its evidence point.

Nothing here is written by hand: docs/zoo.json and docs/zoo_*.json are what bench/zoo.py found, with
a budget each, docs/shortcuts.json what `musicavqa shortcuts --json` prints, and docs/grounding.json
what `musicavqa grounding --json` does. Where a method is in several, zoo.json stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicavqa.files import read_json

DOCS = Path("docs")


def on_record(folder: Path = DOCS) -> dict[str, Any]:
    """Method -> its numbers in 'studies', 'shortcuts' and 'grounding', from the files there are."""
    found = {
        "studies": {},
        "shortcuts": _badges(_read(folder / "shortcuts.json", {})),
        "grounding": compact(_read(folder / "grounding.json", [])),
    }
    for path in sorted(folder.glob("zoo*.json"), reverse=True):  # zoo.json last, so it stands
        zoo = read_json(path)
        found["studies"] |= _each(zoo, ("first", "questions", "seeds", "budget"))
        found["shortcuts"] |= _badges(zoo.get("shortcuts", {}))
        found["grounding"] |= zoo.get("grounding", {})
    return found


def _read(path: Path, nothing: Any) -> Any:
    return read_json(path) if path.exists() else nothing


def _badges(record: Mapping[str, Any]) -> dict[str, Any]:
    return _each(record, ("set", "questions", "clips"))


def _each(record: Mapping[str, Any], alike: Sequence[str]) -> dict[str, Any]:
    """Method -> its part of a record, with what the record says once for all."""
    facts = {name: record[name] for name in alike if name in record}
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

"""`data list` and `data check`: which sets there are, and whether the files here are intact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.shared import Json, data_app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from types import ModuleType


@data_app.command("list")
def list_sets(as_json: Json = False) -> None:
    """All data sets with their splits and licences."""
    from musicavqa.datasets import dataset, list_datasets

    sets = {name: dataset(name) for name in list_datasets()}
    if as_json:
        say(json.dumps([_about(name, module) for name, module in sets.items()], indent=1))
        return
    for name, module in sets.items():
        splits = ", ".join(getattr(module, "SPLITS", ())) or "any: one per file or folder"
        say(f"{name:14} {_summary(module)}\n{'':14} splits: {splits}\n")


@data_app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="SET", help="A data set: musicavqa data list.")],
    root: Annotated[Path, typer.Argument(help="Folder of the clones, or one clone.")],
    as_json: Json = False,
) -> None:
    """Compare the files of a set with what was published; exit code 1 unless all are intact."""
    from musicavqa.datasets import dataset, sources

    module = dataset(name)
    findings = sources.check(root, module.FILES)
    report = _about(name, module) | {"files": [finding.as_dict() for finding in findings]}
    if not findings:  # nothing was published to compare with: every split must load
        report["questions"] = {s: len(module.load(root, s)[1]) for s in module.splits(root)}
    say(json.dumps(report, indent=1) if as_json else _page(report))
    if any(finding.state != "here" for finding in findings):
        raise typer.Exit(1)


def _page(report: dict[str, Any]) -> str:
    lines = [report["what"], ""]
    for file in report["files"]:
        lines.append(f"{file['state']:8} {file['path'] or file['file']}")
        if file["detail"]:
            lines.append(f"{'':8} {file['detail']}")
        if file["state"] != "here":
            lines.append(f"{'':8} get it: {file['address']}")
    for split, n_questions in report.get("questions", {}).items():
        lines.append(f"here     {split}: {n_questions:,} questions, all readable")
    lines += ["", f"licence: {report['licence']}", f"cite: {report['citation']}"]
    if report["defects"]:
        lines += ["", "known defects:", *(f"- {d['line']}" for d in report["defects"])]
    return "\n".join(lines)


def _about(name: str, module: ModuleType) -> dict[str, Any]:
    return {
        "name": name,
        "what": _summary(module),
        "splits": list(getattr(module, "SPLITS", ())),
        "citation": module.CITATION,
        "licence": module.LICENCE,
        "defects": [
            {"name": item.name, "counts": dict(item.counts), "line": item.line()}
            for item in module.DEFECTS
        ],
    }


def _summary(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0]

"""`data list` and `data check`: which sets there are, and whether the files here are intact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.cli.shared import Json, data_app
from musicavqa.terminal import say


@data_app.command("list")
def list_sets(as_json: Json = False) -> None:
    """All data sets with their splits and licences."""
    from musicavqa.datasets import about_dataset, list_datasets

    sets = [about_dataset(name) for name in list_datasets()]
    if as_json:
        say(json.dumps(sets, indent=1))
        return
    for about in sets:
        splits = ", ".join(about["splits"]) or "any: one per file or folder"
        say(f"{about['name']:14} {about['what']}\n{'':14} splits: {splits}\n")


@data_app.command()
def check(
    name: Annotated[str, typer.Argument(metavar="SET", help="A data set: musicavqa data list.")],
    root: Annotated[Path, typer.Argument(help="Folder of the clones, or one clone.")],
    as_json: Json = False,
) -> None:
    """Compare the files of a set with what was published; exit code 1 unless all are intact."""
    from musicavqa.datasets import check_dataset

    report = check_dataset(name, root)
    say(json.dumps(report, indent=1) if as_json else _page(report))
    if any(file["state"] != "here" for file in report["files"]):
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

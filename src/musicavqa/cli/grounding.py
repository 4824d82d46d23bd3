"""`grounding`: whether the evidence of runs points at what was asked about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.numbers import between, p_value
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import Data, Device, Features, Json, MethodFile, app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.scoring.grounding import Grounded


@app.command()
def grounding(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders; seeds of one method are pooled.")
    ],
    data: Data = Path("bandstand-data"),
    features: Features = "features",
    split: Annotated[str, typer.Option(help="Split of bandstand.")] = "test",
    method_file: MethodFile = None,
    device: Device = "cpu",
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """Score evidence against rendered truth in time and place: pointing, inside, overlap."""
    from musicavqa.reports.tables import render
    from musicavqa.scoring.grounding import grounding_of

    with progress("asking", "runs") as tell:
        found = grounding_of(
            runs, data, features, split,
            method_file=method_file, device=device, progress=tell,
        )  # fmt: skip
    if as_json:
        say(json.dumps([item.as_dict() for item in found], indent=1))
        return
    rows = [row for item in found for row in _rows(item)]
    columns = ("method", "axis", "measure", "%", "95 % interval", "chance", "centre",
               "above chance", "p", "questions", "seeds")  # fmt: skip
    say(render(columns, rows, "markdown" if as_markdown else "aligned"))
    for item in found:
        if item.why_not:
            say(f"{item.method}, {item.axis}: not scored, {item.why_not}.")
    say(
        "p: two-sided t test of the paired difference to chance over clips, uncorrected.",
        error=True,
    )


def _rows(item: Grounded) -> list[dict[str, Any]]:
    return [
        {
            "method": item.method,
            "axis": item.axis,
            "measure": name,
            "%": measure.value.mean,
            "95 % interval": between(measure.value, 1),
            "chance": measure.chance,
            "centre": measure.centre,
            "above chance": f"{measure.above_chance.mean:+.2f}",
            "p": p_value(measure.above_chance.p_value).strip(),
            "questions": item.n_questions,
            "seeds": item.seeds,
        }
        for name, measure in item.measures.items()
    ]

"""`evaluate`: what predictions are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.shared import Data, DropLeaks, Json, SetName, app, told_leaks


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A predictions.<split>.jsonl file.")],
    data: Data = Path("bandstand-data"),
    split: Annotated[str, typer.Option(help="The split that was answered.")] = "test",
    set_name: SetName = "bandstand",
    drop_leaks: DropLeaks = False,
    as_json: Json = False,
) -> None:
    """Accuracy per cell with counts and intervals (bootstrap clustered by video)."""
    from musicavqa import workflow

    with told_leaks():
        report = workflow.evaluate(predictions, data, split, set_name, drop_leaks)
    print(json.dumps(report.as_dict(), indent=1) if as_json else report.table())

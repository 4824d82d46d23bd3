"""`evaluate`: what predictions are worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.shared import Data, Json, app


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A predictions.<split>.jsonl file.")],
    data: Data = Path("bandstand-data"),
    split: Annotated[str, typer.Option(help="The split that was answered.")] = "test",
    as_json: Json = False,
) -> None:
    """Accuracy per cell with counts and intervals (bootstrap clustered by video)."""
    from musicavqa import workflow

    report = workflow.evaluate(predictions, data, split)
    print(json.dumps(report.as_dict(), indent=1) if as_json else report.table())

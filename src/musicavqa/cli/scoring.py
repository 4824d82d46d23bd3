"""`evaluate` and `predictions import`: what predictions are worth, ours or another's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.shared import (
    AnsweredSet,
    AnsweredSplit,
    Data,
    DropLeaks,
    Json,
    app,
    told_counts,
)
from musicavqa.terminal import say

predictions_app = typer.Typer(help="Bring in predictions made elsewhere.", no_args_is_help=True)
app.add_typer(predictions_app, name="predictions")


@app.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="A run folder, or a prediction file.")],
    data: Data = Path("bandstand-data"),
    split: AnsweredSplit = None,
    set_name: AnsweredSet = None,
    drop_leaks: DropLeaks = False,
    scorer: Annotated[
        str | None, typer.Option(help="Read kept texts anew: span, exact or contains_legacy.")
    ] = None,
    only: Annotated[Path | None, typer.Option(help="File of keys: only these count.")] = None,
    as_json: Json = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for spreadsheets.")] = False,
) -> None:
    """Accuracy per cell with counts and intervals (bootstrap clustered by video)."""
    from musicavqa import workflow

    if as_json and as_csv:
        raise ValueError("--json and --csv exclude each other.")
    with told_counts():
        report = workflow.evaluate(predictions, data, split, set_name, drop_leaks, scorer, only)
    if as_csv:
        say(report.csv(), end="")
    else:
        say(json.dumps(report.as_dict(), indent=1) if as_json else report.table())


@predictions_app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="A result file of another program.")],
    set_: Annotated[str, typer.Option("--set", help="The data set that was answered.")],
    root: Annotated[Path, typer.Option(help="Folder of that data set.")],
    split: Annotated[str, typer.Option(help="The split that was answered.")] = "test",
    out: Annotated[Path, typer.Option(help="Where the predictions go.")] = Path(
        "predictions.jsonl"
    ),
    format: Annotated[
        str | None,
        typer.Option(help="tspm, lmms_eval, videollama2, vlmevalkit or plain."),
    ] = None,
    column: Annotated[
        str | None, typer.Option(help="In a plain table: the column of the model's answers.")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option(help="How text is read: span, exact or mcq (docs/scoring.md).")
    ] = None,
    partly: Annotated[
        bool, typer.Option("--partly", help="Count questions without an answer as no media.")
    ] = False,
) -> None:
    """Join a result file to the questions by what both name, and read its texts as answers."""
    from musicavqa.datasets import load_dataset
    from musicavqa.scoring import importers
    from musicavqa.training import runs

    questions = load_dataset(set_, root, split)[1]
    with told_counts():
        imported = importers.import_predictions(file, questions, format, scorer, partly, column)
    runs.write_predictions(out, imported.predictions)
    say(imported.summary(), error=True)
    say(out)

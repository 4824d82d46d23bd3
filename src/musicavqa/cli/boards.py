"""`leaderboard`: runs and prediction files of one's own, in order, beside what was published."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from musicavqa.cli.shared import AnsweredSet, AnsweredSplit, Json, app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.scoring.board_tables import Shown
    from musicavqa.scoring.leaderboard import Leaderboard


@app.command()
def leaderboard(
    places: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]PLACE...", help="Run folders or prediction files, named or not."
        ),
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[SET=]FOLDER", help="Folder of the data, or one for each set."),
    ] = None,
    split: AnsweredSplit = None,
    set_name: AnsweredSet = None,
    train_split: Annotated[str, typer.Option(help="Questions that the priors count.")] = "train",
    training: Annotated[
        str, typer.Option(help="Of lone files: supervised, zero-shot or instruction.")
    ] = "",
    prior: Annotated[
        list[str] | None, typer.Option(help="Name of a system that saw and heard nothing.")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published/--no-published", help="Rows of the catalogue beside ours.")
    ] = True,
    everything: Annotated[
        bool, typer.Option("--all", help="Published rows of protocols that none of ours has, too.")
    ] = False,
    questions: Annotated[
        Path | None, typer.Option(help="CSV to write: every question, and who is right.")
    ] = None,
    only: Annotated[Path | None, typer.Option(help="File of keys: only these count.")] = None,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
    as_json: Json = False,
) -> None:
    """Scores by set and protocol: intervals, differences, hard questions, ranks that change."""
    from musicavqa.scoring import board_tables
    from musicavqa.scoring import leaderboard as boards
    from musicavqa.scoring.entries import named

    if as_json and as_markdown:
        raise ValueError("--json and --markdown exclude each other.")
    folders = {name or "": path for name, path in named([*(data or ["bandstand-data"])])}
    found = boards.leaderboard(
        [*places], folders, set_name, split, train_split=train_split, training=training,
        priors=prior or (), published=published, only=only,
    )  # fmt: skip
    if questions is not None:
        _write_questions(found, questions)
    if as_json:
        say(json.dumps(board_tables.as_json(found), indent=1))
        return
    tables = board_tables.shown(found)
    told = [table for table in tables if everything or not table.aside]
    say("\n\n".join(_text(table, "markdown" if as_markdown else "aligned") for table in told))
    if left := sum(len(table.rows) for table in tables) - sum(len(table.rows) for table in told):
        say(f"{left} published rows have other protocols: --all shows them.", error=True)


def _text(table: Shown, how: Literal["aligned", "markdown"]) -> str:
    from musicavqa.reports.tables import render

    title = f"## {table.title}\n" if how == "markdown" else table.title
    notes = [f"{note}\n" for note in table.notes] if how == "markdown" else table.notes
    return "\n".join([title, render(table.columns, table.rows, how), *([""] if how == "markdown"
                      else []), *notes])  # fmt: skip


def _write_questions(found: Leaderboard, path: Path) -> None:
    """One CSV per board; of several, each with its set in the file's name."""
    from musicavqa.files import file_name, write_text

    boards = [board for board in found.boards if board.per_question is not None]
    if not boards:
        raise ValueError("No system on these boards listens, so there is nothing to tell apart.")
    for board in boards:
        ending = "" if len(found.boards) == 1 else f".{file_name(board.asked.replace('/', '.'))}"
        target = path.with_name(f"{path.stem}{ending}{path.suffix}")
        assert board.per_question is not None
        write_text(target, board.per_question.csv())
        say(f"questions: {target}", error=True)

"""`render`: performances with exact truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import Workers, app
from musicavqa.terminal import say


@app.command()
def render(
    folder: Annotated[Path, typer.Argument(help="Where the clips go.")] = Path("bandstand-data"),
    split: Annotated[str, typer.Option(help="train, val, test, test-timbre, ...")] = "test",
    clips: Annotated[int, typer.Option(min=1, help="How many clips.")] = 10,
    seconds: Annotated[float, typer.Option(min=3.0, help="Length of a clip.")] = 10.0,
    per_template: Annotated[
        int | None, typer.Option(help="At most so many questions each.")
    ] = None,
    workers: Workers = 1,
    sheet: Annotated[
        Path | None, typer.Option(help="Only draw the contact sheet of all instruments here.")
    ] = None,
) -> None:
    """Render performances with exact truth, and the questions about them."""
    if sheet is not None:
        from musicavqa.bandstand.sheet import draw_sheet

        draw_sheet(sheet)
        say(sheet)
        return
    from musicavqa.bandstand.produce import produce

    with progress(f"rendering {split}", "clips") as tell:
        made = produce(
            folder,
            split,
            clips,
            per_template=per_template,
            workers=workers,
            duration_s=seconds,
            progress=tell,
        )
    say(made)

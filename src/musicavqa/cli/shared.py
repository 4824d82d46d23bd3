"""The app that all verbs belong to, the options they share, and the progress bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.terminal import plain, say

app = typer.Typer(
    help="Ask a music performance a question, from its picture and its sound.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Data sets: check, describe and build them.", no_args_is_help=True)
app.add_typer(data_app, name="data")

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Data = Annotated[Path, typer.Option(help="Folder of the data (see docs/datasets.md).")]
SetName = Annotated[str, typer.Option("--set", help="Data set: musicavqa data list.")]
DropLeaks = Annotated[
    bool, typer.Option("--drop-leaks", help="Leave out questions that were trained on.")
]
AnsweredSet = Annotated[
    str | None, typer.Option("--set", help="Data set; default: what the run or the keys say.")
]
AnsweredSplit = Annotated[
    str | None, typer.Option("--split", help="Split; default: test, or what the keys say.")
]
Features = Annotated[
    str, typer.Option(help="Folder of the feature store, or its address (s3://bucket/prefix).")
]
MethodFile = Annotated[
    Path | None,
    typer.Option(help="Your own .py that the checkpoint was trained with; only then it runs."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes to use.")]


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("[progress.description]{task.description}", BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))
    task = bar.add_task(what, total=None)

    def tick(done: int, total: int) -> None:
        bar.start()  # not before there is work: an error message then stands alone
        bar.update(task, completed=done, total=total)

    try:
        yield tick
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def told_counts() -> Iterator[None]:
    """Warnings that count rows, as one line each on stderr."""
    import warnings

    from musicavqa.records import CountedWarning

    with warnings.catch_warnings():
        warnings.simplefilter("always", CountedWarning)
        usual = warnings.showwarning

        def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, CountedWarning):
                say(f"warning: {message}", error=True)
            else:
                usual(message, category, *where, **more)

        warnings.showwarning = show  # catch_warnings puts it back
        yield


def one_line(error: BaseException) -> str:
    """The message of an error on one line."""
    return " ".join(plain(error).split())

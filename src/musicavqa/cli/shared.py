"""The app that all verbs belong to, the options they share, and how they speak."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli import progress
from musicavqa.terminal import plain, say

if TYPE_CHECKING:
    from musicavqa.media import Limits

app = typer.Typer(
    help="Ask a music performance a question, from its picture and its sound.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from musicavqa import __version__

        say(f"musicavqa {__version__}")
        raise typer.Exit


@app.callback()
def _every_verb(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say it and stop."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what libraries say, and whole tracebacks.")
    ] = False,
) -> None:
    """Ask a music performance a question, from its picture and its sound."""
    if quiet and verbose:
        raise typer.BadParameter("Give --quiet or --verbose, not both.")
    progress.shown = not quiet
    if verbose:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
        logging.getLogger("musicavqa").setLevel(logging.DEBUG)


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
Device = Annotated[str, typer.Option(help="Where networks compute: cpu, cuda or cuda:1.")]
RecipeName = Annotated[
    str, typer.Option("--recipe", help="published, default or quick (musicavqa methods show).")
]
OptionsFile = Annotated[
    Path | None,
    typer.Option("--options", help="TOML of options, with [recipe] and [stages.NAME]."),
]
MaxSeconds = Annotated[
    float, typer.Option(min=1.0, help="Read so much of a file at most; what is left out is said.")
]
MaxMemory = Annotated[
    str, typer.Option(help="Of decoded pictures and sound at once, such as 500M or 2G.")
]
MAX_SECONDS, MAX_MEMORY = 14400.0, "1G"
MethodFile = Annotated[
    Path | None,
    typer.Option(help="Your own .py that the checkpoint was trained with; only then it runs."),
]
Workers = Annotated[int, typer.Option(min=1, help="Processes to use.")]
EngineName = Annotated[str, typer.Option(help="local (processes here), or ray (a cluster).")]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster; without it, one is started here.")
]


def set_and_changes(
    settings: Sequence[str], options: Path | None
) -> tuple[str | None, dict[str, Any]]:
    """What `--set` and `--options` say: the data set, and changes to the recipe, by name.

    A setting has an equals sign, the name of a data set has none. Settings overrule the file.
    """
    from musicavqa.methods.recipes import assignments, read_options

    sets = [text for text in settings if "=" not in text]
    if len(sets) > 1:
        raise ValueError(f"--set names {len(sets)} data sets, {' and '.join(sets)}; give one.")
    changes = {} if options is None else read_options(options)
    changes |= assignments(text for text in settings if "=" in text)
    return (sets[0] if sets else None), changes


def limits(max_seconds: float, max_memory: str) -> Limits:
    """What may be read of a file; ValueError for a size that is none."""
    from musicavqa.media import Limits

    text = max_memory.strip().upper().removesuffix("B")
    factor = {"K": 2**10, "M": 2**20, "G": 2**30}.get(text[-1:])
    number = text if factor is None else text[:-1]
    if not number.strip().isascii() or not number.strip().isdigit() or not int(number):
        raise ValueError(f"--max-memory is {max_memory!r}; give a size such as 500M or 2G.")
    return Limits(max_seconds, int(number) * (factor or 1))


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


def tell_first(what: str, lines: Sequence[str], most: int = 3) -> None:
    """How many there are, and the first of them, on stderr; nothing where there are none."""
    if not lines:
        return
    say(f"{what}: {len(lines)}", error=True)
    for line in lines[:most]:
        say(f"  {line}", error=True)
    if len(lines) > most:
        say(f"  and {len(lines) - most} more", error=True)


def one_line(error: BaseException) -> str:
    """The message of an error on one line."""
    return " ".join(plain(error).split())

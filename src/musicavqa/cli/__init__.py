"""The command line: one verb, one command. Results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 the question or the data could not be used, 2 wrong usage. One file holds the
verbs of one errand; importing them costs nothing, as each imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys

from musicavqa.cli import (
    answering,
    builders,
    catalog,
    comparing,
    converting,
    data,
    exchange,
    features,
    rendering,
    robustness,
    scoring,
    teaching,
    training,
)
from musicavqa.cli.extras import what_to_install
from musicavqa.cli.shared import app, one_line
from musicavqa.files import cache_folder

__all__ = [
    "answering",
    "app",
    "builders",
    "catalog",
    "comparing",
    "converting",
    "data",
    "exchange",
    "features",
    "main",
    "rendering",
    "robustness",
    "scoring",
    "teaching",
    "training",
]


def main() -> None:
    """Entry point: errors a user can mend become one line and exit code 1."""
    for stream in (sys.stdout, sys.stderr):  # names may hold what is no text
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    _keep_fonts_in_cache()
    try:
        app()
    except (ValueError, OSError, ImportError) as error:
        told = what_to_install(error) if isinstance(error, ImportError) else None
        print(f"musicavqa: {told or one_line(error)}", file=sys.stderr)
        sys.exit(1)


def _keep_fonts_in_cache() -> None:
    """Let matplotlib keep its list of fonts beside our own files, unless it has a place."""
    try:
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
    except OSError:  # a verb that needs the cache says so itself
        return

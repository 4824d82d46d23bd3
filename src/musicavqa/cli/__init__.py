"""The command line: one verb, one command. Results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 the question or the data could not be used, 2 wrong usage. One file holds the
verbs of one errand; importing them costs nothing, as each imports what it needs when it runs.
"""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper

from musicavqa.cli import (
    answering,
    boards,
    builders,
    catalog,
    comparing,
    converting,
    data,
    exchange,
    features,
    grounding,
    llm,
    llm_teaching,
    methods,
    reading,
    rendering,
    robustness,
    scoring,
    searching,
    serving,
    shortcuts,
    teaching,
    training,
)
from musicavqa.cli.extras import what_to_install
from musicavqa.cli.shared import app, one_line
from musicavqa.files import cache_folder
from musicavqa.terminal import say

__all__ = [
    "answering",
    "app",
    "boards",
    "builders",
    "catalog",
    "comparing",
    "converting",
    "data",
    "exchange",
    "features",
    "grounding",
    "llm",
    "llm_teaching",
    "main",
    "methods",
    "reading",
    "rendering",
    "robustness",
    "scoring",
    "searching",
    "serving",
    "shortcuts",
    "teaching",
    "training",
]


def main() -> None:
    """Entry point: errors a user can mend become one line and exit code 1."""
    for stream in (sys.stdout, sys.stderr):  # names may hold what is no text
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _keep_fonts_in_cache()
    try:
        app()
    except MemoryError as error:
        logging.getLogger(__name__).debug("the error in full", exc_info=True)
        told = one_line(error) or "what is read needs more than this process may take"
        say(f"musicavqa: not enough memory: {told}", error=True)
        sys.exit(1)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        logging.getLogger(__name__).debug("the error in full", exc_info=True)
        missing = what_to_install(error) if isinstance(error, ImportError) else None
        say(f"musicavqa: {missing or one_line(error)}", error=True)
        sys.exit(1)


def _keep_fonts_in_cache() -> None:
    """Let matplotlib keep its list of fonts beside our own files, unless it has a place."""
    try:
        os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))
    except OSError:  # a verb that needs the cache says so itself
        return

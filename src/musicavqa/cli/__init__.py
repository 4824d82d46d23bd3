"""The command line: one verb, one command. Results on stdout, progress and errors on stderr.

Exit codes: 0 done, 1 the question or the data could not be used, 2 wrong usage. One file holds the
verbs of one errand; importing them costs nothing, as each imports what it needs when it runs.
"""

from __future__ import annotations

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
    training,
)
from musicavqa.cli.shared import app, one_line
from musicavqa.terminal import say

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
    "training",
]


def main() -> None:
    """Entry point: errors a user can mend become one line and exit code 1."""
    try:
        app()
    except MemoryError as error:
        told = one_line(error) or "what is read needs more than this process may take"
        say(f"musicavqa: not enough memory: {told}", error=True)
        sys.exit(1)
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        say(f"musicavqa: {one_line(error)}", error=True)
        sys.exit(1)

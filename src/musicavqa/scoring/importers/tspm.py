"""The result file of TSPM (results/TSPM.result), as other official code writes it too.

One line a question, tab separated: question id, True or False, number of the right answer, number
of the answer given. Numbers count the answers in canonical order (`answers.ANSWERS`).
"""

from __future__ import annotations

import re
from pathlib import Path

from musicavqa.answers import ANSWERS
from musicavqa.scoring.importers.given import Given, shorten
from musicavqa.scoring.importers.tables import read_text

_LINE = re.compile(r" *(\d{1,9}) *\t *(True|False) *\t *(\d{1,2}) *\t *(\d{1,2}) *\r?", re.ASCII)


def fits(text: str) -> bool:
    """Whether the first line of the text is a line of such a file."""
    return _LINE.fullmatch(text.split("\n", 1)[0]) is not None


def read(path: Path) -> list[Given]:
    """The lines of the file; a mark that contradicts its two numbers is an error."""
    lines = enumerate(read_text(path).split("\n"), start=1)
    found = [_line(line, number, path) for number, line in lines if line.strip()]
    if not found:
        raise ValueError(f"{path} has no lines.")
    return found


def _line(line: str, number: int, path: Path) -> Given:
    parts = _LINE.fullmatch(line)
    if not parts:
        raise ValueError(
            f"{path}:{number} is {shorten(line)}, not question id, True or False, right answer "
            f"number, given answer number, with tabs between."
        )
    mark, right, given = parts[2] == "True", int(parts[3]), int(parts[4])
    if max(right, given) >= len(ANSWERS):
        raise ValueError(f"{path}:{number} has answer number {max(right, given)}; they end at 41.")
    if mark != (right == given):
        raise ValueError(f"{path}:{number} says {mark} for the answer numbers {right} and {given}.")
    return Given(
        number, None, answer=ANSWERS[given], question_id=int(parts[1]), gold=ANSWERS[right]
    )

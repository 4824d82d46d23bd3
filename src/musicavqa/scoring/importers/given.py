"""One answer as a foreign file gives it, before it is joined to a question."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Given:
    """What one line says: which question, and what was answered. Unknown stays None.

    `index` is the place in the annotation file (from 0), `question` the filled question, `gold` the
    right answer by that file, `options` the choices that were offered, A first.
    """

    line: int
    text: str | None
    """The words of the model; None where it failed."""
    answer: str | None = None
    """One of the 42, for files that hold answer numbers instead of words."""
    key: str | None = None
    index: int | None = None
    question_id: int | None = None
    clip: str | None = None
    question: str | None = None
    gold: str | None = None
    options: tuple[str, ...] = ()


def words(value: Any, column: str) -> str | None:
    """A cell as text: None stays None, numbers lose a needless '.0', lists are refused."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ValueError(f"{column!r} holds {shorten(value)}, which is no text.")


def whole_number(value: Any, column: str) -> int | None:
    """A cell as a whole number of at least 0; blank and None are None, all else is refused."""
    text = (words(value, column) or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ValueError(f"{column!r} holds {shorten(value)}, which is no whole number.")
    return int(text)


def name(value: Any, column: str) -> str | None:
    """A cell that names something: blanks at the ends dropped, nothing left is None."""
    return (words(value, column) or "").strip() or None


def shorten(value: Any, width: int = 60) -> str:
    """The value for a message: on one line and not too long."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 3]}..."

"""What a visitor may use of this machine, and where it is offered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from musicavqa.ask.asking import DEFAULT_CHECKPOINT

MOST_QUESTIONS = 50
"""In one request."""
LONGEST_QUESTION = 500
"""Letters of a question."""
LONGEST_NAME = 120
"""Letters of a file's name that are shown; the rest is cut."""


@dataclass(frozen=True)
class Settings:
    """Limits of the page; ValueError for one that leaves nothing."""

    checkpoint: Path = DEFAULT_CHECKPOINT
    most_bytes: int = 500 * 2**20
    """Of an upload."""
    most_s: float = 600.0
    """Of a file that are read; what lies behind is left out, and said."""
    memory_bytes: int = 2**30
    """Of decoded pictures and sound that are held at once."""
    work_s: float = 300.0
    """That one request may take the worker; then the worker is ended."""
    upload_s: float = 300.0
    """That an upload may take."""
    keep_s: float = 1800.0
    """After the last request about it, a reading is forgotten."""
    waiting: int = 8
    """Requests that may wait, uploads under way among them."""
    names: frozenset[str] = frozenset()
    """Names of this machine that a browser may ask by, besides addresses and localhost."""

    def __post_init__(self) -> None:
        bounds = ("most_bytes", "most_s", "memory_bytes", "work_s", "upload_s", "keep_s", "waiting")
        for name in bounds:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0.")

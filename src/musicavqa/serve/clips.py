"""Files that visitors have sent, and how far each is; each is found by its secret key only."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicavqa.serve.line import Line, Ticket


@dataclass(eq=False)
class Clip:
    """One file on its way: its place in the queue, and what came of it."""

    key: str
    path: Path
    name: str
    ticket: Ticket
    example: bool = False
    asking: Ticket | None = None
    """The last questions put to it."""
    touched: float = field(default_factory=time.monotonic)


class Clips:
    """All clips that somebody may still ask about."""

    def __init__(
        self, folder: Path, line: Line, keep_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.folder, self.line, self.keep_s, self.clock = folder, line, keep_s, clock
        self.clips: dict[str, Clip] = {}

    def new_path(self) -> tuple[str, Path]:
        """A key that nobody can guess, and the place for a file, under a name of our own."""
        key = secrets.token_urlsafe(16)
        return key, self.folder / f"{secrets.token_hex(16)}.bin"

    def add(self, clip: Clip) -> None:
        """Keep it, and let its file go when it was read; a rendered one stays to be watched."""
        self.clips[clip.key] = clip
        if not clip.example:
            clip.ticket.future.add_done_callback(lambda _: clip.path.unlink(missing_ok=True))

    def get(self, key: str) -> Clip | None:
        """The clip of this key, which is used from now on again."""
        self.tidy()
        clip = self.clips.get(key)
        if clip is not None:
            clip.touched = self.clock()
        return clip

    def kept(self, *more: str) -> frozenset[str]:
        """Keys of all readings that are to be held."""
        return frozenset([*self.clips, *more])

    def tidy(self) -> None:
        """Forget what nobody has asked about for long."""
        old = self.clock() - self.keep_s
        for key in [key for key, clip in self.clips.items() if clip.touched < old]:
            self.forget(key)

    def forget(self, key: str) -> None:
        """Nothing is left of the clip: not in the queue, not on the disk."""
        clip = self.clips.pop(key, None)
        if clip is not None:
            self.line.leave(clip.ticket)
            clip.path.unlink(missing_ok=True)

    def state(self, clip: Clip) -> dict[str, Any]:
        """How far it is; `ahead` requests come before it or before what it was asked last."""
        future = clip.ticket.future
        ticket = clip.asking or clip.ticket
        step, done_s, of_s = clip.ticket.told or ("waiting", 0.0, None)
        told: dict[str, Any] = {"ahead": self.line.ahead(ticket), "step": step}
        told |= {"done_s": done_s, "of_s": of_s, "example": clip.example}
        return {**told, "is_done": future.done()}

"""Progress of every verb, on stderr: a line that is rewritten, or in a log a line now and then."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from musicavqa.terminal import plain

EVERY_S = 0.2
"""Between two states of the line on a terminal."""
LINE_S = 10.0
"""Between two lines where stderr is no terminal; what is done sooner says nothing there."""
shown = True
"""False with --quiet."""


class Tell(Protocol):
    """Is told how far the work is."""

    def __call__(self, done: float, total: float | None = None, remark: str = "") -> None:
        """`done` of `total` (None where nobody knows), and what else there is to say."""


@contextmanager
def progress(what: str, unit: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Tell]:
    """Show how far `what` is, in `unit`; the line of a terminal is gone when the block is left."""
    terminal = sys.stderr.isatty()
    first: list[float] = []  # time and state of the first call: what was there before is not work
    told_s = clock() - (EVERY_S if terminal else 0.0)
    drawn = False

    def tell(done: float, total: float | None = None, remark: str = "") -> None:
        nonlocal told_s, drawn
        if not shown:
            return
        if total is not None and done > total:  # a guess, as the length that a file announces
            total = None
        now_s = clock()
        if not first:
            first.extend((now_s, done))
        if done == total == first[1] or now_s - told_s < (EVERY_S if terminal else LINE_S):
            return
        told_s, drawn = now_s, True
        left_s = _left_s(first, now_s, done, total)
        line = plain(_line(what, unit, done, total, left_s, remark))
        if terminal:
            width = shutil.get_terminal_size().columns - 1
            line = f"\r{line[:width]}\x1b[K"
        print(line, end="" if terminal else "\n", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if terminal and drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _left_s(first: list[float], now_s: float, done: float, total: float | None) -> float | None:
    since_s, before = first
    if total is None or done <= before:
        return None
    return (total - done) * (now_s - since_s) / (done - before)


def _line(
    what: str, unit: str, done: float, total: float | None, left_s: float | None, remark: str
) -> str:
    of = "" if total is None else f" of {total:.0f}"
    parts = [f"{what}: {done:.0f}{of} {unit}"]
    if left_s is not None:
        parts.append(f"{duration(left_s)} left")
    return ", ".join([*parts, remark] if remark else parts)


def duration(seconds: float) -> str:
    """Seconds in the unit in which a person would say them."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"

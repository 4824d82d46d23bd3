"""Memory that is used again: a step needs what the step before it has just given back.

The C library returns large pieces to the system and asks for new ones, whose pages the system must
clear when they are first touched. For AVST in batches of 64 that was a third of a step.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_MAX = -1, -4
"""Numbers of the options in glibc's malloc.h."""
USUAL = {TRIM_THRESHOLD: 128 << 10, MMAP_MAX: 65536}
"""Its defaults."""
KEEPING = {TRIM_THRESHOLD: 2**31 - 1, MMAP_MAX: 0}


@contextmanager
def kept_pages() -> Iterator[None]:
    """Keep the memory that is given back while inside; it goes back to the system afterwards.

    Of the whole process. Nothing happens where the C library is not glibc (macOS, Alpine).
    """
    library = _glibc()
    if library is None:
        yield
        return
    _set(library, KEEPING)
    try:
        yield
    finally:
        _set(library, USUAL)
        library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for option, value in values.items():
        library.mallopt(option, value)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

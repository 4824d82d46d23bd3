"""Memory that is used again: a step needs what the step before it has just given back.

The C library returns large pieces to the system and asks for new ones, whose pages the system must
clear when they are first touched. For AVST in batches of 64 that was a third of a step.

torch asks for pieces at multiples of 64 bytes: glibc takes one that is up to 96 bytes larger and
frees what is left at both ends. It keeps such scraps in a cache of the thread (tcache), without
joining them to the piece beside them when that comes back, and the hole is too small for the same
request. Each hole is lost like that until the cache is full (7 of a size), so it is filled first.
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
SCRAPS = range(24, 152, 16)
"""Bytes of the pieces that may be left at the ends of an aligned one."""
CACHED = 32
"""Pieces of a size that fill the cache of a thread (7 in glibc to 2.41, 16 from 2.42)."""


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
    _fill_cache(library)
    try:
        yield
    finally:
        _set(library, USUAL)
        give_back()


def give_back() -> None:
    """Return freed memory to the system now, where the C library is glibc.

    What is freed between pieces that are still in use stays with the process otherwise: over hours
    that are read minute by minute that is gigabytes.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for option, value in values.items():
        library.mallopt(option, value)


def _fill_cache(library: ctypes.CDLL) -> None:
    """Fill this thread's cache of small pieces, so that scraps rejoin what they were cut from."""
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    for piece in [library.malloc(size) for size in SCRAPS for _ in range(CACHED)]:
        library.free(piece)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None

"""Rows that come part by part, and in a long clip are more than should lie in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np

MOST_BYTES = 64 * 2**20
"""A strip with more lies in a temporary file, and is looked at so many bytes at a time."""


class Strip:
    """An array (T, ...) that grows: parts that are joined at the end would all be there twice.

    A temporary file has no name and goes with the strip, or with the process.
    """

    def __init__(self, first: np.ndarray) -> None:
        self.dtype, self._row = first.dtype, first.shape[1:]
        self._n, self._is_own = len(first), False  # the first part is somebody else's
        self._held = first
        self._file: IO[bytes] | None = None
        self._spill()

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> Strip:
        """Of at least one part."""
        rest = iter(parts)
        strip = cls(next(rest))
        for part in rest:
            strip.add(part)
        return strip

    @property
    def shape(self) -> tuple[int, ...]:
        return (self._n, *self._row)

    @property
    def nbytes(self) -> int:
        return self._n * self._row_bytes

    def add(self, part: np.ndarray) -> None:
        """Put `part` behind the rest."""
        self._n += len(part)
        if self._file is not None:
            _write(self._file, part, self.dtype)
            return
        if not self._is_own:
            self._held, self._is_own = np.array(self._held, order="C"), True
        self._held.resize(self.shape, refcheck=False)
        self._held[self._n - len(part) :] = part
        self._spill()

    def parts(self) -> Iterator[np.ndarray]:
        """The rows in order, each part of at most `MOST_BYTES` (or one row)."""
        if self._file is None:
            yield self._held
            return
        step = max(1, MOST_BYTES // self._row_bytes)
        self._file.seek(0)
        for start in range(0, self._n, step):
            n = min(step, self._n - start)
            read = self._file.read(n * self._row_bytes)
            yield np.frombuffer(read, self.dtype).reshape(n, *self._row)

    @property
    def array(self) -> np.ndarray:
        """All of it, in memory."""
        if self._file is None:
            return self._held
        whole = np.empty(self.shape, self.dtype)
        self._file.seek(0)
        self._file.readinto(whole.data)  # type: ignore[attr-defined]
        return whole

    @property
    def _row_bytes(self) -> int:
        return int(np.prod(self._row, dtype=np.int64)) * self.dtype.itemsize

    def _spill(self) -> None:
        if self.nbytes > MOST_BYTES:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 it closes with the strip
            _write(self._file, self._held, self.dtype)
            self._held = self._held[:0].copy()


def _write(file: IO[bytes], part: np.ndarray, dtype: np.dtype) -> None:
    file.seek(0, 2)
    file.write(np.ascontiguousarray(part, dtype).data)

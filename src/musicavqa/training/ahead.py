"""Batches made in a thread while the model works on the one before, and brought to its device."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable, Iterator

import torch

from musicavqa.records import Batch

AHEAD = {"cpu": 1}
"""Batches that wait, by kind of device; more for one that would wait for them."""
AHEAD_OF_GPU = 3
PATIENCE_S = 0.1
"""Between two looks of the thread at whether anybody still waits for its batches."""


def ahead(batches: Iterable[Batch], device: torch.device | str) -> Generator[Batch, None, None]:
    """The same batches in the same order, on `device`.

    For a GPU they are made in pinned memory and copied while it computes. An error in making one
    is raised here; closing the iterator ends the thread.
    """
    kind = torch.device(device).type
    if isinstance(batches, list):  # made already
        yield from (batch.to(device) for batch in batches)
        return
    made = _Made(iter(batches), AHEAD.get(kind, AHEAD_OF_GPU), pinned=kind == "cuda")
    try:
        while (batch := made.next()) is not None:
            yield batch.to(device, non_blocking=kind == "cuda")
    finally:
        made.stop()


class _Made:
    """A thread that makes batches, and those that it has made."""

    def __init__(self, batches: Iterator[Batch], depth: int, pinned: bool) -> None:
        self.batches, self.pinned = batches, pinned
        self.waiting: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._make, name="batches", daemon=True)
        self.thread.start()

    def next(self) -> Batch | None:
        """The next batch, None after the last; what went wrong in making it is raised."""
        found = self.waiting.get()
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        """End the thread, whatever it does; batches that nobody took are gone."""
        self.stopped.set()
        self.thread.join()

    def _make(self) -> None:
        last: BaseException | None = None
        try:
            for batch in self.batches:
                if not self._put(batch.pinned() if self.pinned else batch):
                    return
        except BaseException as error:  # told to whom the batches are for
            last = error
        self._put(last)

    def _put(self, item: Batch | BaseException | None) -> bool:
        """Hand it over; False where nobody wants it any more."""
        while not self.stopped.is_set():
            try:
                self.waiting.put(item, timeout=PATIENCE_S)
            except queue.Full:
                continue
            return True
        return False

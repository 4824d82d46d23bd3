"""One queue before one worker process: positions are told, and what takes too long is ended."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from musicavqa.workers import Killed, Pool, Work


class Full(RuntimeError):
    """There is no place in the queue."""


class Overdue(RuntimeError):
    """The work took longer than it may, and was ended."""


@dataclass(eq=False)
class Ticket:
    """One errand on its way; `future` gets what came of it."""

    errand: Any
    future: Future[dict[str, Any]] = field(default_factory=Future)
    told: tuple[Any, ...] = ()
    """What the worker said last: step, done, total."""
    overdue: bool = False


class Line:
    """A thread that hands one errand after another to a process, which is replaced when it dies."""

    def __init__(self, work: Work, most: int, work_s: float) -> None:
        self.most, self.work_s = most, work_s
        self.waiting: deque[Ticket] = deque()
        self.current: Ticket | None = None
        self.arriving = 0
        self.changed = threading.Condition()
        self.closed = False
        self.pool = Pool(work, 1, self._tell)
        self.thread = threading.Thread(target=self._run, name="line", daemon=True)
        self.thread.start()

    @contextmanager
    def place(self) -> Iterator[Callable[[Any], Ticket]]:
        """Hold a place in the queue, for an upload too; the function given enters it."""
        with self.changed:
            if len(self.waiting) + self.arriving >= self.most:
                raise Full(f"{self.most} requests are waiting already. Try again in a minute.")
            self.arriving += 1
        try:
            yield self._enter
        finally:
            with self.changed:
                self.arriving -= 1

    def _enter(self, errand: Any) -> Ticket:
        ticket = Ticket(errand)
        with self.changed:
            self.waiting.append(ticket)
            self.changed.notify()
        return ticket

    def ahead(self, ticket: Ticket) -> int:
        """How many are before this one: 0 when it is worked on, or done."""
        with self.changed:
            if ticket not in self.waiting:
                return 0
            return self.waiting.index(ticket) + (self.current is not None)

    def leave(self, ticket: Ticket) -> None:
        """Give up a place; what is worked on already is finished, and heard by nobody."""
        with self.changed:
            if ticket in self.waiting:
                self.waiting.remove(ticket)
                ticket.future.cancel()

    def close(self) -> None:
        """End the worker, and cancel all who wait."""
        with self.changed:
            self.closed = True
            for ticket in self.waiting:
                ticket.future.cancel()
            self.waiting.clear()
            self.changed.notify()
        for worker in self.pool.workers:
            worker.process.kill()
        self.thread.join()
        self.pool.close()

    def _run(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting or self.closed)
                if self.closed:
                    return
                self.current = ticket = self.waiting.popleft()
            try:
                ticket.future.set_result(self._work(ticket))
            except Exception as error:  # told to whoever waits for it
                ticket.future.set_exception(error)
            with self.changed:
                self.current = None

    def _work(self, ticket: Ticket) -> dict[str, Any]:
        for _ in range(2):  # a worker may die by no fault of this errand
            timer = threading.Timer(self.work_s, self._end, [ticket])
            timer.start()
            try:
                self.pool.submit(ticket.errand)
                _, came = self.pool.next()
            finally:
                timer.cancel()
            if not isinstance(came, Killed):
                found: dict[str, Any] = came
                return found
            if ticket.overdue:
                raise Overdue(f"It took more than {self.work_s:.0f} s, and was ended.")
            if self.closed:
                break
        raise ChildProcessError(f"The process that read it {came.why} twice.")

    def _end(self, ticket: Ticket) -> None:
        with self.changed:
            if self.current is ticket:
                ticket.overdue = True
                for worker in self.pool.workers:
                    worker.process.kill()

    def _tell(self, *content: Any) -> None:
        if self.current is not None:
            self.current.told = content

"""Worker processes on this machine, each with one thread for numbers.

Every worker has a pipe of its own, so it is known which job a killed worker had; another is started
in its place. A worker ends when its parent does, in the middle of a job too: whatever is written is
complete or absent.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from typing import Any

GRACE_S = 20.0
"""Workers that are told to end have so long to give their claims back."""
Tick = Callable[..., None]
"""Called in the parent with what a job says on its way."""
Work = Callable[[Any, Tick], Any]
"""What a worker does with a job; it can be sent to another process, and so can what it gives."""


class WorkerError(RuntimeError):
    """An error in a worker that cannot be sent as it is; the text has its traceback."""


@dataclass(frozen=True)
class Killed:
    """What came of a job whose worker was killed, or crashed."""

    why: str


@dataclass
class _Worker:
    process: Any
    pipe: connection.Connection
    job: Any = None


class Pool:
    """Workers that are started when there is something to do; `close` ends them all."""

    def __init__(self, work: Work, n_workers: int, tick: Tick) -> None:
        self.work, self.n_workers, self.tick = work, n_workers, tick
        self.workers: list[_Worker] = []

    def has_room(self) -> bool:
        """Whether `submit` finds a worker without a job."""
        return len(self.workers) < self.n_workers or any(w.job is None for w in self.workers)

    def is_busy(self) -> bool:
        """Whether `next` has something to wait for."""
        return any(worker.job is not None for worker in self.workers)

    def submit(self, job: Any) -> None:
        """Give the job to a worker that has none, or to a new one."""
        worker = next((w for w in self.workers if w.job is None), None) or self._start()
        worker.job = job
        with suppress(OSError):  # it died while idle; `next` finds out
            worker.pipe.send(job)

    def next(self) -> tuple[Any, Any]:
        """Listen until a worker ends its job: the job and what came of it, perhaps `Killed`.

        An error that the work raised is raised here.
        """
        while True:
            by_pipe = {w.pipe: w for w in self.workers if w.job is not None}
            for pipe in connection.wait(list(by_pipe)):
                worker = by_pipe[pipe]  # type: ignore[index]
                job = worker.job
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    return job, self._bury(worker)
                if kind == "tick":
                    self.tick(*content)
                    continue
                if kind == "error":
                    raise content
                worker.job = None
                return job, content

    def close(self) -> None:
        """End all workers, in the middle of a job too; those that do not end by themselves also."""
        for worker in self.workers:
            worker.process.terminate()
            worker.pipe.close()
        end = time.monotonic() + GRACE_S
        for worker in self.workers:
            worker.process.join(max(0.0, end - time.monotonic()))
            worker.process.kill()  # its wish to end may be lost in a callback that swallows it
            worker.process.join()

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.work), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(_Worker(process, ours))
        return self.workers[-1]

    def _bury(self, worker: _Worker) -> Killed:
        worker.process.join()
        self.workers.remove(worker)
        worker.pipe.close()
        code = worker.process.exitcode
        return Killed(
            f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended (code {code})"
        )


Lost = Callable[[Any, str], Any]
"""What stands for a job whose worker was killed twice, and why; or it raises."""


def do_all(
    work: Work,
    jobs: Sequence[Any],
    n_workers: int,
    called: Callable[[Any], str],
    lost: Lost | None = None,
) -> Iterator[Any]:
    """What `work` gives for each job, when it is done: here, or by workers if more than one.

    A job whose worker was killed is tried once more; then `lost` says what stands for it, and
    without that ChildProcessError names the job as it is `called`.
    """
    if n_workers <= 1 or len(jobs) < 2:
        for job in jobs:
            yield work(job, _nothing)
        return
    with closing(Pool(work, min(n_workers, len(jobs)), _nothing)) as pool:
        yield from _by_workers(jobs, pool, called, lost)


def _by_workers(
    jobs: Sequence[Any], pool: Pool, called: Callable[[Any], str], lost: Lost | None
) -> Iterator[Any]:
    todo, again = deque(jobs), set()
    while todo or pool.is_busy():
        while todo and pool.has_room():
            pool.submit(todo.popleft())
        job, came = pool.next()
        if not isinstance(came, Killed):
            yield came
        elif called(job) not in again:
            again.add(called(job))
            todo.append(job)
        elif lost is not None:
            yield lost(job, came.why)
        else:
            raise ChildProcessError(
                f"The process that made {called(job)} {came.why} twice. Is there memory for so "
                "many workers? Run again with fewer --workers: what is finished is kept."
            )


def _nothing(*_: object) -> None:
    """Jobs say nothing on their way."""


def use_one_thread() -> None:
    """A worker has one core, for torch and for the numeric libraries."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch if it is imported later
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _serve(pipe: connection.Connection, work: Work) -> None:
    """Do job after job until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that claims are given back
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_one_thread()
    while True:
        try:
            job = pipe.recv()
            pipe.send(_answer(work, job, lambda *content: pipe.send(("tick", content))))
        except (EOFError, ConnectionError):
            return


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # the thread that works cannot be asked to stop


def _answer(work: Work, job: Any, tick: Tick) -> tuple[str, Any]:
    try:
        return "outcome", work(job, tick)
    except ConnectionError:
        raise
    except (ValueError, OSError, ImportError, RuntimeError, MemoryError) as error:
        return "error", error
    except Exception:
        return "error", WorkerError(traceback.format_exc())

"""Worker processes on this machine, each with one thread for numbers and one that decodes ahead.

Every worker has a pipe of its own, so it is known which job a killed worker had; another is started
in its place. A worker whose parent is gone stops at its next clip.
"""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from typing import Any

from musicavqa.features.extraction.claims import FOLDER as CLAIMS
from musicavqa.features.extraction.claims import last_clip
from musicavqa.features.extraction.plan import Died, Job, Outcome
from musicavqa.features.extraction.work import Task, Tick, do, use_one_thread


class WorkerError(RuntimeError):
    """An error in a worker that cannot be sent as it is; the text has its traceback."""


@dataclass
class _Worker:
    process: Any
    pipe: connection.Connection
    job: Job | None = None


@contextmanager
def pool_engine(task: Task, n_workers: int, tick: Tick) -> Iterator[Pool]:
    """Spawned workers that load each named encoder once; all are ended when the block is left."""
    pool = Pool(task, n_workers, tick)
    try:
        yield pool
    finally:
        pool.close()


class Pool:
    """An engine of worker processes; see `engines.Engine`."""

    def __init__(self, task: Task, n_workers: int, tick: Tick) -> None:
        self.task, self.n_workers, self.tick = task, n_workers, tick
        self.workers: list[_Worker] = []

    def has_room(self) -> bool:
        return len(self.workers) < self.n_workers or any(w.job is None for w in self.workers)

    def is_busy(self) -> bool:
        return any(worker.job is not None for worker in self.workers)

    def submit(self, job: Job) -> None:
        """Give the job to a worker that has none, or to a new one."""
        worker = next((w for w in self.workers if w.job is None), None) or self._start()
        worker.job = job
        with suppress(OSError):  # it died while idle; `next` finds out
            worker.pipe.send(job)

    def next(self) -> tuple[Job, Outcome | Died]:
        """Listen until a worker ends its job or dies."""
        while True:
            by_pipe = {w.pipe: w for w in self.workers if w.job is not None}
            for pipe in connection.wait(list(by_pipe)):
                worker = by_pipe[pipe]  # type: ignore[index]
                assert worker.job is not None
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    return worker.job, self._bury(worker, worker.job)
                if kind == "tick":
                    self.tick(*content)
                    continue
                if kind == "error":
                    raise content
                job, worker.job = worker.job, None
                return job, content

    def close(self) -> None:
        """End all workers, in the middle of a job too: a shard is complete or absent."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()

    def _start(self) -> _Worker:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.task), daemon=True)
        process.start()
        theirs.close()
        self.workers.append(_Worker(process, ours))
        return self.workers[-1]

    def _bury(self, worker: _Worker, job: Job) -> Died:
        worker.process.join()
        self.workers.remove(worker)
        worker.pipe.close()
        code = worker.process.exitcode
        why = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended (code {code})"
        return Died(why, last_clip(self.task.folder / CLAIMS, job.group))


def _serve(pipe: connection.Connection, task: Task) -> None:
    """Do job after job until the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that claims are given back
    use_one_thread()
    while True:
        try:
            job: Job = pipe.recv()
            pipe.send(_answer(job, task, lambda *content: pipe.send(("tick", content))))
        except (EOFError, ConnectionError):
            return


def _answer(job: Job, task: Task, tick: Tick) -> tuple[str, Any]:
    try:
        return "outcome", do(job, task, tick)
    except ConnectionError:
        raise
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        return "error", error
    except Exception:
        return "error", WorkerError(traceback.format_exc())

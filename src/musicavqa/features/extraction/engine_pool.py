"""The engine of worker processes on this machine; each loads every named encoder once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from musicavqa.features.extraction.plan import Died, Job, Outcome
from musicavqa.features.extraction.work import Task, Tick, do
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import last_clip
from musicavqa.workers import Killed, Pool


@contextmanager
def pool_engine(task: Task, n_workers: int, tick: Tick) -> Iterator[PoolEngine]:
    """Workers that are all ended when the block is left."""
    pool = PoolEngine(task, n_workers, tick)
    try:
        yield pool
    finally:
        pool.close()


class PoolEngine(Pool):
    """An engine of worker processes; see `engines.Engine`."""

    def __init__(self, task: Task, n_workers: int, tick: Tick) -> None:
        super().__init__(partial(_do, task), n_workers, tick)
        self.task = task

    def next(self) -> tuple[Job, Outcome | Died]:
        """Of a job whose worker was killed also the clip that its claim tells."""
        job, came = super().next()
        if isinstance(came, Killed):
            came = Died(came.why, last_clip(self.task.folder / CLAIMS, job.group))
        return job, came


def _do(task: Task, job: Job, tick: Any) -> Outcome:
    return do(job, task, tick)

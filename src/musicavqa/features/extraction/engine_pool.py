"""The engine of worker processes on this machine; each is sent the work once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from musicavqa.features.extraction.plan import Died, Job, Outcome, Tick, Work, do
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import last_clip
from musicavqa.workers import Killed, Pool


@contextmanager
def pool_engine(work: Work, n_workers: int, tick: Tick) -> Iterator[PoolEngine]:
    """Workers that are all ended when the block is left."""
    pool = PoolEngine(work, n_workers, tick)
    try:
        yield pool
    finally:
        pool.close()


class PoolEngine(Pool):
    """An engine of worker processes; see `engines.Engine`."""

    def __init__(self, work: Work, n_workers: int, tick: Tick) -> None:
        super().__init__(partial(do, work), n_workers, tick)
        self.folder = work.folder

    def next(self) -> tuple[Job, Outcome | Died]:
        """Of a job whose worker was killed also the clip that its claim tells."""
        job, came = super().next()
        if isinstance(came, Killed):
            came = Died(came.why, last_clip(self.folder / CLAIMS, job.group))
        return job, came

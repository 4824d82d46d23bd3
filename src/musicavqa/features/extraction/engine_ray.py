"""Ray tasks on many machines: one job, one task, one core.

Every machine must reach the clips by the paths that this one uses, and the store by the same
address: a shared folder, or an object store. A task whose node is lost runs again elsewhere; its
claim is dead (at once where the process is known to be gone, else after a minute without a sign).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from musicavqa.features.extraction.plan import Died, Job, Outcome, Tick, Work, do
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import last_clip

SUBMITTED_PER_CORE = 2
"""Jobs that wait at the cluster, so that no core is idle while an outcome travels."""


RETRIES = 3
"""Of a task whose worker or node is lost, by Ray; then its clips are read one by one."""


@contextmanager
def ray_engine(work: Work, address: str | None, tick: Tick) -> Iterator[Cluster]:
    """Connect to the cluster at `address` (None: start one on this machine) for the block."""
    try:
        import ray
    except ImportError:
        raise ImportError("The engine 'ray' needs Ray: pip install 'musicavqa[ray]'") from None
    began_here = not ray.is_initialized()
    if began_here:
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        quiet |= {"include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address, **quiet)
        except Exception as error:  # Ray raises plain ones
            told = " ".join(str(error).split())
            where = f"at {address}" if address else "on this machine"
            raise OSError(f"Ray did not begin {where}: {told}") from error
    try:
        yield Cluster(ray, work, tick)
    finally:
        if began_here:
            ray.shutdown()


class Cluster:
    """An engine of Ray tasks; see `engines.Engine`."""

    def __init__(self, ray: Any, work: Work, tick: Tick) -> None:
        self.ray, self.tick = ray, tick
        self.folder, self.work = work.folder, ray.put(work)
        self.remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_do)
        self.waiting: dict[Any, Job] = {}

    def has_room(self) -> bool:
        """More jobs than cores are there; the cluster may grow and shrink."""
        n_cores = self.ray.cluster_resources().get("CPU", 1)
        return len(self.waiting) < max(1, SUBMITTED_PER_CORE * n_cores)

    def is_busy(self) -> bool:
        return bool(self.waiting)

    def submit(self, job: Job) -> None:
        self.waiting[self.remote.remote(job, self.work)] = job

    def next(self) -> tuple[Job, Outcome | Died]:
        """Wait for one task; a lost node is Ray's to mend, an error of the work is raised."""
        (done,), _ = self.ray.wait(list(self.waiting), num_returns=1)
        job = self.waiting.pop(done)
        lost = self.ray.exceptions
        try:
            outcome: Outcome = self.ray.get(done)
        except (lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError) as error:
            why = f"was lost {RETRIES + 1} times ({type(error).__name__})"
            return job, Died(why, last_clip(self.folder / CLAIMS, job.group))
        except lost.RayTaskError as error:
            raise error.cause or error from None
        if outcome.busy is None:
            skipped = {note.clip for note in outcome.skipped}
            for clip in job.clips:
                self.tick("skipped" if clip.id in skipped else "done", clip.id)
        return job, outcome


def _do(job: Job, work: Work) -> Outcome:
    from musicavqa.workers import use_one_thread

    use_one_thread()
    return do(work, job, _say_nothing)


def _say_nothing(what: str, clip: str) -> None:
    """A task tells what it did when it ends."""

"""Where jobs are done: in this process, in worker processes, or as Ray tasks.

An engine takes jobs while it has room and gives back what came of each; what is done with a job is
the `Work` it was opened for. `run` feeds it: a group that somebody else holds is asked for again,
and a claim that stands still is taken over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Protocol

from musicavqa.features.extraction.plan import Died, Job, Note, Outcome, Tick, Work, do
from musicavqa.features.store.claims import expiry_s

ASK_AGAIN_S = 1.0
NAMES = ("local", "ray")


class Engine(Protocol):
    """A place with room for some jobs at once."""

    def has_room(self) -> bool: ...

    def is_busy(self) -> bool: ...

    def submit(self, job: Job) -> None: ...

    def next(self) -> tuple[Job, Outcome | Died]:
        """Wait for one of the submitted jobs; an error of the work is raised."""
        ...


@dataclass
class _Waiting:
    """A group that somebody else holds."""

    job: Job
    seen: str
    since: float
    ask_at: float


def run(jobs: Sequence[Job], engine: Engine, tick: Tick) -> Outcome:
    """Do all jobs; returns when each was done, here or by another run on the same folder."""
    total, todo = Outcome(), deque(jobs)
    held: dict[str, _Waiting] = {}
    while todo or held or engine.is_busy():
        for waiting in held.values():
            if waiting.ask_at <= time.monotonic():
                waiting.ask_at = float("inf")  # until it is asked
                todo.append(_again(waiting))
        while todo and engine.has_room():
            engine.submit(todo.popleft())
        if not engine.is_busy():
            soonest = min(waiting.ask_at for waiting in held.values())
            time.sleep(max(0.0, soonest - time.monotonic()))
            continue
        job, came = engine.next()
        if isinstance(came, Died):
            todo += _after_death(job, came, total, tick)
        elif came.busy is not None:
            held[job.group] = _still_held(held.get(job.group), job, came.busy)
        else:
            held.pop(job.group, None)
            total.add(came)
    return total


def check_engine(name: str, address: str | None) -> None:
    """ValueError for a name that is no engine's, and for an address that it does not take."""
    if name not in NAMES:
        raise ValueError(f"engine is {' or '.join(NAMES)}, not {name!r}.")
    if address is not None and name != "ray":
        raise ValueError(f"address {address!r} is for the engine 'ray'; the local one has none.")


def open_engine(
    name: str, work: Work, workers: int, address: str | None, tick: Tick
) -> AbstractContextManager[Engine]:
    """The engine of this name; `workers` 1 on the local one means this process."""
    if name == "ray":
        from musicavqa.features.extraction.engine_ray import ray_engine

        return ray_engine(work, address, tick)
    if workers > 1:
        from musicavqa.features.extraction.engine_pool import pool_engine

        return pool_engine(work, workers, tick)
    return Here(work, tick)


class Here(AbstractContextManager["Here"]):
    """This process; a job is done when its outcome is asked for."""

    def __init__(self, work: Work, tick: Tick) -> None:
        self.work, self.tick = work, tick
        self.job: Job | None = None

    def __exit__(self, *_: object) -> None:
        self.job = None

    def has_room(self) -> bool:
        return self.job is None

    def is_busy(self) -> bool:
        return self.job is not None

    def submit(self, job: Job) -> None:
        self.job = job

    def next(self) -> tuple[Job, Outcome | Died]:
        assert self.job is not None
        job, self.job = self.job, None
        return job, do(self.work, job, self.tick)


def _still_held(before: _Waiting | None, job: Job, seen: str) -> _Waiting:
    """Note what a claim says now; its time starts anew whenever it says something else."""
    now = time.monotonic()
    since = before.since if before is not None and before.seen == seen else now
    return _Waiting(replace(job, stale=None), seen, since, now + ASK_AGAIN_S)


def _again(waiting: _Waiting) -> Job:
    """The same job; with leave to take the claim over once that has stood still for long."""
    stands_still = time.monotonic() - waiting.since >= expiry_s(waiting.seen)
    return replace(waiting.job, stale=waiting.seen if stands_still else None)


def _after_death(job: Job, death: Died, total: Outcome, tick: Tick) -> list[Job]:
    """Try again carefully; a clip that kills its worker when read alone is skipped."""
    if not job.careful:
        return [replace(job, careful=True, stale=None)]
    if death.clip not in {clip.id for clip in job.clips}:
        raise ChildProcessError(
            f"A worker {death.why} twice before it read a clip (group {job.group}). Is there memory"
            " for so many workers? A script that extracts needs `if __name__ == '__main__':`."
        )
    assert death.clip is not None
    total.skipped.append(Note(death.clip, f"the process that read it {death.why}"))
    tick("skipped", death.clip)
    left = tuple(clip for clip in job.clips if clip.id != death.clip)
    return [replace(job, clips=left)] if left else []

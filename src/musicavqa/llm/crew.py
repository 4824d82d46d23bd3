"""Many workers ask one model: processes here, or Ray tasks on many machines.

The engines are those of extraction, and clips are the units. Who asks about a clip holds its claim
and adds every answer to a file of this clip alone (`parts/`), on the disk before the next question.
The process that began the run takes the parts over into its records. What a worker, a node or a
whole run had answered when it was lost is found by whoever comes next, and not asked again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from musicavqa.features.extraction import Engine
from musicavqa.features.extraction.engines import open_engine, run
from musicavqa.features.extraction.plan import Job, Outcome, Tick
from musicavqa.features.store import Folder
from musicavqa.features.store import folder as place
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import (
    Claim,
    remove_dead,
    waited_for,
)
from musicavqa.files import drop_cut_line, file_name
from musicavqa.llm.contract import Adapter
from musicavqa.llm.running import ErrorsInARow, Setting, Task, Tell, answers
from musicavqa.llm.store import Records, hash_of, read_records
from musicavqa.records import Clip

PARTS, ENDING = "parts", ".jsonl"


@dataclass(frozen=True)
class Crew:
    """Who asks. `device` of the engine is not read: the opener says where the model lies."""

    engine: Engine
    opener: Callable[[], Adapter]
    """Can be sent to another process, and hashed; see `opening.Opener`."""


@dataclass(frozen=True)
class ClipJob(Job):
    """A job of one clip with what is to be asked about it, setting by setting."""

    asked: tuple[tuple[Setting, tuple[Task, ...]], ...] = ()


@dataclass(frozen=True)
class Asking:
    """What all jobs of a run share; a `plan.Work` whose groups are clips."""

    run_folder: Path
    opener: Callable[[], Adapter]

    @property
    def folder(self) -> Folder:
        """Where the claims are."""
        return place(self.run_folder)

    def do_held(self, job: Job, tick: Tick, claim: Claim) -> Outcome:
        """Ask what is not answered yet of a `ClipJob`; errors become records."""
        assert isinstance(job, ClipJob)
        (clip,) = job.clips
        claim.say(clip.id)
        path, adapter = _part(self.run_folder, job.group), _opened(self.opener)
        drop_cut_line(path)
        part = Records(path, claim.check)
        for setting, tasks in job.asked:
            todo = [task for task in tasks if not part.is_done(task.mark)]
            _check_same_model(adapter, todo)
            for record in answers(todo, adapter, setting):
                part.add(record)
        tick("done", clip.id)
        return Outcome(n_written=1)


def ask_by_crew(
    folder: Path,
    asked: Mapping[str, tuple[Setting, Sequence[Task]]],
    crew: Crew,
    records: Records,
    tell: Tell = lambda done, total, remark: None,
) -> None:
    """Put every question that has no answer yet, of all settings, clip by clip.

    ChildProcessError where nothing but errors comes. Questions about a clip whose worker was killed
    twice are errors on record. `folder` is that of the run, reached by all machines.
    """
    jobs = _jobs(asked, records)
    total, left = sum(len(tasks) for _, tasks in asked.values()), sum(map(_n_tasks, jobs))
    done, row = total - left, ErrorsInARow()

    def tick(_: str, clip: str) -> None:
        nonlocal done
        new = _take_over(_part(folder, file_name(clip)), records)
        done += len(new)
        tell(done, total, "")
        for record in new:
            row.count(record)

    tell(done, total, "")
    if not jobs:
        return
    (folder / PARTS).mkdir(exist_ok=True)
    where, work = crew.engine, Asking(folder, crew.opener)
    workers = min(where.workers, len(jobs))
    try:
        with open_engine(where.name, work, workers, where.address, tick) as opened:
            lost = run(jobs, opened, tick).skipped
    finally:
        remove_dead(work.folder / CLAIMS)
        with suppress(OSError):  # not empty: there is more to ask
            (folder / PARTS).rmdir()
    records.add(*_of_lost(jobs, {note.clip: note.text for note in lost}, records))


def take_over_parts(folder: Path, records: Records) -> None:
    """Bring in what a crew that was killed had answered; parts still written are waited for."""
    for path in sorted((folder / PARTS).glob(f"*{ENDING}")):
        with waited_for(place(folder) / CLAIMS, path.name.removesuffix(ENDING)):
            _take_over(path, records)


def _take_over(path: Path, records: Records) -> list[dict[str, Any]]:
    """Add what a part holds and records lack, then remove it; what was added."""
    drop_cut_line(path)
    new = [record for record in read_records(path) if not records.is_done(record["mark"])]
    if new:
        records.add(*new)
    path.unlink(missing_ok=True)
    return new


def _jobs(asked: Mapping[str, tuple[Setting, Sequence[Task]]], records: Records) -> list[ClipJob]:
    """One for each clip about which there is something left to ask."""
    found: dict[str, list[tuple[Setting, tuple[Task, ...]]]] = defaultdict(list)
    for setting, tasks in asked.values():
        todo: dict[str, list[Task]] = defaultdict(list)
        for task in tasks:
            if not records.is_done(task.mark):
                todo[task.question.clip].append(task)
        for clip, some in todo.items():
            found[clip].append((setting, tuple(some)))
    return [
        ClipJob(file_name(clip), (Clip(clip, None, 0.0),), asked=tuple(some))
        for clip, some in found.items()
    ]


def _n_tasks(job: ClipJob) -> int:
    return sum(len(tasks) for _, tasks in job.asked)


def _of_lost(
    jobs: Sequence[ClipJob], lost: Mapping[str, str], records: Records
) -> list[dict[str, Any]]:
    """Errors for what was left to ask about clips whose workers were killed, and why."""
    return [
        task.failed("model", lost[clip.id])
        for job in jobs
        for clip in job.clips
        if clip.id in lost
        for _, tasks in job.asked
        for task in tasks
        if not records.is_done(task.mark)
    ]


def _part(folder: Path, group: str) -> Path:
    return folder / PARTS / f"{group}{ENDING}"


@lru_cache(maxsize=1)
def _opened(opener: Callable[[], Adapter]) -> Adapter:
    return opener()


def _check_same_model(adapter: Adapter, tasks: Sequence[Task]) -> None:
    """ValueError where a worker opened another model than the run is of."""
    found = hash_of(adapter.identity())
    if any(task.source.model != found for task in tasks):
        raise ValueError(
            f"A worker opened another model than this process did ({adapter.identity()['model']}). "
            "Every machine needs the same weights under the same path."
        )

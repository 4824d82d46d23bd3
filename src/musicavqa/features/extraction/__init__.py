"""Encode many clips: each is decoded once for all encoders, and a killed run goes on.

Clips are dealt to groups by their ids. Who does a group (a worker here or on another machine, of
this run or of another) holds its claim, writes one shard or more per encoder, and gives the claim
back. Groups depend on the ids only, so any number of workers gives the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.features.extraction.encoding import (
    Encoder,
    describe,
    encode_media,
    get_weights,
    specs,
)
from musicavqa.features.extraction.engines import check_engine, open_engine, run
from musicavqa.features.extraction.plan import Job, Note, Outcome, check_clips, check_sources, jobs
from musicavqa.features.extraction.work import Task
from musicavqa.features.store import Folder, Writer, folder
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import remove_dead, waited_for
from musicavqa.media import LIMITS, Limits
from musicavqa.records import Clip

__all__ = ["Encoder", "Engine", "Note", "Progress", "Report", "describe", "encode_media", "extract"]


@dataclass(frozen=True)
class Report:
    """What an extraction did; n_written and n_present count (clip, encoder) pairs."""

    folders: dict[str, Folder]
    n_written: int
    n_present: int
    """Written before, or by another run meanwhile."""
    skipped: list[Note]
    """Clips that could not be read, and why; also in each manifest."""
    notes: list[Note]
    """What is unusual about clips read in this run: cut short, damaged, silent, without a sense
    (its rows are zeros) and the like; also in each manifest."""


@dataclass(frozen=True)
class Progress:
    """How far an extraction is, in clips."""

    n_done: int
    """Including skipped ones and those that were there before."""
    n_clips: int
    n_skipped: int
    n_before: int
    """There before this run began."""


@dataclass(frozen=True)
class Engine:
    """Where the work is done: on this machine (`workers` processes), or on a Ray cluster."""

    name: str = "local"
    workers: int = 1
    address: str | None = None
    device: str = "cpu"
    """Of networks: cpu, cuda or cuda:1; each worker has a copy of them there."""

    def __post_init__(self) -> None:
        check_engine(self.name, self.address)


def extract(
    clips: Sequence[Clip],
    encoders: Sequence[str | Encoder],
    root: Folder | Path | str,
    set_name: str,
    engine: Engine | int = 1,
    progress: Callable[[Progress], None] | None = None,
    limits: Limits = LIMITS,
) -> Report:
    """Encode `clips` into <root>/<set>/<encoder>-<hash8>/ and say what was skipped and why.

    A clip that cannot be read is recorded and tried again by the next run; an error inside an
    encoder stops the run. FeatureError where a clip's file is another one than its stored rows were
    made of. `engine` may be a number of workers. Any number of runs may write to one
    root at once. `progress` is called after each clip.
    """
    engine = Engine(workers=engine) if isinstance(engine, int) else engine
    check_clips(clips)
    place = folder(root) / set_name
    cards = specs(encoders)
    get_weights(cards.values())
    facts = {name: describe(spec) for name, spec in cards.items()}
    writers = {name: Writer(place / fact.folder_name, fact) for name, fact in facts.items()}
    order = {clip.id: index for index, clip in enumerate(clips)}
    check_sources(clips, [writer.sources for writer in writers.values()], place)
    present = {name: writer.done() & set(order) for name, writer in writers.items()}
    todo = jobs(clips, present)
    counter = _Counter(len(clips), sum(len(job.clips) for job in todo), progress)
    task = Task(place, tuple(encoders), engine.device, limits)
    total = Outcome()
    try:
        if todo:
            workers = min(engine.workers, len(todo))
            with open_engine(engine.name, task, workers, engine.address, counter.tick) as opened:
                total = run(todo, opened, counter.tick)
    finally:  # workers that were killed, or ended for an error elsewhere, may have left claims
        remove_dead(place / CLAIMS)
    total.n_present += _pairs_outside(todo, present)
    for notes in (total.skipped, total.notes):
        notes.sort(key=lambda note: order[note.clip])
    _close(writers, place, {note.clip: note.text for note in total.skipped})
    folders = {name: writer.folder for name, writer in writers.items()}
    return Report(folders, total.n_written, total.n_present, total.skipped, total.notes)


def _pairs_outside(todo: Sequence[Job], present: Mapping[str, set[str]]) -> int:
    """Pairs of clips that no job looks at again, as every encoder has them."""
    inside = {clip.id for job in todo for clip in job.clips}
    return sum(len(there - inside) for there in present.values())


def _close(writers: Mapping[str, Writer], place: Folder, skipped: Mapping[str, str]) -> None:
    """Write the manifests; one run at a time, as each keeps what the others skipped."""
    with waited_for(place / CLAIMS, "manifest"):
        for writer in writers.values():
            writer.close(skipped)


class _Counter:
    """Counts clips for `progress`."""

    def __init__(
        self, n_clips: int, n_todo: int, progress: Callable[[Progress], None] | None
    ) -> None:
        self.n_clips, self.n_before, self.progress = n_clips, n_clips - n_todo, progress
        self.done: set[str] = set()
        self.skipped: set[str] = set()
        self._tell()

    def tick(self, what: str, clip: str) -> None:
        """A clip is done or skipped; one that is done again after a worker died counts once."""
        self.done.add(clip)
        if what == "skipped":
            self.skipped.add(clip)
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            n_done = self.n_before + len(self.done)
            self.progress(Progress(n_done, self.n_clips, len(self.skipped), self.n_before))

"""What is to be done: clips dealt to groups, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from musicavqa.features.store import FeatureError, Folder
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import Busy, Claim, ClaimLostError, held
from musicavqa.features.store.shards import group_of
from musicavqa.files import mark_of
from musicavqa.records import Clip

Tick = Callable[[str, str], None]
"""Called with 'done' or 'skipped' and the id of a clip."""


@dataclass(frozen=True)
class Note:
    """Something about one clip that a person should know."""

    clip: str
    text: str


@dataclass(frozen=True)
class Job:
    """The clips of one group, in the order of the list; whoever does it holds the group's claim."""

    group: str
    clips: tuple[Clip, ...]
    stale: str | None = None
    """What a claim says that has stood still too long: it may be taken over."""
    careful: bool = False
    """Read no clip ahead, so that a process that dies names the clip it died of."""


@dataclass
class Outcome:
    """What came of one job, or of all."""

    n_written: int = 0
    n_present: int = 0
    skipped: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    busy: str | None = None
    """Nothing was done: somebody else holds the group, whose claim says this."""

    def add(self, other: Outcome) -> None:
        """Count another outcome in."""
        self.n_written += other.n_written
        self.n_present += other.n_present
        self.skipped += other.skipped
        self.notes += other.notes


@dataclass(frozen=True)
class Died:
    """A worker that was killed, or crashed, during a job."""

    why: str
    clip: str | None
    """The clip it died of, where that is known."""


class Work(Protocol):
    """What is done with the clips of every job of a run; it is sent to the workers."""

    @property
    def folder(self) -> Folder:
        """Where the claims of the groups are."""

    def do_held(self, job: Job, tick: Tick, claim: Claim) -> Outcome:
        """Do what is left of a job whose group is claimed; see `do`."""
        ...


def do(work: Work, job: Job, tick: Tick) -> Outcome:
    """Hold the claim of the job's group and do what of it is not done yet; else it is busy."""
    with held(work.folder / CLAIMS, job.group, job.stale) as claim:
        if isinstance(claim, Busy):
            return Outcome(busy=claim.seen)
        try:
            return work.do_held(job, tick, claim)
        except ClaimLostError:
            return Outcome(busy="taken over")


def check_clips(clips: Sequence[Clip]) -> None:
    """Refuse a list that names a clip twice."""
    seen: set[str] = set()
    for clip in clips:
        if clip.id in seen:
            raise ValueError(f"Clip {clip.id!r} is listed twice. Give each clip once.")
        seen.add(clip.id)


def check_sources(
    clips: Sequence[Clip], sources: Sequence[Mapping[str, str]], place: Folder
) -> None:
    """Refuse clips whose file is not the one that rows in `place` were made of.

    `sources` has a mapping for each stream: clip id to the mark of its file. Files that are gone
    are not looked for: their rows are all that is left.
    """
    changed = []
    for clip in clips:
        noted = {found[clip.id] for found in sources if clip.id in found}
        now = mark_of(clip.path) if noted and clip.path is not None else None
        if now is not None and noted != {now}:
            changed.append(f"{clip.id} ({clip.path})")
    if changed:
        raise FeatureError(
            f"{len(changed)} of {len(clips)} videos are not those that {place} was made of (first: "
            f"{changed[0]}). Give another --name or --out, or delete that folder."
        )


def jobs(clips: Sequence[Clip], done: Mapping[str, set[str]]) -> list[Job]:
    """One job for each group with a clip that some encoder lacks; `done` is by encoder name.

    A clip's group depends on its id alone, so any list and any number of workers give the same
    shards (as long as the list has the same clips in the same order).
    """
    groups: dict[str, list[Clip]] = {}
    for clip in clips:
        if any(clip.id not in there for there in done.values()):
            groups.setdefault(group_of(clip.id), []).append(replace(clip, scene=None))
    return [Job(group, tuple(members)) for group, members in groups.items()]

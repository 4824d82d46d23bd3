"""Encode many clips: each is decoded once for all encoders, and a killed run goes on.

The clips are cut into jobs of consecutive clips. A job writes one shard per encoder, and jobs
depend on the list of clips only, so any number of workers gives the same files.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from musicavqa.media import SOUND, Media, MediaError, Pictures, read
from musicavqa.records import Clip
from musicavqa.store import SHARD_CLIPS, Description, Writer

if TYPE_CHECKING:
    from musicavqa.encoders.spec import Spec

N_JOBS = 32  # at least, where there are so many clips: work for many workers, little lost if killed


class Encoder(Protocol):
    """A frozen network or signal transform: one row per second of `media`."""

    @property
    def spec(self) -> Spec: ...

    def encode(self, media: Media) -> np.ndarray: ...


@dataclass(frozen=True)
class Note:
    """Something about one clip that a person should know."""

    clip: str
    text: str


@dataclass(frozen=True)
class Report:
    """What an extraction did; n_written and n_present count (clip, encoder) pairs."""

    folders: dict[str, Path]
    n_written: int
    n_present: int
    skipped: list[Note]
    """Clips that could not be read, and why; also in each manifest."""
    notes: list[Note]
    """Clips read in this run whose file is cut short or lacks a sense (its rows are zeros)."""


@dataclass(frozen=True)
class _Job:
    """Consecutive clips, and for each clip the names of the encoders that still lack it."""

    clips: list[tuple[Clip, list[str]]]


@dataclass
class _Outcome:
    n_written: int = 0
    skipped: list[Note] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def add(self, other: _Outcome) -> None:
        self.n_written += other.n_written
        self.skipped += other.skipped
        self.notes += other.notes


def extract(
    clips: Sequence[Clip],
    encoders: Sequence[str | Encoder],
    root: Path,
    set_name: str,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Encode `clips` into <root>/<set>/<encoder>-<hash8>/ and say what was skipped and why.

    A clip that cannot be read is recorded and tried again by the next run; an error inside an
    encoder stops the run. `progress(n_clips_done, n_clips)` is called after each job. One run at a
    time may write to a folder.
    """
    loaded = _load(encoders)
    _check_clips(clips)
    writers = {
        name: Writer(Path(root) / set_name / describe(encoder).folder_name, describe(encoder))
        for name, encoder in loaded.items()
    }
    folders = {name: writer.folder for name, writer in writers.items()}
    order = {clip.id: index for index, clip in enumerate(clips)}
    present = {name: writer.done() & set(order) for name, writer in writers.items()}
    jobs = _jobs(clips, present)
    total, n_done = _Outcome(), len(clips) - sum(len(job.clips) for job in jobs)
    for job, outcome in _run(jobs, encoders, folders, workers):
        total.add(outcome)
        n_done += len(job.clips)
        if progress is not None:
            progress(n_done, len(clips))
    for notes in (total.skipped, total.notes):
        notes.sort(key=lambda note: order[note.clip])
    for name, writer in writers.items():
        lacking = [note for note in total.skipped if note.clip not in present[name]]
        writer.close({note.clip: note.text for note in lacking})
    n_present = sum(map(len, present.values()))
    return Report(folders, total.n_written, n_present, total.skipped, total.notes)


def encode_media(media: Media, encoders: Sequence[str | Encoder]) -> dict[str, np.ndarray]:
    """Rows by encoder name for one clip in memory; a missing sense gives zeros."""
    return {name: encoder.encode(media) for name, encoder in _load(encoders).items()}


def describe(encoder: Encoder) -> Description:
    """The store's description of an encoder, with the sha256 of its weights."""
    from musicavqa.encoders.weights import digest

    spec = encoder.spec
    return Description(
        encoder=spec.name,
        hash8=spec.hash8,
        shape=spec.shape,
        rate_hz=spec.rate_hz,
        dtype=spec.dtype,
        weights={name: digest(name) for name in spec.weights},
    )


def _load(encoders: Sequence[str | Encoder]) -> dict[str, Encoder]:
    """Encoders by name; objects pass through."""
    loaded = [_load_named(item) if isinstance(item, str) else item for item in encoders]
    by_name: dict[str, Encoder] = {encoder.spec.name: encoder for encoder in loaded}
    if len(by_name) < len(loaded):
        raise ValueError(f"An encoder is named twice: {[e.spec.name for e in loaded]}.")
    for name, encoder in by_name.items():
        if not encoder.spec.reads:
            raise ValueError(f"{name!r} reads no media; it is an encoder of questions.")
    return by_name


@cache
def _load_named(name: str) -> Encoder:
    from musicavqa.encoders import load_encoder

    return load_encoder(name)


def _check_clips(clips: Sequence[Clip]) -> None:
    ids = [clip.id for clip in clips]
    if len(set(ids)) < len(ids):
        twice = next(clip_id for index, clip_id in enumerate(ids) if clip_id in ids[:index])
        raise ValueError(f"Clip {twice!r} is listed twice. Give each clip once.")


def _jobs(clips: Sequence[Clip], done: Mapping[str, set[str]]) -> list[_Job]:
    """Cut all clips into jobs first and drop what is done then, so that shards come out equal."""
    n_clips = min(SHARD_CLIPS, max(1, -(-len(clips) // N_JOBS)))
    jobs = []
    for start in range(0, len(clips), n_clips):
        todo = [
            (replace(clip, scene=None), [name for name in done if clip.id not in done[name]])
            for clip in clips[start : start + n_clips]
        ]
        todo = [(clip, names) for clip, names in todo if names]
        if todo:
            jobs.append(_Job(todo))
    return jobs


def _run(
    jobs: list[_Job], encoders: Sequence[str | Encoder], folders: dict[str, Path], workers: int
) -> Iterator[tuple[_Job, _Outcome]]:
    """Do the jobs here, or in spawned workers that load each named encoder once."""
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            yield job, _do(job, encoders, folders, n_threads=0)
        return
    n_workers = min(workers, len(jobs))
    pool = ProcessPoolExecutor(n_workers, get_context("spawn"), _use_one_thread)
    try:
        waiting = {pool.submit(_do, job, list(encoders), folders, 1): job for job in jobs}
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _use_one_thread() -> None:
    """A worker has one core, for torch and for the numeric libraries."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch if it is imported later
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _do(
    job: _Job, encoders: Sequence[str | Encoder], folders: dict[str, Path], n_threads: int
) -> _Outcome:
    """Decode and encode the clips of one job and write its shards."""
    outcome, loaded = _Outcome(), _load(encoders)
    wanted = {name for _, names in job.clips for name in names}
    writers = {name: Writer(folders[name], describe(loaded[name])) for name in wanted}
    for clip, names in job.clips:
        chosen = [loaded[name] for name in names]
        try:
            media = _read(clip, chosen, n_threads)
        except MediaError as error:
            outcome.skipped.append(Note(clip.id, str(error)))
            continue
        for name, rows in encode_media(media, chosen).items():
            writers[name].add(clip.id, rows)
            outcome.n_written += 1
        outcome.notes += [Note(clip.id, text) for text in _remarks(media, chosen)]
    for writer in writers.values():
        writer.flush()
    return outcome


def _read(clip: Clip, encoders: Sequence[Encoder], n_threads: int) -> Media:
    """Decode what the encoders ask for; sound always (it is cheap), so lengths never differ."""
    if clip.path is None:
        raise MediaError(f"Clip {clip.id!r} has no media file. Render or fetch it first.")
    wanted = [SOUND, *(item for encoder in encoders for item in encoder.spec.reads)]
    return read(clip.path, wanted, require="any", n_threads=n_threads)


def _remarks(media: Media, encoders: Sequence[Encoder]) -> list[str]:
    """What is wrong with a clip that could be read all the same."""
    remarks = [f"the file is cut short: {media.duration_s:.1f} s"] if media.truncated else []
    for encoder in encoders:
        for item in encoder.spec.reads:
            if media[item] is None:
                sense = "picture" if isinstance(item, Pictures) else "sound"
                remarks.append(f"no {sense}: {encoder.spec.name} rows are zeros")
    return remarks

"""Do one job: decode its clips ahead, piece by piece, encode them, write its shards."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from musicavqa.features.extraction.encoding import (
    Encoder,
    describe,
    encode_clips,
    load_all,
    remarks,
    with_one_blas_thread,
)
from musicavqa.features.extraction.pieces import Growing, decode
from musicavqa.features.extraction.plan import Job, Note, Outcome, Tick
from musicavqa.features.store import Folder, Writer
from musicavqa.features.store.claims import Claim
from musicavqa.files import mark_of
from musicavqa.media import LIMITS, Limits, MediaError, Piece
from musicavqa.records import Clip

AHEAD = 2
"""Pieces that are decoded before they are encoded."""
BATCH_PICTURES, BATCH_BYTES = 64, 64 * 2**20
"""Encoders that take pictures of several clips at once get at least so many, if there are, unless
what is decoded for them takes more memory than this."""


@dataclass(frozen=True)
class Task:
    """What all jobs of an extraction share; a `plan.Work`."""

    folder: Folder
    """Of the set: <root>/<set>."""
    encoders: tuple[str | Encoder, ...]
    device: str = "cpu"
    limits: Limits = LIMITS

    def do_held(self, job: Job, tick: Tick, claim: Claim) -> Outcome:
        """A clip that cannot be read is skipped with its reason; an encoder's error is raised."""
        return _do_held(job, self, tick, claim)


@dataclass
class _Ready:
    """A decoded piece of a clip, and the encoders that lack it."""

    clip: Clip
    chosen: list[Encoder]
    piece: Piece
    growing: Growing


@with_one_blas_thread
def _do_held(job: Job, task: Task, tick: Tick, claim: Claim) -> Outcome:
    loaded, outcome = load_all(task.encoders, task.device), Outcome()
    writers = {
        name: Writer(
            task.folder / describe(encoder.spec).folder_name,
            describe(encoder.spec),
            group=job.group,
            before_writing=claim.check,
        )
        for name, encoder in sorted(loaded.items(), key=_needs_whole_clip)
    }
    lacking = _lacking(job.clips, writers)
    outcome.n_present = sum(len(loaded) - len(names) for names in lacking.values())
    for clip in job.clips:
        if not lacking[clip.id]:
            tick("done", clip.id)
    todo = [(c, [loaded[n] for n in lacking[c.id]]) for c in job.clips if lacking[c.id]]
    with _opened(todo, task.limits, claim.say if job.careful else None) as found:
        for batch in _batches(found, outcome, tick, 0 if job.careful else BATCH_PICTURES):
            _encode(batch, writers, outcome, tick)
    for writer in writers.values():
        writer.flush()
    return outcome


def _needs_whole_clip(named: tuple[str, Encoder]) -> bool:
    """Those that do come last: until then the rows of the others are written, and gone."""
    return named[1].spec.sees_s is None


def _lacking(clips: Sequence[Clip], writers: dict[str, Writer]) -> dict[str, list[str]]:
    """Encoders that lack each clip, now that nobody else may write them."""
    stored = {name: writer.done() for name, writer in writers.items()}
    return {clip.id: [n for n, there in stored.items() if clip.id not in there] for clip in clips}


def _opened(
    todo: Sequence[tuple[Clip, list[Encoder]]], limits: Limits, say: Callable[[str], None] | None
) -> AbstractContextManager[Iterator[_Ready | Note]]:
    """The pieces decoded, ahead of their use; one by one where `say` is told of each clip."""
    found = _decoded(todo, limits, say)
    return nullcontext(found) if say is not None or len(todo) < 2 else _ahead(found, AHEAD)


def _decoded(
    todo: Sequence[tuple[Clip, list[Encoder]]], limits: Limits, say: Callable[[str], None] | None
) -> Iterator[_Ready | Note]:
    """Each clip decoded for the encoders that lack it, or, perhaps half-way, why it cannot be."""
    for clip, chosen in todo:
        if say is not None:
            say(clip.id)
        growing = Growing(chosen, mark_of(clip.path) if clip.path else None)
        try:
            for piece in decode(clip, chosen, limits=limits):
                yield _Ready(clip, chosen, piece, growing)
        except MediaError as error:
            yield Note(clip.id, str(error))


@contextmanager
def _ahead(items: Iterator[_Ready | Note], n: int) -> Iterator[Iterator[_Ready | Note]]:
    """The same items, made by a thread that is at most `n` ahead; its errors come out here."""
    made: queue.Queue[Any] = queue.Queue(n - 1)  # one more waits in the thread's hands
    stopped = threading.Event()

    def put(item: Any) -> bool:
        while not stopped.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        try:
            for item in items:
                if not put(item):
                    return
            put(None)
        except BaseException as error:  # whatever it is, it is raised where the items are used
            put(error)

    def take() -> Iterator[_Ready | Note]:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        yield take()
    finally:
        stopped.set()
        thread.join()


def _batches(
    found: Iterator[_Ready | Note], outcome: Outcome, tick: Tick, n_pictures: int
) -> Iterator[list[_Ready]]:
    """Pieces to encode at once: as many as make `n_pictures`; what is unreadable is noted."""
    batch: list[_Ready] = []
    for item in found:
        if isinstance(item, Note):
            outcome.skipped.append(item)
            tick("skipped", item.clip)
            batch = [ready for ready in batch if ready.clip.id != item.clip]
            continue
        batch.append(item)
        n_bytes = sum(ready.piece.media.n_bytes for ready in batch)
        if sum(map(_n_pictures, batch)) >= n_pictures or n_bytes >= BATCH_BYTES:
            yield batch
            batch = []
    if batch:
        yield batch


def _n_pictures(ready: _Ready) -> int:
    """Pictures of a piece for the encoder that asks for fewest of them at once."""
    media = ready.piece.media
    counts = [
        len(pictures[:: encoder.spec.every_s])
        for encoder in ready.chosen
        if hasattr(encoder, "picture_rows")
        and (pictures := media[encoder.spec.reads[0]]) is not None
    ]
    return min(counts, default=BATCH_PICTURES)


def _encode(
    batch: Sequence[_Ready], writers: dict[str, Writer], outcome: Outcome, tick: Tick
) -> None:
    """Rows of all pieces of the batch, encoder by encoder; those of whole clips are written."""
    for ready in batch:
        ready.growing.look(ready.piece)
    for name, writer in writers.items():
        shown = [
            (ready, encoder, media)
            for ready in batch
            for encoder in ready.chosen
            if encoder.spec.name == name
            and (media := ready.growing.shown(encoder.spec, ready.piece)) is not None
        ]
        if not shown:
            continue
        found = encode_clips(shown[0][1], [media for _, _, media in shown])
        for (ready, encoder, _), rows in zip(shown, found, strict=True):
            ready.growing.add(encoder.spec, ready.piece, rows)
            if ready.piece.last:
                said = "; ".join(remarks(ready.piece.media, [encoder]))
                writer.add(ready.clip.id, ready.growing.rows(name), said, ready.growing.source)
                outcome.n_written += 1
    for ready in batch:
        if ready.piece.last:
            if noted := remarks(ready.piece.media, ready.chosen):
                outcome.notes.append(Note(ready.clip.id, "; ".join(noted)))
            tick("done", ready.clip.id)

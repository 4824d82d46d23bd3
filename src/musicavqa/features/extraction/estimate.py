"""What an extraction would cost, before it is begun: bytes by arithmetic, time by a sample."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicavqa.features.encoders.spec import n_kept
from musicavqa.features.extraction.encoding import Encoder, describe, load_all, with_one_blas_thread
from musicavqa.features.extraction.pieces import decode
from musicavqa.features.store import Folder, folder
from musicavqa.features.store.shards import index
from musicavqa.media import MediaError
from musicavqa.media.length import announced_s
from musicavqa.records import Clip

SAMPLE_CLIPS = 3
SAMPLE_S = 20.0
"""Of each sampled clip, so that an hour of video is not decoded to see what it costs."""


@dataclass(frozen=True)
class StreamCost:
    """One stream of the plan."""

    name: str
    n_clips: int
    """Clips that lack it."""
    n_rows: int
    n_bytes: int
    """Of the arrays, exactly; headers add about a hundred bytes a clip."""
    cpu_s: float
    """Of its encoder for all these clips, from the sample."""


@dataclass(frozen=True)
class Estimate:
    """The plan of an extraction."""

    n_clips: int
    """Clips to decode, each once."""
    media_s: float
    decode_cpu_s: float
    streams: tuple[StreamCost, ...]
    n_sampled: int
    unreadable: tuple[str, ...]
    """Clips whose length cannot be told, and why; they are not counted."""

    @property
    def cpu_s(self) -> float:
        """Decoding and encoding together."""
        return self.decode_cpu_s + sum(stream.cpu_s for stream in self.streams)

    @property
    def n_bytes(self) -> int:
        """Of all streams."""
        return sum(stream.n_bytes for stream in self.streams)


def estimate(
    clips: Sequence[Clip],
    encoders: Sequence[str | Encoder],
    root: Folder | Path | str,
    set_name: str,
) -> Estimate:
    """Clips, seconds, bytes and CPU seconds of what is not in the store yet; writes nothing."""
    loaded = load_all(encoders)
    lacking = _lacking(clips, loaded, folder(root) / set_name)
    wanted = [clip for clip in clips if any(clip.id in names for names in lacking.values())]
    lengths, unreadable = _lengths(wanted)
    todo = [clip for clip in wanted if clip.id in lengths]
    decoding, encoding, n_sampled = _sample(todo, list(loaded.values()))
    streams = []
    for name, encoder in loaded.items():
        seconds = [lengths[clip.id] for clip in todo if clip.id in lacking[name]]
        rows = sum(n_kept(encoder.spec, length) for length in seconds)
        size = math.prod(encoder.spec.shape) * np.dtype(encoder.spec.dtype).itemsize
        cpu_s = sum(seconds) * encoding.get(name, 0.0)
        streams.append(StreamCost(name, len(seconds), rows, rows * size, cpu_s))
    media_s = sum(lengths.values())
    return Estimate(
        len(todo), media_s, media_s * decoding, tuple(streams), n_sampled, tuple(unreadable)
    )


def _lacking(
    clips: Sequence[Clip], loaded: dict[str, Encoder], place: Folder
) -> dict[str, set[str]]:
    """By encoder, the ids of the clips that are not stored."""
    found = {}
    for name, encoder in loaded.items():
        stored = index(place / describe(encoder.spec).folder_name)
        found[name] = {clip.id for clip in clips if clip.id not in stored}
    return found


def _lengths(clips: Sequence[Clip]) -> tuple[dict[str, float], list[str]]:
    """Seconds by clip id (from the record, else from the file), and why some have none."""
    lengths, unreadable = {}, []
    for clip in clips:
        try:
            length = clip.duration_s
            if clip.path is None:
                raise MediaError("it has no media file")
            if length is None and (length := announced_s(clip.path)) is None:
                raise MediaError(f"{clip.path} does not say how long it is")
            lengths[clip.id] = length
        except MediaError as error:
            unreadable.append(f"{clip.id}: {error}")
    return lengths, unreadable


@with_one_blas_thread
def _sample(
    clips: Sequence[Clip], encoders: Sequence[Encoder]
) -> tuple[float, dict[str, float], int]:
    """CPU seconds per second of media, for decoding and for each encoder, from a few clips.

    The first clip also warms the networks up; where there are others, it does not count.
    """
    chosen = [clips[i] for i in sorted({0, len(clips) // 2, len(clips) - 1})] if clips else []
    media_s, decoding, encoding = 0.0, 0.0, dict.fromkeys((e.spec.name for e in encoders), 0.0)
    n_sampled = 0
    for clip in chosen[:SAMPLE_CLIPS]:
        begin = time.process_time()
        try:
            (piece,) = decode(clip, encoders, max_s=SAMPLE_S)
        except MediaError:
            continue
        n_sampled += 1
        if n_sampled == 2:
            media_s, decoding, encoding = 0.0, 0.0, dict.fromkeys(encoding, 0.0)
        decoding += time.process_time() - begin
        media_s += piece.media.duration_s
        for encoder in encoders:
            begin = time.process_time()
            encoder.encode(piece.media)
            encoding[encoder.spec.name] += time.process_time() - begin
    per_s = 1 / media_s if media_s else 0.0
    return decoding * per_s, {name: s * per_s for name, s in encoding.items()}, n_sampled

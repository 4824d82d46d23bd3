"""Clips, questions and stored streams -> Batch: one time grid, masks, negatives, truth.

Each clip is read and padded once per batch, however many questions are asked about it. All
randomness comes in as a numpy generator; without one the order is that of the clips.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from musicavqa import answers
from musicavqa.features.store import ClipStore, FeatureError, Store
from musicavqa.questions import tokenize, vocabulary
from musicavqa.records import SENSES, Batch, Clip, Drawn, Question
from musicavqa.training.order import (
    Group,
    by_clip,
    drawn,
    groups_of_clips,
    groups_of_questions,
    part_of,
)
from musicavqa.training.tensors import tensor_of, zeros

N_WORDS_PADDED = 14
"""Least width of `Batch.words`: the longest template. Released code reads the padding too."""

MOST_QUESTIONS = 128
"""In one batch of evaluation: about what MUSIC-AVQA-R asks about a clip, and as many as bring the
hungriest method (PSTP-Net) to 2 GB with clips of a minute."""

ACTIVITY_HZ = 5
"""Steps per second of the truth 'activity' (C, 5T, 22)."""

TruthReader = Callable[[Clip, int], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Collation:
    """What goes into a batch besides streams and questions."""

    max_questions_per_clip: int | None = None
    """Draw so many per clip (needs a generator); None takes all."""
    batch_questions: int | None = None
    """Questions in a batch, drawn from all (needs a generator); None takes whole clips."""
    part: tuple[int, int] = (0, 1)
    """Which of how many parts of each batch is made, where processes train together."""
    own_grids: bool = False
    """Streams keep their own lengths, told by `Batch.masks`; else all end with the shortest."""
    negatives: tuple[str, ...] = ()
    """Streams for which rows of other clips are drawn (needs a generator)."""
    mute: tuple[str, ...] = ()
    """'audio' and/or 'visual': every stream of that sense is zero."""
    texts: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Text stream -> question text -> its rows."""
    truth: TruthReader | None = None
    """Reader made by `scene_truth`; used for batches in which every clip has a scene."""

    def __post_init__(self) -> None:
        for sense in self.mute:
            if sense not in SENSES:
                raise ValueError(f"mute is 'audio' or 'visual', not {sense!r}.")
        if self.own_grids and self.negatives:
            raise ValueError(
                f"Seconds of other clips ({', '.join(self.negatives)}) are drawn on one grid; a "
                "method cannot ask for them and for streams on grids of their own."
            )


def make_batches(
    clips: Sequence[Clip],
    questions: Sequence[Question],
    streams: Mapping[str, ClipStore],
    batch_clips: int = 16,
    rng: np.random.Generator | None = None,
    collation: Collation | None = None,
) -> Iterator[Batch]:
    """Yield every clip that is asked about once, with its questions.

    With `rng`, clips or questions come in a new order and questions and negatives may be drawn;
    without it all questions come, in file order per clip, at most `MOST_QUESTIONS` in a batch: a
    clip with more is in several. Rows that a stream lacks raise FeatureError. A batch of which this
    process has no part has no keys, see `order.part_of`.
    """
    collation = collation or Collation()
    limit, size = collation.max_questions_per_clip, collation.batch_questions
    if rng is None and (collation.negatives or limit or size):
        raise ValueError("Drawing questions or negatives needs a generator; pass rng.")
    asked = by_clip(clips, questions)
    check_streams(asked, streams, collation.own_grids)
    known = {clip.id: clip for clip in clips}
    groups: Iterable[Group]
    if rng is None:
        groups = groups_of_clips(asked, batch_clips, MOST_QUESTIONS)
    elif size is not None:
        groups = groups_of_questions(questions, size, rng)
    else:
        order = [list(asked)[i] for i in rng.permutation(len(asked))]
        groups = groups_of_clips({clip: asked[clip] for clip in order}, batch_clips, sys.maxsize)
    for group in groups:
        own, chosen = None, group
        if rng is not None:
            chosen = part_of(drawn(group, limit, rng), *collation.part)
            own = np.random.default_rng([int(rng.integers(2**31)), collation.part[0]])
        yield (
            collate([known[clip] for clip in chosen], chosen, streams, own, collation)
            if chosen
            else nothing()
        )


def nothing() -> Batch:
    """A batch without clips and questions: the part of a process for which none is left."""
    rows, none = torch.zeros((0, 0), dtype=torch.long), torch.zeros(0, dtype=torch.long)
    return Batch([], {}, rows.bool(), none, rows, answers=none)


def collate(
    clips: Sequence[Clip],
    asked: Mapping[str, Sequence[Question]],
    streams: Mapping[str, ClipStore],
    rng: np.random.Generator | None = None,
    collation: Collation | None = None,
) -> Batch:
    """One Batch of these clips and, per clip id, the questions `asked` about it."""
    collation = collation or Collation()
    tensors, masks, n_seconds = _read(clips, streams, collation.own_grids)
    _mute(tensors, collation.mute)
    questions = [question for clip in clips for question in asked[clip.id]]
    seconds = _mask(n_seconds)  # (C, T)
    return Batch(
        keys=[question.key for question in questions],
        streams=tensors,
        seconds=torch.from_numpy(seconds),
        clip_of=torch.tensor([row for row, clip in enumerate(clips) for _ in asked[clip.id]]),
        words=torch.from_numpy(encode_words([question.text for question in questions])),
        texts=_texts(questions, collation.texts),
        answers=torch.tensor(
            [-1 if q.answer is None else answers.index(q.answer) for q in questions]
        ),
        negatives=_negatives(tensors, n_seconds, collation.negatives, rng),
        truth=_truth(clips, seconds.shape[1], collation.truth),
        masks=masks,
    )


def encode_words(texts: Sequence[str]) -> np.ndarray:
    """Word indices (B, W), 0 for padding and 1 for words no template has."""
    index = _word_index()
    rows = [[index.get(word, 1) for word in tokenize(text)] for text in texts]
    words = np.zeros((len(rows), max([N_WORDS_PADDED, *map(len, rows)])), dtype=np.int64)
    for line, row in zip(words, rows, strict=True):
        line[: len(row)] = row
    return words


def scene_truth() -> TruthReader:
    """A reader of what a rendered clip's scene says, which remembers every (clip, T)."""
    known: dict[tuple[str, int], dict[str, np.ndarray]] = {}

    def read(clip: Clip, n_seconds: int) -> dict[str, np.ndarray]:
        from musicavqa.bandstand import truth

        if clip.scene is None:
            raise ValueError(f"Clip {clip.id} has no scene, so there is no truth to read.")
        if (clip.id, n_seconds) not in known:
            targets: dict[str, Any] = dict(truth.clip_targets(clip.scene))
            targets["activity"] = truth.activity(clip.scene, n_seconds, ACTIVITY_HZ)
            targets |= truth.tick_targets(clip.scene, n_seconds)
            known[clip.id, n_seconds] = {name: np.asarray(v) for name, v in targets.items()}
        return known[clip.id, n_seconds]

    return read


def check_streams(
    clips: Sequence[str] | Mapping[str, Any], streams: Mapping[str, Any], own_grids: bool = False
) -> None:
    """Raise FeatureError when a stream lacks rows of one of these clips, or has its own grid."""
    for name, store in streams.items():
        if isinstance(store, Store) and not (own_grids or store.description.by_second):
            raise FeatureError(
                f"In {name!r} {store.description.alignment}, but a batch has one grid for all. "
                "Put the stores through grids.on_one_grid, as workflow does."
            )
        if missing := [clip for clip in clips if clip not in store]:
            raise FeatureError(
                f"{name!r} rows for {len(missing)} of {len(clips)} clips are missing "
                f"(first: {missing[0]}). Extract them first."
            )


def _read(
    clips: Sequence[Clip], streams: Mapping[str, ClipStore], own_grids: bool
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], np.ndarray]:
    """Streams padded to (C, T, ...) in float32, masks of those of another length, and seconds (C,).

    The seconds are those that every stream has. With `own_grids`, streams are not cut to them.
    Torch makes float32 of fp16 in a tenth of numpy's time.
    """
    rows = {name: [np.asarray(store[clip.id]) for clip in clips] for name, store in streams.items()}
    if not rows:
        return {}, {}, np.ones(len(clips), dtype=np.int64)
    lengths = {name: np.array([len(row) for row in group]) for name, group in rows.items()}
    n_seconds = np.min(list(lengths.values()), axis=0)
    if n_seconds.min() < 1:
        empty = clips[int(n_seconds.argmin())].id
        raise FeatureError(f"Clip {empty} has a stream without a single second.")
    tensors, masks = {}, {}
    for name, group in rows.items():
        kept = lengths[name] if own_grids else n_seconds
        tensors[name] = _padded(group, kept)
        if not np.array_equal(kept, n_seconds):
            masks[name] = torch.from_numpy(_mask(kept))
    return tensors, masks, n_seconds


def _padded(rows: Sequence[np.ndarray], n_rows: np.ndarray) -> torch.Tensor:
    """(C, T, ...) float32: the first so many rows of each clip, and zeros behind them."""
    padded = zeros((len(rows), int(n_rows.max()), *rows[0].shape[1:]))
    for target, row, length in zip(padded, rows, n_rows.tolist(), strict=True):
        target[:length] = tensor_of(row[:length])
    return padded


def _mask(n_rows: np.ndarray) -> np.ndarray:
    """(C, T) true for the rows that each clip has."""
    return np.arange(n_rows.max()) < n_rows[:, None]


def _mute(tensors: dict[str, torch.Tensor], senses: tuple[str, ...]) -> None:
    for name, tensor in tensors.items():
        if any(name.startswith(SENSES[sense]) for sense in senses):
            tensor.zero_()


def _texts(
    questions: Sequence[Question], texts: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, torch.Tensor]:
    """Text streams (B, ...); a stream of words (B, W, D) ends with the longest question here."""
    streams = {}
    for name, rows in texts.items():
        stacked = np.stack([np.asarray(rows[q.text], dtype=np.float32) for q in questions])
        if stacked.ndim > 2:
            n_words = np.flatnonzero(stacked.any(axis=(0, 2))).max(initial=0) + 1
            stacked = stacked[:, :n_words]
        streams[name] = torch.from_numpy(stacked)
    return streams


def _negatives(
    streams: dict[str, torch.Tensor],
    n_seconds: np.ndarray,
    names: tuple[str, ...],
    rng: np.random.Generator | None,
) -> Mapping[str, torch.Tensor]:
    """Each second of each clip gets a random real second of another clip; none for one clip."""
    n_clips = len(n_seconds)
    if not names or rng is None or n_clips < 2:
        return {}
    shape = (n_clips, int(n_seconds.max()))
    clip = (np.arange(n_clips)[:, None] + rng.integers(1, n_clips, shape)) % n_clips
    second = rng.integers(0, n_seconds[clip])
    return Drawn(streams, names, torch.from_numpy(clip), torch.from_numpy(second))


def _truth(
    clips: Sequence[Clip], n_seconds: int, reader: TruthReader | None
) -> dict[str, torch.Tensor]:
    if reader is None or any(clip.scene is None for clip in clips):
        return {}
    rows = [reader(clip, n_seconds) for clip in clips]
    return {name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]}


@cache
def _word_index() -> dict[str, int]:
    return {word: index for index, word in enumerate(vocabulary())}

"""Clips, questions and stored streams -> Batch: one time grid, masks, negatives, truth.

Each clip is read and padded once per batch, however many questions are asked about it. All
randomness comes in as a numpy generator; without one the order is that of the clips.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch

from musicavqa import answers
from musicavqa.features.store import ClipStore, FeatureError, Store
from musicavqa.questions import tokenize, vocabulary
from musicavqa.records import SENSES, Batch, Clip, Drawn, Question
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


def make_batches(
    clips: Sequence[Clip],
    questions: Sequence[Question],
    streams: Mapping[str, ClipStore],
    batch_clips: int = 16,
    rng: np.random.Generator | None = None,
    collation: Collation | None = None,
) -> Iterator[Batch]:
    """Yield every clip that is asked about once, with its questions.

    With `rng`, clips come in a new order and questions and negatives may be drawn; without it
    all questions come, in file order per clip, at most `MOST_QUESTIONS` in a batch: a clip with
    more is in several. Rows that a stream lacks raise FeatureError.
    """
    collation = collation or Collation()
    if rng is None and (collation.negatives or collation.max_questions_per_clip):
        raise ValueError("Drawing questions or negatives needs a generator; pass rng.")
    asked = _by_clip(clips, questions)
    check_streams(asked, streams)
    known = {clip.id: clip for clip in clips}
    order = list(asked) if rng is None else [list(asked)[i] for i in rng.permutation(len(asked))]
    most = MOST_QUESTIONS if rng is None else sys.maxsize
    for chosen in _groups({clip: asked[clip] for clip in order}, batch_clips, most):
        yield collate([known[clip] for clip in chosen], chosen, streams, rng, collation)


def collate(
    clips: Sequence[Clip],
    asked: Mapping[str, Sequence[Question]],
    streams: Mapping[str, ClipStore],
    rng: np.random.Generator | None = None,
    collation: Collation | None = None,
) -> Batch:
    """One Batch of these clips and, per clip id, the questions `asked` about it."""
    collation = collation or Collation()
    tensors, n_seconds = _read(clips, streams)
    _mute(tensors, collation.mute)
    drawn = [_draw(asked[clip.id], collation.max_questions_per_clip, rng) for clip in clips]
    questions = [question for group in drawn for question in group]
    seconds = np.arange(n_seconds.max()) < n_seconds[:, None]  # (C, T)
    return Batch(
        keys=[question.key for question in questions],
        streams=tensors,
        seconds=torch.from_numpy(seconds),
        clip_of=torch.tensor([row for row, group in enumerate(drawn) for _ in group]),
        words=torch.from_numpy(encode_words([question.text for question in questions])),
        texts=_texts(questions, collation.texts),
        answers=torch.tensor(
            [-1 if q.answer is None else answers.index(q.answer) for q in questions]
        ),
        negatives=_negatives(tensors, n_seconds, collation.negatives, rng),
        truth=_truth(clips, seconds.shape[1], collation.truth),
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
            known[clip.id, n_seconds] = {name: np.asarray(v) for name, v in targets.items()}
        return known[clip.id, n_seconds]

    return read


def check_streams(clips: Sequence[str] | Mapping[str, Any], streams: Mapping[str, Any]) -> None:
    """Raise FeatureError when a stream lacks rows of one of these clips, or has its own grid."""
    for name, store in streams.items():
        if isinstance(store, Store) and not store.description.by_second:
            raise FeatureError(
                f"In {name!r} {store.description.alignment}, but a batch has one grid for all. "
                "Put the stores through grids.on_one_grid, as workflow does."
            )
        if missing := [clip for clip in clips if clip not in store]:
            raise FeatureError(
                f"{name!r} rows for {len(missing)} of {len(clips)} clips are missing "
                f"(first: {missing[0]}). Extract them first."
            )


def _by_clip(clips: Sequence[Clip], questions: Sequence[Question]) -> dict[str, list[Question]]:
    asked: dict[str, list[Question]] = {clip.id: [] for clip in clips}
    unknown = [question for question in questions if question.clip not in asked]
    if unknown:
        raise ValueError(
            f"{len(unknown)} of {len(questions)} questions are about clips that were not given "
            f"(first: {unknown[0].key} about {unknown[0].clip})."
        )
    for question in questions:
        asked[question.clip].append(question)
    return {clip: group for clip, group in asked.items() if group}


def _groups(
    asked: Mapping[str, list[Question]], most_clips: int, most_questions: int
) -> Iterator[dict[str, list[Question]]]:
    """The same in order, in groups of at most so many clips and questions."""
    group: dict[str, list[Question]] = {}
    for clip, questions in asked.items():
        for start in range(0, len(questions), most_questions):
            part = questions[start : start + most_questions]
            n_questions = len(part) + sum(map(len, group.values()))
            if len(group) == most_clips or n_questions > most_questions:
                yield group
                group = {}
            group[clip] = part
    if group:
        yield group


def _read(
    clips: Sequence[Clip], streams: Mapping[str, ClipStore]
) -> tuple[dict[str, torch.Tensor], np.ndarray]:
    """Streams padded to (C, T, ...) in float32, and the seconds that every stream has (C,).

    Torch makes float32 of fp16 in a tenth of numpy's time.
    """
    rows = {name: [np.asarray(store[clip.id]) for clip in clips] for name, store in streams.items()}
    if not rows:
        return {}, np.ones(len(clips), dtype=np.int64)
    n_seconds = np.min([[len(row) for row in group] for group in rows.values()], axis=0)
    if n_seconds.min() < 1:
        empty = clips[int(n_seconds.argmin())].id
        raise FeatureError(f"Clip {empty} has a stream without a single second.")
    tensors = {}
    for name, group in rows.items():
        padded = zeros((len(clips), int(n_seconds.max()), *group[0].shape[1:]))
        for target, row, length in zip(padded, group, n_seconds.tolist(), strict=True):
            target[:length] = tensor_of(row[:length])
        tensors[name] = padded
    return tensors, n_seconds


def _mute(tensors: dict[str, torch.Tensor], senses: tuple[str, ...]) -> None:
    for name, tensor in tensors.items():
        if any(name.startswith(SENSES[sense]) for sense in senses):
            tensor.zero_()


def _draw(
    questions: Sequence[Question], limit: int | None, rng: np.random.Generator | None
) -> Sequence[Question]:
    if limit is None or rng is None or len(questions) <= limit:
        return questions
    return [questions[i] for i in sorted(rng.choice(len(questions), limit, replace=False))]


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

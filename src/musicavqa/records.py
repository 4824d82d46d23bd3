"""The records that cross module borders: Clip, Question, Batch, Reading, Output, Prediction.

Importing this file costs nothing: torch is named only for the type checker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np
    import torch

Status = Literal["answered", "unreadable", "no media"]

SENSES = {"audio": ("audio_", "music_"), "visual": ("visual_",)}
"""How the names of the streams of each sense begin."""


@dataclass(frozen=True)
class Clip:
    """One performance: a media file, and for rendered clips the scene it was rendered from."""

    id: str
    path: Path | None
    duration_s: float | None
    """None where only the file knows."""
    scene: dict[str, Any] | None = None
    """The bandstand scene JSON (exact truth); None for real footage."""


@dataclass(frozen=True)
class Question:
    """One question about one clip.

    `key` is `set/split/index-in-file` and is the only thing that joins. `template` counts from 1
    to 33 in the order of `questions.TEMPLATES`; `slots` fill it from left to right. `text` is the
    filled question as it is asked, which may be another wording of its template.
    """

    key: str
    clip: str
    text: str
    template: int
    slots: tuple[str, ...]
    cell: str
    """One of `questions.CELLS`, for example 'AV-Temporal'."""
    answer: str | None = None
    """One of the 42 of `answers.ANSWERS`, or None where it is not known."""
    origin: str = "real"
    """'real', 'rendered', or the family of a synthetic video: va, sa, vv, eva, esa, evv."""
    part: Literal["head", "tail"] | None = None
    """Frequent or rare answer, where the set defines it."""
    rephrases: str | None = None
    """Key of the question of which this one is another wording."""
    sound_from: str | None = None
    """Clip whose sound track replaces that of `clip` (v2's unmatched audio)."""
    question_id: int | None = None
    """Number in the official file. It repeats: joins by it are checked."""


@dataclass(frozen=True)
class Drawn(Mapping[str, Any]):
    """Seconds of other clips of the same batch, taken from its streams when they are asked for."""

    streams: Mapping[str, torch.Tensor]
    names: tuple[str, ...]
    clip: torch.Tensor
    """(C, T) row of the streams that each second comes from."""
    second: torch.Tensor
    """(C, T) and which of its seconds."""

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self.names:
            raise KeyError(name)
        return self.streams[name][self.clip, self.second]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def changed(
        self,
        streams: Mapping[str, torch.Tensor],
        change: Callable[[torch.Tensor], torch.Tensor],
    ) -> Drawn:
        """The same seconds of the same streams, which have been changed likewise."""
        return Drawn(streams, self.names, change(self.clip), change(self.second))


@dataclass
class Batch:
    """C different clips and B questions about them; a clip stands once, however often it is asked.

    Shapes: streams[name] (C, T, ...), seconds (C, T) true where the clip really has that second,
    clip_of (B,) row of `streams` for each question, words (B, W) with 0 for padding,
    texts[name] (B, ...) text stream of each question ('text_minilm' (B, 384)), answers (B,) index
    into `answers.ANSWERS` or -1, negatives[name] (C, T, ...) the same stream taken from other clips
    (only for methods that ask for it), truth[name] (C, ...) training-time truth of rendered clips
    (empty for real footage), masks[name] (C, T of that stream) in the place of `seconds` for
    streams of a length or on a grid of their own, see `there`.
    """

    keys: list[str]
    streams: dict[str, torch.Tensor]
    seconds: torch.Tensor
    clip_of: torch.Tensor
    words: torch.Tensor
    texts: dict[str, torch.Tensor] = field(default_factory=dict)
    answers: torch.Tensor | None = None
    negatives: Mapping[str, torch.Tensor] = field(default_factory=dict)
    truth: dict[str, torch.Tensor] = field(default_factory=dict)
    masks: dict[str, torch.Tensor] = field(default_factory=dict)

    def there(self, stream: str) -> torch.Tensor:
        """(C, T of this stream) true where the clip really has that row of it."""
        return self.masks.get(stream, self.seconds)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Copy of the batch with every tensor on `device`; `non_blocking` from pinned memory."""
        return self._changed(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pinned(self) -> Batch:
        """Copy of the batch in memory that a GPU reads by itself, while others compute."""
        return self._changed(lambda tensor: tensor.pin_memory())

    def _changed(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
        """Copy of the batch with every tensor changed; drawn seconds stay drawn ones."""

        def walk(value: Any) -> Any:
            if isinstance(value, dict):
                return {name: change(tensor) for name, tensor in value.items()}
            return change(value) if hasattr(value, "to") else value

        moved = {f.name: walk(getattr(self, f.name)) for f in fields(self)}
        if isinstance(self.negatives, Drawn):
            moved["negatives"] = self.negatives.changed(moved["streams"], change)
        return replace(self, **moved)


@dataclass
class Output:
    """What a method returns for a Batch.

    logits (B, 42); losses: named scalars that the method wants minimised besides cross-entropy on
    the answer, already weighted; evidence: 'time' (B, T) and 'space' (B, P) with P = rows x
    columns of the picture, each non-negative and summing to one over its last axis; further named
    tensors (for example 'activity' (B, T, 22)) are shown as they are. features: 'question', 'audio'
    and 'visual' (B, D), the vectors from which the answer is read, for plug-ins; widths may differ.
    """

    logits: torch.Tensor
    losses: dict[str, torch.Tensor] = field(default_factory=dict)
    evidence: dict[str, torch.Tensor] = field(default_factory=dict)
    features: dict[str, torch.Tensor] = field(default_factory=dict)


def figure_box(x: float, y: float, height: float) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in 0..1 of a figure around the middle (x, y), cut at the edges."""
    half = 0.2 * height
    top, bottom = y - 0.55 * height, y + 0.45 * height
    return max(0.0, x - half), max(0.0, top), min(1.0, x + half), min(1.0, bottom)


@dataclass(frozen=True)
class Seen:
    """Somebody in the picture, as far as it can be told; every share is a probability."""

    share: float
    """That somebody plays or holds an instrument there at all."""
    instruments: np.ndarray
    """(22,) which one, in the order of `questions.INSTRUMENTS`; sums to 1."""
    x: float
    """Middle of the performer, 0 at the left edge of the picture to 1 at the right."""
    y: float
    """Likewise, 0 at the top."""
    height: float
    """Of the performer, as a share of the height of the picture."""
    x_spread: float
    """Standard deviation of `x`."""
    plays: np.ndarray
    """(K,) that he is the one who sounds at each tick, where his instrument is heard; of several
    with one instrument, where `times` are not known."""
    sounds: float
    """That he is heard at all, where his instrument is."""
    moves: float
    """That he moves as players do, whether or not it fits the sound."""
    times: np.ndarray | None = None
    """(K,) that he sounds at each tick, if he sounds at all, by movement and sound together; None
    where only the sound tells."""
    in_step: float = 0.0
    """Log odds that what sounds, whatever its name, goes with his movements; 0 tells nothing."""
    onset_rate: float | None = None
    """Notes per second of playing, by his movements alone; None where they were not judged."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) in 0..1 of a standing figure around the middle."""
        return figure_box(self.x, self.y, self.height)


@dataclass(frozen=True, eq=False)  # each is equal to itself alone, so that it can be a key
class Reading:
    """What was perceived of a performance, before any question: who is there, who sounds when.

    Nothing here is certain: shares are probabilities, and `rules.tables` draws the performances
    that fit them. Ticks are `tick_s` long, K of them in the clip.
    """

    duration_s: float
    tick_s: float
    seen: tuple[Seen, ...]
    """Performers in the picture, from left to right."""
    heard: np.ndarray
    """(22,) that each instrument sounds at all, by ear alone."""
    activity: np.ndarray
    """(K, 22) that it sounds at each tick."""
    level_db: np.ndarray
    """(22,) loudness while it sounds, against that of the others."""
    onset_rate: np.ndarray
    """(22,) notes per second of playing."""
    voiceover: float
    """That somebody speaks."""
    outdoor: float
    """That the place is outdoors."""
    footage: bool = False
    """Performers were found by what is known of photographs, not by what was learned."""
    has_sound: bool = True
    """False where the file has no sound, or only silence."""
    has_picture: bool = True
    """False where the file has no picture, or only a black or grey one."""


class CountedWarning(UserWarning):
    """Rows that are treated in another way than the rest; the message has their number."""


class BusyWarning(CountedWarning):
    """Another process holds what this one waits for."""


class NoMediaWarning(CountedWarning):
    """Questions about clips that have no file, or one that cannot be read."""


@dataclass(frozen=True)
class Prediction:
    """One answer to one question: a line of predictions.jsonl."""

    key: str
    answer: str | None
    status: Status = "answered"
    confidence: float | None = None
    runner_up: str | None = None
    runner_up_confidence: float | None = None
    text: str | None = None
    """What a generative model wrote, word for word."""
    outcome: str | None = None
    """How the text was read: one of `answers.reading.OUTCOMES`."""
    rule: str | None = None
    """By which scorer and version it was read, such as 'span/1'."""

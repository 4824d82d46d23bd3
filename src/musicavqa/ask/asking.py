"""Ask a video file questions: decode and encode it once, then answer as many as you like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.records import Clip, Question

if TYPE_CHECKING:
    from musicavqa.ask.matching import Match
    from musicavqa.media import Limits, Media
    from musicavqa.methods.registry import Checkpoint

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "bandleader"
GRID = 7
"""The picture evidence has 7 x 7 cells."""
RECOGNISED = 0.2
"""Least confidence of an instrument that is said to be recognised."""
_ARRAYS = ("seconds", "cells", "activity", "seen")
"""Fields of a reply that hold evidence as arrays."""
CAVEAT = (
    "The default model was trained on rendered performances only: on real footage expect much less."
)


@dataclass(frozen=True)
class Reply:
    """What `ask` says to one question; `answer` is None where it cannot answer.

    `seconds` (T,) and `cells` (7, 7) say when and where the answer was found, each summing to one;
    `activity` (T, 22) how surely each instrument is heard, `seen` (49, 22) how surely it stands
    in each cell. `suggestions` are the closest
    questions that can be asked, when this one cannot.
    """

    question: str
    understood: str | None
    similarity: float
    slots: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    """Words of the question that what was understood leaves out."""
    answer: str | None = None
    confidence: float | None = None
    runner_up: str | None = None
    runner_up_confidence: float | None = None
    seconds: np.ndarray | None = None
    cells: np.ndarray | None = None
    activity: np.ndarray | None = None
    seen: np.ndarray | None = None
    suggestions: tuple[str, ...] = field(default=())

    @property
    def when(self) -> tuple[int, int] | None:
        """First and last second (exclusive) of the shortest span that holds half the attention."""
        return None if self.seconds is None else _span(self.seconds)

    @property
    def where(self) -> tuple[float, float, float, float] | None:
        """Box (left, top, right, bottom in 0..1) of the cells nearer to the top than the median."""
        return None if self.cells is None else _box(self.cells)

    def as_dict(self) -> dict[str, object]:
        """The reply for machines, evidence included."""
        arrays = {
            name: None if (value := getattr(self, name)) is None else value.round(4).tolist()
            for name in ("seconds", "cells")
        }
        plain = {k: v for k, v in self.__dict__.items() if k not in _ARRAYS}
        found = {
            name: None if (value := getattr(self, name)) is None else _surest(value, 0.0)
            for name in ("activity", "seen")
        }
        return {
            **plain, **arrays, "when_s": self.when, "where": self.where,
            "heard": found["activity"], "seen": found["seen"],
        }  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """A video that has been decoded and encoded and now answers questions."""

    media: Media
    streams: dict[str, np.ndarray]
    checkpoint: Checkpoint

    def ask(self, questions: Sequence[str]) -> list[Reply]:
        """One reply per question, in order."""
        from musicavqa.ask.matching import match_all

        matches = match_all(questions)
        asked = {i: m for i, m in enumerate(matches) if m.template is not None}
        answered = self._answer(asked) if asked else {}
        return [answered.get(i) or _declined(text, matches[i]) for i, text in enumerate(questions)]

    def _answer(self, asked: dict[int, Match]) -> dict[int, Reply]:
        import torch

        from musicavqa.features.streams import embed_texts
        from musicavqa.training.batches import Collation, collate

        clip = Clip("clip", None, self.media.duration_s)
        records = [_record(str(i), clip, match) for i, match in asked.items()]
        stores = {name: {clip.id: rows} for name, rows in self.streams.items()}
        texts = embed_texts(self.checkpoint.method.texts(self.checkpoint.model.options), records)
        batch = collate([clip], {clip.id: records}, stores, collation=Collation(texts=texts))
        with torch.inference_mode():
            output = self.checkpoint.model(batch)
        shares = (output.logits / self.checkpoint.temperature).softmax(1).numpy()
        evidence = {name: rows.numpy() for name, rows in output.evidence.items()}
        return {
            i: _reply(m, shares[row], {name: rows[row] for name, rows in evidence.items()})
            for row, (i, m) in enumerate(asked.items())
        }


def listen_and_look(
    path: Path | str,
    checkpoint: Path = DEFAULT_CHECKPOINT,
    method_file: Path | None = None,
    *,
    limits: Limits | None = None,
    tell: Callable[[float, float | None], None] = lambda done, total: None,
) -> Performance:
    """Decode and encode the video at `path` for the method of this checkpoint.

    A checkpoint of a method file of one's own needs that file as `method_file`. `limits` None
    takes those of `media`; `tell` is told the seconds done, and of how many.
    Raises MediaError when the file lacks picture or sound, FileNotFoundError without checkpoint.
    """
    from musicavqa.features.encoders import load_encoder
    from musicavqa.features.extraction import encode_media
    from musicavqa.features.grids import grid_step, on_grid
    from musicavqa.media import FRAMES, LIMITS, SOUND, announced_s, check, read
    from musicavqa.methods.registry import load_checkpoint

    check(path)  # before networks are loaded
    tell(0.0, announced_s(path))
    loaded = load_checkpoint(checkpoint, method_file)
    encoders = {name: load_encoder(name) for name in loaded.streams}
    wanted = [item for encoder in encoders.values() for item in encoder.spec.reads]
    media = read(path, (FRAMES, SOUND, *wanted), limits=limits or LIMITS)  # these two are drawn
    rows = encode_media(media, list(encoders.values()))
    specs = {name: encoder.spec for name, encoder in encoders.items()}
    step_s = grid_step(spec.every_s for spec in specs.values())
    streams = {
        name: on_grid(rows[name], spec.rate_hz, spec.every_s, step_s)
        for name, spec in specs.items()
    }
    return Performance(media, streams, loaded)


def ask(
    path: Path | str,
    *questions: str,
    checkpoint: Path = DEFAULT_CHECKPOINT,
    method_file: Path | None = None,
) -> list[Reply]:
    """Answer questions about a video file, offline; see `Reply` for what comes back."""
    if not questions:
        raise ValueError('Ask at least one question, such as "Which instrument plays first?".')
    return listen_and_look(path, checkpoint, method_file).ask(questions)


def _record(key: str, clip: Clip, match: Match) -> Question:
    from musicavqa.questions import template

    assert match.question is not None
    assert match.template is not None
    cell = template(match.template).cell
    return Question(key, clip.id, match.question, match.template, match.slots, cell)


def _reply(match: Match, shares: np.ndarray, evidence: dict[str, np.ndarray]) -> Reply:
    from musicavqa.answers import ANSWERS

    best, second = (int(i) for i in np.argsort(-shares)[:2])
    space = evidence.get("space")
    return Reply(
        question=match.text,
        understood=match.question,
        similarity=match.similarity,
        slots=match.slots,
        unused=match.unused,
        answer=ANSWERS[best],
        confidence=float(shares[best]),
        runner_up=ANSWERS[second],
        runner_up_confidence=float(shares[second]),
        seconds=evidence.get("time"),
        cells=None if space is None else space.reshape(GRID, GRID),
        activity=evidence.get("activity"),
        seen=evidence.get("seen"),
    )


def _declined(text: str, match: Match) -> Reply:
    return Reply(
        text, None, match.similarity, unused=match.unused, suggestions=tuple(match.alternatives)
    )


def _span(seconds: np.ndarray) -> tuple[int, int]:
    total = np.concatenate([[0.0], np.cumsum(seconds)])
    for length in range(1, len(seconds) + 1):
        mass = total[length:] - total[:-length]
        if mass.max() >= 0.5 * total[-1]:
            start = int(mass.argmax())
            return start, start + length
    return 0, len(seconds)


def _box(cells: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(cells >= (cells.max() + np.median(cells)) / 2)
    n_rows, n_columns = cells.shape
    return (
        float(columns.min() / n_columns),
        float(rows.min() / n_rows),
        float((columns.max() + 1) / n_columns),
        float((rows.max() + 1) / n_rows),
    )


def caveat(replies: Sequence[Reply]) -> str:
    """What the model is, and what it believes to hear and see in this clip, how surely."""
    lines = [CAVEAT]
    for sense, name in (("Sound", "activity"), ("Picture", "seen")):
        rows = next((v for reply in replies if (v := getattr(reply, name)) is not None), None)
        if rows is not None:
            found = _surest(rows, RECOGNISED)
            named = ", ".join(f"{key} {value:.0%}" for key, value in found.items())
            lines.append(f"{sense} recognised: {named or 'no instrument surely'}.")
    return "\n".join(lines)


def _surest(rows: np.ndarray, least: float) -> dict[str, float]:
    """Instruments whose surest row (second or cell) reaches `least`, the surest first."""
    from musicavqa.questions import INSTRUMENTS

    surest = rows.max(0)
    order = np.argsort(-surest, kind="stable")
    return {INSTRUMENTS[i]: round(float(surest[i]), 4) for i in order if surest[i] >= least}

"""Ask a video file questions: decode and encode it once, then answer as many as you like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.ask.music import Music, read_music
from musicavqa.ask.sensing import Shown, Tell, sense
from musicavqa.ask.telling import heard_names, lacking, seen_names, told
from musicavqa.devices import check_device
from musicavqa.records import Clip, Question, Reading

if TYPE_CHECKING:
    from musicavqa.ask.further_words import Further
    from musicavqa.ask.lanes import Score
    from musicavqa.ask.matching import Match
    from musicavqa.media import Account, Limits
    from musicavqa.methods.registry import Checkpoint
    from musicavqa.records import Output

DEFAULT_CHECKPOINT = Path(__file__).parent / "checkpoints" / "bandleader"
GRID = 7
"""The evidence in the picture has 7 x 7 cells."""
CLOSE = 0.10
"""Two answers whose shares differ by less are both named."""
CAVEAT = "The default model learned from rendered performances only: on real footage expect less."
NEARLY = 0.02
"""Spans of seconds that hold less than this share more are no better: the earliest is told."""
_ARRAYS = ("seconds", "cells", "activity")


@dataclass(frozen=True)
class Reply:
    """What `ask` says to one question; `answer` is None where it cannot answer.

    `seconds` (T,) and `cells` (7, 7) say when and where the answer was found, each summing to one;
    `activity` (T, 22) how surely each instrument is heard. `facts` are those of the reading that
    the answer rests on, in words. `suggestions` are the closest questions that can be asked, when
    this one cannot; beside an answer, the other question that the same words may ask.
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
    facts: tuple[str, ...] = ()
    applies: float | None = None
    """How far what was perceived allows the question at all; None where nobody knows."""
    suggestions: tuple[str, ...] = field(default=())
    rule: str | None = None
    """The rule that answers a question beyond the benchmark's (`further`)."""
    why: str | None = None
    """Why there is no answer though the question was understood."""

    @property
    def when(self) -> tuple[int, int] | None:
        """First and last second (exclusive) of the shortest span that holds half the attention.

        Of several that are as good, the earliest."""
        return None if self.seconds is None else _span(self.seconds)

    @property
    def where(self) -> tuple[float, float, float, float] | None:
        """Box (left, top, right, bottom in 0..1) of the cells nearer to the top than the median."""
        return None if self.cells is None else _box(self.cells)

    @property
    def close(self) -> bool:
        """Whether the runner-up is nearly as likely as the answer."""
        if self.confidence is None or self.runner_up_confidence is None:
            return False
        return self.confidence - self.runner_up_confidence < CLOSE

    def as_dict(self) -> dict[str, object]:
        """The reply for machines, evidence included."""
        arrays = {
            name: None if (value := getattr(self, name)) is None else value.round(4).tolist()
            for name in ("seconds", "cells")
        }
        plain = {k: v for k, v in self.__dict__.items() if k not in _ARRAYS}
        return {**plain, **arrays, "when_s": self.when, "where": self.where, "close": self.close}


@dataclass(frozen=True)
class Performance:
    """A video that has been read and now answers questions."""

    shown: Shown
    account: Account
    checkpoint: Checkpoint
    reading: Reading | None = None
    """What was perceived; None with a method that has no reading."""
    streams: dict[str, np.ndarray] | None = None
    """With such a method, the rows of its streams."""
    music: Callable[[], Music] | None = None
    """Listens to the file once more, for tempo, beats and key; once, however often it is called."""

    @cached_property
    def score(self) -> Score | None:
        """Who is there and sounds when; None without a reading."""
        from musicavqa.ask.lanes import score_of

        return None if self.reading is None else score_of(self.reading)

    def ask(self, questions: Sequence[str]) -> list[Reply]:
        """One reply per question, in order."""
        from musicavqa.ask.further_words import match_further
        from musicavqa.ask.matching import match_all

        further = {} if self.reading is None else dict(enumerate(map(match_further, questions)))
        replies = {i: self._further(questions[i], asked) for i, asked in further.items() if asked}
        matches = {i: m for i, m in enumerate(match_all(questions)) if i not in replies}
        asked = {i: m for i, m in matches.items() if m.template is not None}
        replies |= {i: unable for i, m in asked.items() if (unable := self._unable(m))}
        asked = {i: m for i, m in asked.items() if i not in replies}
        replies |= self._answer(asked) if asked else {}
        return [replies.get(i) or _declined(text, matches[i]) for i, text in enumerate(questions)]

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from musicavqa.ask.notebook import shown

        return shown(self.score, self.account)

    def _further(self, text: str, asked: Further) -> Reply:
        from musicavqa.ask.further import answer_further

        assert self.reading is not None
        assert self.music is not None
        found = answer_further(asked, self.reading, self.shown.sound, self.music)
        return Reply(
            text,
            asked.understood,
            1.0,
            answer=found.answer,
            confidence=found.confidence,
            facts=found.facts,
            rule=asked.rule,
            why=found.why or None,
        )

    def _unable(self, match: Match) -> Reply | None:
        """The reply to a question that needs a sense which the file has not."""
        assert match.template is not None
        why = None if self.reading is None else lacking(self.reading, match.template)
        if why is None:
            return None
        known = (match.question, match.similarity, match.slots, match.unused)
        return Reply(match.text, *known, why=why)

    def _answer(self, asked: dict[int, Match]) -> dict[int, Reply]:
        output = self._output([_record(str(i), match) for i, match in asked.items()])
        shares = (output.logits / self.checkpoint.temperature).softmax(1).numpy()
        evidence = {name: rows.numpy() for name, rows in output.evidence.items()}
        return {
            i: _reply(m, shares[row], {k: v[row] for k, v in evidence.items()}, self.score)
            for row, (i, m) in enumerate(asked.items())
        }

    def _output(self, records: Sequence[Question]) -> Output:
        import torch

        from musicavqa.features.streams import embed_texts
        from musicavqa.training.batches import Collation, collate, encode_words

        if self.reading is not None:
            words = encode_words([record.text for record in records])
            return self.checkpoint.model.answer(self.reading, torch.from_numpy(words))
        assert self.streams is not None
        stores = {name: {"clip": rows} for name, rows in self.streams.items()}
        texts = embed_texts(self.checkpoint.method.texts(self.checkpoint.model.options), records)
        clip = Clip("clip", None, None)
        batch = collate([clip], {"clip": records}, stores, collation=Collation(texts=texts))
        with torch.inference_mode():
            return self.checkpoint.model(batch)


def listen_and_look(
    path: Path | str,
    checkpoint: Path = DEFAULT_CHECKPOINT,
    method_file: Path | None = None,
    *,
    limits: Limits | None = None,
    device: str = "cpu",
    tell: Tell = lambda done, total: None,
) -> Performance:
    """Decode and perceive the video at `path` by the method of this checkpoint.

    Encoders that compute with torch do so on `device`; what reads their rows is light.

    A checkpoint of a method file of one's own needs that file as `method_file`. `limits` None
    takes those of `media`; `tell` is told the seconds done, and of how many.
    Raises MediaError where the method cannot do with what the file has: bandleader needs picture or
    sound, others both. FileNotFoundError without checkpoint.
    """
    from musicavqa.media import LIMITS, announced_s, check
    from musicavqa.methods.registry import load_checkpoint

    check_device(device)
    check(path, "any")  # before networks are loaded
    tell(0.0, announced_s(path))
    loaded = load_checkpoint(checkpoint, method_file)
    if hasattr(loaded.model, "reading"):
        reading, shown, account = sense(path, loaded, limits or LIMITS, tell, device)
        again = partial(read_music, path, account, reading.has_sound, limits or LIMITS)
        return Performance(shown, account, loaded, reading=reading, music=cache(again))
    return _whole(path, loaded, limits or LIMITS, device)


def listen(
    path: Path | str, checkpoint: Path = DEFAULT_CHECKPOINT, limits: Limits | None = None
) -> Performance:
    """Decode and perceive a video once; the `Performance` answers as many questions as you like.

    `performance.ask([...])` gives replies, `performance.reading` what was perceived,
    `performance.music()` tempo, beats and key; a notebook shows it as lanes. Raises as `ask` does.
    """
    return listen_and_look(path, checkpoint, limits=limits)


def _whole(path: Path | str, loaded: Checkpoint, limits: Limits, device: str) -> Performance:
    """For methods that look at a clip as a whole: all of it is decoded and encoded at once."""
    from musicavqa.features.encoders import load_encoder
    from musicavqa.features.extraction import encode_media
    from musicavqa.features.grids import grid_step, on_grid
    from musicavqa.media import FRAMES, SOUND, read

    encoders = {name: load_encoder(name, device) for name in loaded.streams}
    wanted = [item for encoder in encoders.values() for item in encoder.spec.reads]
    media = read(path, (FRAMES, SOUND, *wanted), limits=limits)  # these two are drawn
    rows = encode_media(media, list(encoders.values()))
    specs = {name: encoder.spec for name, encoder in encoders.items()}
    step_s = grid_step(1 if spec.held else spec.every_s for spec in specs.values())
    streams = {
        name: on_grid(rows[name], spec.rate_hz, spec.every_s, step_s)
        for name, spec in specs.items()
    }
    shown = Shown()
    shown.add(media, 0.0)
    assert media.account is not None  # a whole file was read
    return Performance(shown, media.account, loaded, streams=streams)


def ask(
    path: Path | str,
    *questions: str,
    checkpoint: Path = DEFAULT_CHECKPOINT,
    method_file: Path | None = None,
    limits: Limits | None = None,
) -> list[Reply]:
    """Answer questions about a video file, offline; see `Reply` for what comes back.

    `limits` (`musicavqa.media.Limits`) bounds how much of the file is read; raises as
    `listen_and_look` does.
    """
    if not questions:
        raise ValueError('Ask at least one question, such as "Which instrument plays first?".')
    return listen_and_look(path, checkpoint, method_file, limits=limits).ask(questions)


def _record(key: str, match: Match) -> Question:
    from musicavqa.questions import template

    assert match.question is not None
    assert match.template is not None
    cell = template(match.template).cell
    return Question(key, "clip", match.question, match.template, match.slots, cell)


def _reply(
    match: Match, shares: np.ndarray, evidence: dict[str, np.ndarray], score: Score | None
) -> Reply:
    from musicavqa.answers import ANSWERS

    assert match.template is not None

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
        applies=float(evidence["applies"]) if "applies" in evidence else None,
        facts=() if score is None else told(score, match.template, match.slots, ANSWERS[best]),
        suggestions=match.alternatives,
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
            enough = max(0.5 * total[-1], mass.max() - NEARLY * total[-1])
            start = int(np.argmax(mass >= enough))
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


def caveat(performance: Performance) -> str:
    """What the model is, and whom it believes to hear and see in this clip, how surely."""
    reading, score = performance.reading, performance.score
    if reading is None or score is None:
        return CAVEAT
    heard = heard_names(score) or "no instrument surely"
    seen = seen_names(score) or "nobody surely"
    if not reading.has_sound:
        heard = "nothing, as there is no sound or only silence"
    if not reading.has_picture:
        seen = "nobody, as there is no picture or only one colour"
    return f"{CAVEAT}\nHeard: {heard}. Seen: {seen}."

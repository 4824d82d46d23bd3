"""Which test questions were trained on: data sets reshuffle each other's rows.

Two questions are the same when clip, sound track, template and slot values are: wording, answer,
key and set do not matter, so a paraphrase or a changed answer is found too. A mirrored clip
(`_flip`) counts as a clip of its own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.files import parse_json, read_json, write_text
from musicavqa.records import CountedWarning, Question

SEEN = "trained_on.jsonl"
"""In a run folder: the questions it was trained and validated on."""

Pair = tuple[str, str | None, int, tuple[str, ...]]


class LeakWarning(CountedWarning):
    """Questions or videos that a model is tested on were trained on."""


@dataclass(frozen=True)
class Seen:
    """What a model was trained or validated on."""

    pairs: frozenset[Pair]

    @property
    def clips(self) -> set[str]:
        """The clips that were asked about."""
        return {clip for clip, *_ in self.pairs}


@dataclass(frozen=True)
class Overlap:
    """Exact numbers of what two lists of questions share."""

    keys: frozenset[str]
    """Of the questions looked at that were seen."""
    n_questions: int
    """Looked at."""
    n_pairs: int
    """Different (clip, question) pairs that were seen."""
    n_shared_clips: int
    n_clips: int

    def warning(self, asked: str, seen: str) -> str:
        """One sentence with the numbers."""
        if not self.keys:
            return (
                f"{self.n_shared_clips:,} of {self.n_clips:,} videos of {asked} are also in "
                f"{seen}, with other questions."
            )
        return (
            f"{len(self.keys):,} of {self.n_questions:,} questions of {asked} "
            f"({self.n_pairs:,} different pairs of video and question) are also in {seen}, "
            f"and {self.n_shared_clips:,} of its {self.n_clips:,} videos."
        )


def pair(question: Question) -> Pair:
    """What makes a question itself."""
    return question.clip, question.sound_from, question.template, question.slots


def seen_in(questions: Iterable[Question]) -> Seen:
    """What a model has seen that was trained on these."""
    return Seen(frozenset(map(pair, questions)))


def overlap(questions: Sequence[Question], seen: Seen) -> Overlap:
    """How much of `questions` was seen."""
    shared = {
        question.key: pair(question) for question in questions if pair(question) in seen.pairs
    }
    clips = {question.clip for question in questions}
    return Overlap(
        keys=frozenset(shared),
        n_questions=len(questions),
        n_pairs=len(set(shared.values())),
        n_shared_clips=len(clips & seen.clips),
        n_clips=len(clips),
    )


def guard(
    questions: list[Question],
    seen: Seen,
    names: tuple[str, str],
    drop_leaks: bool,
    clips: bool = True,
) -> list[Question]:
    """`questions` as they are, or without the seen ones; LeakWarning has the exact numbers.

    `names` says what the two sides are. Without `clips`, videos alone are no reason to warn, as
    training and validation of the official splits share them on purpose.
    """
    found = overlap(questions, seen)
    if not found.keys and not (clips and found.n_shared_clips):
        return questions
    told = found.warning(*names)
    if drop_leaks:
        told += f" Dropped: {len(found.keys):,}, left: {len(questions) - len(found.keys):,}."
    elif found.keys:
        told += " --drop-leaks removes them."
    warnings.warn(told, LeakWarning, stacklevel=3)
    if not drop_leaks:
        return questions
    return [question for question in questions if question.key not in found.keys]


def guard_run(questions: list[Question], run: Path, asked: str, drop_leaks: bool) -> list[Question]:
    """`guard` against what the run in this folder was trained and validated on.

    A folder without `trained_on.jsonl` (no run, or an old one) cannot be compared, and asking to
    drop its leaks raises FileNotFoundError.
    """
    if (run / SEEN).is_file():
        names = (asked, f"what {run.name} was trained on")
        clips = asked.partition("/")[0] != _set_of(run)
        return guard(questions, read_seen(run / SEEN), names, drop_leaks, clips)
    if drop_leaks:
        raise FileNotFoundError(
            f"There is no {run / SEEN}, so what was trained on is not known. Train anew."
        )
    return questions


def _set_of(run: Path) -> str | None:
    """Name of the data set of a finished run."""
    about = run / "run.json"
    return str(read_json(about)["data"]["name"]) if about.is_file() else None


def write_seen(path: Path, seen: Seen) -> None:
    """Write what was seen, a JSON list per line: clip, sound from, template, slots."""
    lines = sorted(json.dumps(item, ensure_ascii=False) for item in seen.pairs)
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_seen(path: Path) -> Seen:
    """What `write_seen` wrote."""
    try:
        rows = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return Seen(frozenset((clip, sound, n, tuple(slots)) for clip, sound, n, slots in rows))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is no list of what was trained on: {error}.") from None

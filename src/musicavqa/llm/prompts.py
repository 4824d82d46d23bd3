"""What a model is asked, in words: versioned presets, and the hash of every prompt.

| preset | |
|---|---|
| `bare` | the question alone |
| `short` | and a wish for one word or phrase |
| `vocab` | and the 42 answers |
| `typed` | and only the answers of the kind that is asked for, which gives that kind away |
| `mcq4` | and four options with letters: the answer among others of its kind, order drawn by seed |

The wording is ours. Names are written as people write them ('acoustic guitar'). A preset that
changes gets another version, so no answer to one wording stands for another.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from dataclasses import dataclass
from typing import Literal

from musicavqa.answers import ANSWERS
from musicavqa.answers.kinds import KINDS, kind_asked
from musicavqa.records import Question

Lists = Literal["nothing", "vocabulary", "kind", "options"]
_SLOT = re.compile(r"<(?:Object|LR|LRer|FL|LL|TH|BA)>")


@dataclass(frozen=True)
class Preset:
    """How a question is put; `version` changes with anything that changes a prompt."""

    name: str
    version: int
    asks: str
    """Follows the question; {answers} stands for what is listed."""
    lists: Lists = "nothing"
    n_options: int = 0
    system: str | None = None
    seed: int = 0
    """Of the options and their order."""

    @property
    def label(self) -> str:
        """Name and version, and a warning where the prompt tells more than the question."""
        told = {"kind": " (tells the kind of answer)", "options": " (tells options)"}
        return f"{self.name}/{self.version}{told.get(self.lists, '')}"


PRESETS = {
    preset.name: preset
    for preset in (
        Preset("bare", 1, ""),
        Preset("short", 1, "Answer with a single word or a short phrase."),
        Preset("vocab", 1, "Answer with exactly one of: {answers}.", "vocabulary"),
        Preset("typed", 1, "Answer with exactly one of: {answers}.", "kind"),
        Preset("mcq4", 1, "{answers}\nAnswer with the letter of one option.", "options", 4),
    )
}


@dataclass(frozen=True)
class Prompt:
    """A question in words, and what its candidates mean."""

    text: str
    system: str | None
    candidates: tuple[str, ...]
    """What is scored or chosen from: answers as people write them, or letters."""
    answers: tuple[str, ...]
    """The answer, one of the 42, that each candidate stands for."""
    options: tuple[str, ...] = ()
    """Of a choice by letters, A first."""

    def mark(self) -> str:
        """Short hash of every word of it."""
        text = json.dumps([self.text, self.system, self.candidates, self.options])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def preset(name: str) -> Preset:
    """The preset of this name; ValueError where there is none."""
    if name not in PRESETS:
        raise ValueError(f"There is no prompt preset {name!r}; there are {', '.join(PRESETS)}.")
    return PRESETS[name]


def build(question: Question, how: Preset) -> Prompt:
    """The prompt of a question; ValueError for an unfilled slot, or options without an answer."""
    if found := _SLOT.search(question.text):
        raise ValueError(
            f"{question.key} has the unfilled slot {found.group()}: {question.text!r}. "
            "Fill it before a model is asked."
        )
    kind = kind_asked(question.template)
    answers: tuple[str, ...] = KINDS[kind] if how.lists == "kind" and kind else ANSWERS
    if how.lists == "options":
        answers = _options(question, how)
        letters = tuple(chr(ord("A") + place) for place in range(len(answers)))
        listed = "\n".join(f"{a}. {b}" for a, b in zip(letters, map(spoken, answers), strict=True))
        return Prompt(
            _join(question.text, how.asks, listed), how.system, letters, answers,
            tuple(map(spoken, answers)),
        )  # fmt: skip
    names = tuple(map(spoken, answers))
    return Prompt(_join(question.text, how.asks, ", ".join(names)), how.system, names, answers)


def spoken(answer: str) -> str:
    """An answer as people write it."""
    return answer.replace("_", " ")


def _join(question: str, asks: str, listed: str) -> str:
    return f"{question.strip()}\n{asks.replace('{answers}', listed)}".strip()


def _options(question: Question, how: Preset) -> tuple[str, ...]:
    """The answer and others of its kind, in an order drawn from the seed and the question's key."""
    if question.answer is None:
        raise ValueError(f"{question.key} has no known answer, so it has no options. Use short.")
    kind = kind_asked(question.template)
    pool = KINDS[kind] if kind and question.answer in KINDS[kind] else ANSWERS
    digest = hashlib.sha256(f"{how.seed}\0{question.key}".encode()).digest()
    draw = random.Random(int.from_bytes(digest[:8], "big"))
    others = [answer for answer in pool if answer != question.answer]
    options = draw.sample(others, min(how.n_options - 1, len(others)))
    options.insert(draw.randrange(len(options) + 1), question.answer)
    return tuple(options)

"""Match a free question to one of the 33 templates, or say that it cannot be asked.

A verbatim question is parsed. Any other is searched for instruments, positions and order words
(with synonyms); these are replaced by fixed words, and the sentence embedding of what remains is
compared with prototypes of each template. A template must fit the number and kind of the words
found, and have a place for every other word (`question_words`). Prototypes of questions that cannot
be answered (`template` 0) pull such questions away. Two questions in one text are declined.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.ask import question_words
from musicavqa.ask.slot_words import (
    CROSS,
    EXAMPLES,
    KINDS,
    LEFT_OUT,
    MASKS,
    PICKED,
    REVERSALS,
    REWORDINGS,
    WORDS,
    mentions,
)
from musicavqa.files import parse_json
from musicavqa.questions import SLOTS, TEMPLATES, fill, parse, template

PROTOTYPES = Path(__file__).parent / "paraphrases.jsonl"
EMBEDDINGS = Path(__file__).parent / "paraphrases.npy"
"""Embeddings of PROTOTYPES and of the 33 templates; written by `write_embeddings`."""
THRESHOLD = 0.55
"""Least similarity of an accepted question; chosen as docs/matching.md says."""
N_ALTERNATIVES = 3
WITHOUT_PLACES = {26: 4, 27: 5}
"""A comparison by place and instrument, and the same one by instrument alone."""

OTHER_SENSE = {7: 1, 8: 20, 9: 21, 10: 3}
"""A question about the picture, and the same one about the sound."""
_IN_PICTURE = re.compile(r"\b(?:video|clip|film|footage|movie)\b")

Found = dict[str, list[str]]
"""Slot values by kind, in order of mention; ordinals stand under 'TH'."""


@dataclass(frozen=True)
class Match:
    """What a free question was understood as.

    `template` is None when it cannot be asked; `alternatives` then are the closest questions that
    can, or those that the text asks one after the other. Beside a template they hold the other way
    to understand a text that asks neither of the sound nor of the picture. `similarity` is the
    cosine to the nearest prototype that fits, 1 for a verbatim question.
    """

    text: str
    template: int | None
    slots: tuple[str, ...]
    similarity: float
    alternatives: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    """Words that the question has and what was understood has not; where nothing was understood,
    those that no template has a place for."""

    @property
    def question(self) -> str | None:
        """The filled template, as the data sets write it."""
        return None if self.template is None else fill(self.template, self.slots)


def match(text: str, threshold: float = THRESHOLD) -> Match:
    """The template and slots that `text` asks for."""
    if exact := parse(text):
        return Match(text, *exact, 1.0)
    return match_all([text], threshold)[0]


def match_all(texts: Sequence[str], threshold: float = THRESHOLD) -> list[Match]:
    """As `match`, for many questions in one pass of the encoder."""
    spelt = [question_words.spelt(_lower(text), WORDS, is_word) for text in texts]
    heard = [read(text) for text in spelt]
    embeddings = _encoder().embed([masked for masked, _ in heard])
    numbers, rows = _prototypes()
    similarities = embeddings @ rows.T  # (n, prototypes)
    return [
        Match(text, *exact, 1.0)
        if (exact := parse(text))
        else _decide(Heard(text, plain, found), _best(numbers, line), threshold)
        for text, plain, (_, found), line in zip(texts, spelt, heard, similarities, strict=True)
    ]


@dataclass(frozen=True)
class Heard:
    """A question as it was asked, put right, and the slot words found in it."""

    text: str
    plain: str
    found: Found

    @property
    def words(self) -> question_words.Words:
        """What its other words mean."""
        return _words(_reworded(self.plain)[0])


def _words(plain: str) -> question_words.Words:
    """The words beside those that fill slots."""
    picked = PICKED.sub("pick", plain)
    return question_words.look_up(mentions().sub(question_words.MENTION, picked))


def _lower(text: str) -> str:
    return re.sub(r"[’`]", "'", text.lower()).replace("_", " ").strip()


def _reworded(plain: str) -> tuple[str, bool]:
    """Without words that would be mistaken for slots, and whether a comparison was turned round."""
    for pattern, replacement in (*REWORDINGS, *LEFT_OUT):
        plain = re.sub(pattern, replacement, plain)
    is_reversed = False
    for pattern, replacement in REVERSALS:
        plain, n = re.subn(pattern, replacement, plain)
        is_reversed ^= n > 0
    return plain, is_reversed


def read(text: str) -> tuple[str, Found]:
    """The question with its slot words replaced by fixed ones, and the words found.

    'Is the flute quieter than the sax?' becomes 'is the violin louder than the flute?' with
    Object = [saxophone, flute]: reversed comparisons are turned round.
    """
    plain, is_reversed = _reworded(_lower(text))
    found: Found = {}

    def mask(mention: re.Match[str]) -> str:
        kind, value = WORDS[mention[0]]
        values = found.setdefault(kind, [])
        values.append(value)
        return MASKS[kind][min(len(values), 2) - 1]

    masked = mentions().sub(mask, plain)
    return masked, {k: v[::-1] for k, v in found.items()} if is_reversed else found


def fit(number: int, found: Found) -> tuple[str, ...] | None:
    """Slots of template `number` filled with every word found, or None when they do not fit.

    Nor do they where an instrument would be told from itself: a violin louder than the violin.
    """
    left = {kind: list(values) for kind, values in found.items()}
    slots = []
    for name in template(number).slots:
        value = next((v for kind in KINDS[name] if (v := _take(left, kind, name))), None)
        if value is None:
            return None
        slots.append(value)
    names = [v for name, v in zip(template(number).slots, slots, strict=True) if name == "Object"]
    alike = number not in WITHOUT_PLACES and len(set(names)) < len(names)
    return None if alike or any(left.values()) else tuple(slots)


def _take(left: Found, kind: str, name: str) -> str | None:
    """The next word of `kind` as a value of slot `name`, taken out of `left`."""
    if not left.get(kind):
        return None
    value = CROSS.get((kind, name), {}).get(left[kind][0], left[kind][0])
    if value not in SLOTS[name]:
        return None
    left[kind].pop(0)
    return value


def _decide(heard: Heard, best: dict[int, float], threshold: float) -> Match:
    """The most similar template that fits and has a place for every word, if it is near enough."""
    text, found, words = heard.text, heard.found, heard.words
    parts = question_words.questions_in(heard.plain)
    if len(parts) > 1:
        understood = (part.question for part in match_all(parts, threshold))
        return Match(text, None, (), 0.0, tuple(question for question in understood if question))
    ranked = sorted((n for n in best if n), key=lambda n: -best[n])
    fitting = [(n, slots) for n in ranked if (slots := fit(n, found)) is not None]
    placed = [(n, slots) for n, slots in fitting if words.have_place(n)]
    if placed:
        number, slots = placed[0]
        if best[number] >= max(threshold, best[0]):
            return Match(text, number, slots, best[number], _otherwise(heard, number, slots))
    near = next((n for n in ranked if words.have_place(n)), ranked[0])
    simpler = _without_places(near, found) if words.have_place(near) else None
    if simpler and best[near] >= max(threshold, best[0]):
        return Match(text, *simpler, best[near], unused=tuple(found["LR"]))
    near_by = [n for n, _ in fitting] + [n for n in ranked if n not in dict(fitting)]
    alternatives = tuple(_example(n, found) for n in near_by[:N_ALTERNATIVES])
    similarity = best[fitting[0][0]] if fitting else 0.0
    return Match(text, None, (), similarity, alternatives, words.unknown)


def _otherwise(heard: Heard, number: int, slots: tuple[str, ...]) -> tuple[str, ...]:
    """The same question of the other sense, where the text does not say which it means."""
    other = OTHER_SENSE.get(number)
    if other is None or not heard.words.name_no_sense or _IN_PICTURE.search(heard.plain):
        return ()
    return (fill(other, slots),)


def _without_places(number: int, found: Found) -> tuple[int, tuple[str, ...]] | None:
    """A comparison in which only one place is said, as the question that needs none."""
    base = WITHOUT_PLACES.get(number)
    if base is None or len(found.get("LR", ())) != 1:
        return None
    slots = fit(base, {kind: values for kind, values in found.items() if kind != "LR"})
    return None if slots is None else (base, slots)


def _best(numbers: np.ndarray, similarities: np.ndarray) -> dict[int, float]:
    """Highest similarity of each template number; 0 stands for no template."""
    return {int(n): float(similarities[numbers == n].max()) for n in np.unique(numbers)}


def _example(number: int, found: Found) -> str:
    """Template `number` with the words found, and other examples where there are none."""
    left = {kind: list(values) for kind, values in found.items()}
    slots: list[str] = []
    for name in template(number).slots:
        said = next((v for kind in KINDS[name] if (v := _take(left, kind, name))), None)
        if name == "Object" and number not in WITHOUT_PLACES and said in slots:
            said = None
        spare = (v for v in EXAMPLES.get(name, SLOTS[name]) if v not in slots)
        slots.append(said or next(spare))
    return fill(number, slots)


def is_word(text: str) -> bool:
    """Whether the sentence encoder knows it whole."""
    return bool(_encoder().has_word(text))


@cache
def _encoder() -> Any:
    from musicavqa.features.encoders.text_minilm import load

    return load()


@cache
def _prototypes() -> tuple[np.ndarray, np.ndarray]:
    """Template numbers (n,) and embeddings (n, 384) of all prototypes, the templates included.

    Of questions that cannot be asked only those count whose words all have a place somewhere: the
    others are kept out by their words, and would keep out questions that have none of these.
    """
    numbers = np.array([number for number, _ in prototypes()])
    rows = np.load(EMBEDDINGS).astype(np.float32)
    if len(rows) != len(numbers):
        raise ValueError(
            f"{EMBEDDINGS.name} has {len(rows)} rows for {len(numbers)} prototypes. "
            "Write it again with musicavqa.ask.matching.write_embeddings()."
        )
    counts = np.array([number > 0 or not _words(text).unknown for number, text in prototypes()])
    return numbers[counts], rows[counts]


def prototypes() -> list[tuple[int, str]]:
    """(template number or 0, masked text) of every prototype, then of the templates themselves."""
    lines = [parse_json(line) for line in PROTOTYPES.read_text(encoding="utf-8").splitlines()]
    rows = [(int(line["template"]), str(line["text"])) for line in lines]
    rows += [(item.number, item.text) for item in TEMPLATES]
    return [(number, _mask_template(text)) for number, text in rows]


def write_embeddings(path: Path = EMBEDDINGS) -> None:
    """Embed the prototypes anew; needed after every change of paraphrases.jsonl or of the masks."""
    rows = _encoder().embed([text for _, text in prototypes()])
    np.save(path, rows.astype(np.float16))


def _mask_template(text: str) -> str:
    """A prototype with its <Slot> marks replaced as `read` replaces words."""
    seen: dict[str, int] = {}

    def mask(mark: re.Match[str]) -> str:
        kind = KINDS[mark[1]][0]
        seen[kind] = seen.get(kind, 0) + 1
        return MASKS[kind][min(seen[kind], 2) - 1]

    return re.sub(r"<(\w+)>", mask, text).replace("？", "?").strip().lower()

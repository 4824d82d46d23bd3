"""Other wordings of every question: a file of paraphrased templates joined to a question list.

MUSIC-AVQA-R is the test set of MUSIC-AVQA in other words, 21 to 33 for each template, with the same
videos and answers. This makes such a set of any other from a file of paraphrases; the package
brings its own (`PARAPHRASES`, at least 20 for each template, none taken from MUSIC-AVQA-R).

A line of the file is `{"template": 4, "text": "Compared with the <Object2>, is the <Object1> the
louder one?"}`. Slots are named as `slot_names` says, so a paraphrase may change their order.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from musicavqa.files import parse_json
from musicavqa.questions import TEMPLATES, template
from musicavqa.records import Question

PARAPHRASES = Path(__file__).parent / "paraphrases.jsonl"

Paraphrases = Mapping[int, Sequence[str]]
"""Paraphrased texts, with named slots, by template number."""

_MARK = re.compile(r"<(\w+)>")
_ARTICLE = re.compile(r"\b([Aa]) <(\w+)>")
_AN = ("accordion", "acoustic_guitar", "electric_bass", "erhu")
"""Instruments that take 'an'; a ukulele does not."""


@cache
def slot_names(number: int) -> tuple[str, ...]:
    """Names of a template's slots from left to right; a repeated one is numbered from 1."""
    names = template(number).slots
    total, seen = Counter(names), Counter[str]()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}{seen[name]}" if total[name] > 1 else name)
    return tuple(found)


def read_paraphrases(path: Path = PARAPHRASES) -> dict[int, list[str]]:
    """The paraphrases of a JSONL file by template number, in the order of the file.

    Raises ValueError, naming the line, for anything that is no paraphrase: an unknown template,
    a slot left out, unknown or used twice, or a sentence that is there already.
    """
    found: dict[int, list[str]] = {}
    known: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = parse_json(line)
            of, text = int(row["template"]), str(row["text"])
            _check(of, text)
            _check_new(text, known)
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} line {number} is no paraphrase: {error}") from error
        known[_plain(text)] = number
        found.setdefault(of, []).append(text)
    return found


def rephrase(
    questions: Iterable[Question], paraphrases: Paraphrases | None = None
) -> list[Question]:
    """Every question in all wordings of its template; the original wording is not among them.

    `paraphrases` are wordings by template number (`read_paraphrases`); None takes our own.

    The k-th paraphrase of a template (from 1) gets the key `<key of the original>/r<k>`, and
    `rephrases` is the key of the original. Clip, slots, cell and answer stay as they are. Raises
    ValueError when a template that is asked has no paraphrase, and for a question that is itself
    another wording.
    """
    paraphrases = read_paraphrases() if paraphrases is None else paraphrases
    return [
        replace(question, key=f"{question.key}/r{place}", text=text, rephrases=question.key)
        for question in questions
        for place, text in enumerate(_wordings(question, paraphrases), start=1)
    ]


def fill_paraphrase(number: int, text: str, slots: Sequence[str]) -> str:
    """A paraphrase of template `number` with the template's slot values; 'a' becomes 'an'."""
    values = dict(zip(slot_names(number), slots, strict=True))
    text = _ARTICLE.sub(
        lambda found: f"{found[1]}n <{found[2]}>" if values[found[2]] in _AN else found[0], text
    )
    return _MARK.sub(lambda found: values[found[1]], text)


def _wordings(question: Question, paraphrases: Paraphrases) -> list[str]:
    if question.rephrases is not None:
        raise ValueError(
            f"{question.key} is another wording of {question.rephrases} already. "
            "Rephrase the set it was made from."
        )
    texts = paraphrases.get(question.template, ())
    if not texts:
        raise ValueError(
            f"There is no paraphrase of template {question.template}, which {question.key} asks. "
            "Add one to the file."
        )
    return [fill_paraphrase(question.template, text, question.slots) for text in texts]


def _check(number: int, text: str) -> None:
    wanted, given = Counter(slot_names(number)), Counter(_MARK.findall(text))
    if wanted != given:
        raise ValueError(
            f"{text!r} has the slots {sorted(given.elements())}, "
            f"template {number} needs {sorted(wanted.elements())} once each."
        )
    if "<" in _MARK.sub("", text) or not text.strip():
        raise ValueError(f"{text!r} is empty or has a broken slot mark.")


def _check_new(text: str, known: Mapping[str, int]) -> None:
    plain = _plain(text)
    if plain in known:
        raise ValueError(f"{text!r} is on line {known[plain]} already.")
    if plain in _originals():
        raise ValueError(f"{text!r} is the template itself.")


@cache
def _originals() -> frozenset[str]:
    return frozenset(_plain(item.text) for item in TEMPLATES)


def _plain(text: str) -> str:
    """A sentence by its words only: case, punctuation and slot numbers do not make a new one."""
    return " ".join(re.findall(r"[\w'<>]+", re.sub(r"\d+>", ">", text.lower())))

"""Named ways to turn the text of a model into a right or a wrong answer.

`span` is the default for free text, `exact` asks for the bare answer, `mcq` reads the letter of an
option, and `contains_legacy` exists only to reproduce published tables: it looks for the right
answer in the text, so a sentence that names many answers scores high.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from musicavqa.answers import ANSWERS, index
from musicavqa.answers.kinds import kind_asked
from musicavqa.answers.reading import RULE_VERSION, Reading, normalise, read
from musicavqa.records import Question

SCORERS = ("span", "exact", "mcq", "contains_legacy")
_UNREAD = ("empty", "error")


def rule_name(scorer: str) -> str:
    """The scorer with the version of its rule, as it is written beside a score: 'span/1'."""
    if scorer not in SCORERS:
        raise ValueError(f"There is no scorer {scorer!r}; there are {', '.join(SCORERS)}.")
    return f"{scorer}/{RULE_VERSION}"


def read_answer(
    text: str | None, question: Question, scorer: str = "span", options: Sequence[str] = ()
) -> Reading:
    """What `text` answers to `question`; `options` (A first) are needed by, and only by, 'mcq'."""
    if scorer == "mcq":
        return read_choice(text, options)
    if scorer == "exact":
        return read_exact(text)
    if scorer == "span":
        return read(text, kind_asked(question.template), named_in(question))
    raise ValueError(f"{scorer!r} does not read an answer; take span, exact or mcq.")


def named_in(question: Question) -> tuple[str, ...]:
    """The answers that a question itself names in its slots."""
    return tuple(value for value in question.slots if value in ANSWERS)


def read_exact(text: str | None) -> Reading:
    """The answer, if the normalised text is that answer and nothing else."""
    reading = read(text)
    if reading.outcome in ("exact", *_UNREAD):
        return reading
    return Reading(None, "none")


def contains(text: str | None, answer: str) -> bool:
    """The containment rule of published work: the right answer occurs anywhere in the text."""
    return text is not None and answer.lower() in text.lower()


def read_choice(text: str | None, options: Sequence[str]) -> Reading:
    """The option that a text chooses, by its letter or by its words; never a default.

    Where letter and words disagree, or several letters are named, the text is ambiguous. An option
    that is none of the 42 answers can be chosen, but reads as none.
    """
    if not 2 <= len(options) <= 26:
        raise ValueError(f"A choice needs 2 to 26 options, got {len(options)}.")
    plain = read(text)
    if text is None or plain.outcome in _UNREAD:
        return plain
    letters = _letters(text, len(options))
    by_letter = [options[place] for place in letters]
    by_words = [option for option in options if plain.answer and _answer(option) == plain.answer]
    by_words += [option for option in options if normalise(option) == normalise(text)]
    chosen = set(by_letter) | set(by_words)
    if not chosen:
        return Reading(None, plain.outcome if plain.answer is None else "none")
    if len(chosen) > 1:
        return Reading(None, "ambiguous", tuple(sorted(chosen)))
    option = chosen.pop()
    answer = _answer(option)
    outcome = "exact" if by_letter or plain.outcome == "exact" else "span"
    return Reading(answer, outcome) if answer else Reading(None, "none")  # type: ignore[arg-type]


def _answer(option: str) -> str | None:
    """The answer an option stands for, when it is one of the 42."""
    reading = read(option)
    return ANSWERS[index(reading.answer)] if reading.answer else None


def _letters(text: str, n_options: int) -> list[int]:
    """Places of the option letters that the text names; a lone 'a' counts, the article does not."""
    last = chr(ord("A") + n_options - 1)
    alone = re.fullmatch(rf"\W*(?:option |choice )?([A-{last}])\W*", text.strip(), re.IGNORECASE)
    if alone:
        return [ord(alone.group(1).upper()) - ord("A")]
    patterns = (
        rf"^\W*([A-{last}])[.):]",
        rf"\(([A-{last}])\)",
        rf"(?i:\boption|\bchoice|\banswer(?: is)?:?|\\boxed\{{)\W{{0,3}}([A-{last}])\b(?! \w)",
    )
    found = {letter for pattern in patterns for letter in re.findall(pattern, text.strip())}
    return sorted(ord(letter) - ord("A") for letter in found)

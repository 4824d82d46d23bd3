"""Free text -> one of the 42 answers, or a word why not. docs/scoring.md is the specification.

Every score names the rule it was read by, so RULE_VERSION changes with anything here or in `forms`
that can change a reading. Nothing is guessed: two candidates make a text ambiguous.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import Literal, get_args

from musicavqa.answers import ANSWERS, number_word
from musicavqa.answers.forms import NUMBER_WORDS, TENS, WHOLE_ONLY, forms
from musicavqa.answers.kinds import KINDS

RULE_VERSION = "1"

Outcome = Literal["exact", "alias", "span", "ambiguous", "none", "refusal", "empty", "error"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)

ERROR_TEXTS = frozenset(
    {"error", "nan", "failed to obtain answer", "failed to obtain answer via api"}
)
"""What harnesses write where a model gave no answer at all."""


@dataclass(frozen=True)
class Reading:
    """What a text was read as; `answer` is set for the outcomes exact, alias and span only."""

    answer: str | None
    outcome: Outcome
    candidates: tuple[str, ...] = ()
    """The answers between which an ambiguous text does not decide."""


@dataclass(frozen=True)
class _Hit:
    """Answers that the text may mean at one place; none for a number that is not a count."""

    start: int
    end: int
    answers: tuple[str, ...]


@lru_cache(maxsize=1 << 16)
def read(text: str | None, kind: str | None = None, named: tuple[str, ...] = ()) -> Reading:
    """Read one text. None stands for a model that failed, and is an error.

    `kind` is the kind of answer that the question asks for (`kinds.kind_asked`), `named` the
    answers that the question itself names: in "The cello plays beside the violin", after a question
    about the violin, the violin is an echo.
    """
    if text is None:
        return Reading(None, "error")
    spoken = _spoken(text)
    plain = normalise(spoken)
    if plain in ERROR_TEXTS:
        return Reading(None, "error")
    if not plain:
        return Reading(None, "empty")
    whole = _whole(plain, kind)
    if whole is not None:
        return whole
    return _within(_folded(spoken), kind, named)


def normalise(text: str) -> str:
    """Compatibility forms folded, lower case, blanks for hyphens, underscores and mark-up; without
    leading articles and without punctuation at the ends. Idempotent."""
    folded = re.sub(r"\s+", " ", _folded(text))
    return _without_end(_LEADING.sub("", folded))


def _without_end(text: str) -> str:
    """The text up to its last letter or digit, or up to the plus that follows a digit."""
    end = len(text)
    while end and not text[end - 1].isalnum() and not _PLUS.match(text, max(0, end - 2)):
        end -= 1
    return text[:end]


def _spoken(text: str) -> str:
    """The text without its thinking: what stands between <think> marks is not the answer."""
    if "<" not in text:
        return text
    closed = list(re.finditer(r"</think(?:ing)?>", text, re.IGNORECASE))
    text = text[closed[-1].end() :] if closed else text
    opened = re.search(r"<think(?:ing)?>", text, re.IGNORECASE)
    return text[: opened.start()] if opened else text


def _folded(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", text)  # folding case may undo the normal form
    text = re.sub(r"[’`´]", "'", text)
    text = re.sub(r"[_*#\"“”]|(?<=[^\W\d])[-‐‑–](?=[^\W\d])", " ", text)
    return re.sub(r"[^\S\n]+", " ", text)


def _whole(plain: str, kind: str | None) -> Reading | None:
    """The reading of a text that holds an answer or an alias and nothing else."""
    if plain in _PLAIN:
        return Reading(_PLAIN[plain], "exact")
    if plain in WHOLE_ONLY:
        return Reading(WHOLE_ONLY[plain], "alias")
    if plain == "none" and kind == "count":
        return Reading("zero", "alias")
    found = _pattern().fullmatch(plain)
    meant = _meant(found) if found else ()
    if len(meant) == 1:
        return Reading(meant[0], "alias")
    return Reading(None, "ambiguous", meant) if meant else None


def _within(text: str, kind: str | None, named: Sequence[str]) -> Reading:
    """The reading of a longer text: its last final answer first, then all of it."""
    final = [found.group(1) for found in _FINAL.finditer(text) if found.group(1).strip()]
    if final:
        reading = _choose(_hits(final[-1], kind), final[-1], kind, named)
        if reading.outcome != "none":
            return reading
    elif _REFUSAL.search(text):
        return Reading(None, "refusal")
    reading = _choose(_hits(text, kind), text, kind, named)
    refused = reading.outcome == "none" and _REFUSAL.search(text)
    return Reading(None, "refusal") if refused else reading


def _choose(hits: list[_Hit], text: str, kind: str | None, named: Sequence[str]) -> Reading:
    """The one answer that the hits agree on, of the kind that is asked for if any is."""
    wanted = set(KINDS[kind]) if kind else set(ANSWERS)
    asked = [hit for hit in hits if wanted.intersection(hit.answers)] or hits
    asked = _without_echoes(asked, text, named)
    certain = {hit.answers[0] for hit in asked if len(hit.answers) == 1}
    unclear = {
        answer
        for hit in asked
        if len(hit.answers) > 1 and not certain.intersection(hit.answers)
        for answer in hit.answers
    }
    candidates = certain | unclear
    if not candidates:
        return Reading(None, "none")
    if len(candidates) == 1:
        return Reading(candidates.pop(), "span")
    return Reading(None, "ambiguous", tuple(sorted(candidates)))


def _without_echoes(hits: list[_Hit], text: str, named: Sequence[str]) -> list[_Hit]:
    """Drop what the question named itself, in sentences that name something else too."""
    kept = []
    for _, near in groupby(hits, _sentence_of(text)):
        sentence = list(near)
        others = [hit for hit in sentence if not set(hit.answers).intersection(named)]
        kept += others or sentence
    return kept


def _sentence_of(text: str) -> Callable[[_Hit], int]:
    """Says in which sentence of the text a hit begins."""
    ends = [found.start() for found in re.finditer(r"[.!?\n]", text)]
    return lambda hit: bisect_right(ends, hit.start)


def _hits(text: str, kind: str | None) -> list[_Hit]:
    """Answers named in the text, without those that are denied or mean something else there."""
    hits: list[_Hit] = []
    denied_until = -1
    leading = len(text) - len(text.lstrip()) if kind == "yes/no" else -1
    for found in _pattern().finditer(text):
        meant = _meant(found)
        if not meant or _is_another_word(meant, found, text, found.start() <= leading):
            continue
        before = text[max(0, found.start() - _LOOK_BACK) : found.start()]
        listed = denied_until >= 0 and _LISTED.fullmatch(text, denied_until, found.start())
        if meant[0] not in ("yes", "no") and (listed or _DENIED.search(before)):
            denied_until = found.end()
            continue
        hits.append(_Hit(found.start(), found.end(), meant))
    return hits


def _is_another_word(meant: tuple[str, ...], found: re.Match[str], text: str, leads: bool) -> bool:
    """'no' before a noun unless it `leads` what answers yes or no, 'one' as a pronoun."""
    if meant == ("no",):
        return not leads and _CLAUSE_ENDS.match(text, found.end()) is None
    if found.group() == "one":
        before = text[max(0, found.start() - _LOOK_BACK) : found.start()]
        return bool(_BEFORE_PRONOUN.search(before) or _AFTER_PRONOUN.match(text, found.end()))
    return False


def _meant(found: re.Match[str]) -> tuple[str, ...]:
    """The answers behind a match of `_pattern`; none for another thing or a number not counted."""
    if found["form"]:
        return forms()[found["form"]]
    if found["unit"] or found["minus"]:
        return ()
    count = _count(found["number"])
    if count is None:
        return ()
    bound, more = found["bound"], found["more"]
    if bound in ("more than", "greater than", "over", "above", ">"):
        return ("more than ten",) if count >= 10 else ()
    if bound == "at least" or more:
        return ("more than ten",) if count >= 11 else ()
    return () if bound else (number_word(count),)


def _count(number: str) -> int | None:
    """The value of '3', 'three' or 'twenty one'; None for 3.5, 0:35 or 1/2."""
    if number.isdecimal():
        return int(number.lstrip("0")[:3] or 0)  # above ten is above ten, however long
    if number in NUMBER_WORDS:
        return NUMBER_WORDS[number]
    words = number.split()
    return NUMBER_WORDS[words[0]] if words[0] in TENS else None


@cache
def _pattern() -> re.Pattern[str]:
    """All forms and numbers; at one place the longest form wins."""
    names = "|".join(re.escape(form) for form in sorted(forms(), key=len, reverse=True))
    words = "|".join(sorted(NUMBER_WORDS, key=len, reverse=True))
    tens = rf"(?:{'|'.join(TENS)}) (?:one|two|three|four|five|six|seven|eight|nine)"
    bounds = "more than|greater than|less than|fewer than|other than|over|above|under|below"
    bound = rf"(?P<bound>(?:{bounds}|at least|at most|up to)(?= )|[<>])"
    units = "s|secs?|seconds?|minutes?|mins?|percent|k?hz|db|bpm|fps|frames?|st|nd|rd|th|x"
    return re.compile(
        rf"(?<![\w'])(?:(?P<form>{names})(?!\w)"
        rf"|(?:{bound} ?)?(?<![\w'.:,/])(?P<minus>[-−])?"
        rf"(?P<number>\d+(?:[.:,/]\d+)*|(?:{tens}|{words})(?![\w']))"
        rf"(?P<more>\+| or more\b| plus\b)?(?P<unit> ?(?:{units})\b| ?%)?(?!\w))"
    )


_LOOK_BACK = 80  # characters before a hit that may deny it
_CLAUSE_ENDS = re.compile(r"\s*(?:$|[^\w\s])")
_PLAIN = {answer.replace("_", " "): answer for answer in ANSWERS}
_LEADING = re.compile(r"^(?:(?![<>\-−]\s?\d)[\W_]|(?:a|an|the)(?=[\W_]+[^\W_]))+")
_PLUS = re.compile(r"\d\+")
_FINAL = re.compile(
    r"(?:\banswer(?: to [^.!?:\n]{1,80})?(?: is| would be| should be|:|=)(?: that)?[\s:]*"
    r"|\\boxed\{|<answer>)([^.!?\n<}]*)"
)
_REFUSAL = re.compile(
    r"\b(?:(?:can ?not|can't|could not|couldn't|unable to|not able to|impossible to|not possible to"
    r"|hard to|difficult to) (?:be )?(?:determined?|answer|tell|identif\w+|say|know|assist|help"
    r"|provide|process|access|(?:hear|listen to|see|view|watch|play) (?:the |this |your |any )?"
    r"(?:audio|sound|video|file|clip|media|image|content|recording)s?)"
    r"|as an ai|not enough information|insufficient information|do not know|don't know|not sure"
    r"|not clear|unclear|unknown|undetermined|not specified|not provided|please provide"
    r"|i(?:'m| am) sorry|i apologi[sz]e)\b"
)
_DENIED = re.compile(
    r"(?:\b(?:not|no|never|without|neither|nor|except|excluding|unlike|cannot|rather than"
    r"|instead of|other than)|n't)"
    r"(?: (?:a|an|the|any|be|by|from|of|in|on|have|has|contain|include|show|hear|see|sound|sounds"
    r"|like|played|playing|there|its?|that|coming|another)){0,4} $"
)
_LISTED = re.compile(r"(?:,| or| and| nor| ?/)+ (?:(?:a|an|the|any) )?")
_BEFORE_PRONOUN = re.compile(
    r"\b(?:the|this|that|which|another|other|each|every|any|no|some|left|right|middle|first|second"
    r"|third|fourth|fifth|last|next|only the|loudest|lowest|louder|same|a|is the) $"
)
_AFTER_PRONOUN = re.compile(
    r" (?:of|another|by|that|which|who|whose|with|at|on the (?:left|right|middle)|in the)\b"
)

"""Questions that the benchmark has not, told apart by their whole wording.

A question is one of these only if all of it fits a pattern: a word that a pattern has no place for
("when does the loud violin come in") leaves it to the 33 templates, which decline.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from musicavqa.ask.question_words import spelt
from musicavqa.ask.slot_words import WORDS, mentions
from musicavqa.questions import parse

Rule = Literal["entry", "end", "duration", "instruments", "louder", "tempo", "key"]

MENTION = "\N{BULLET}"
_WHO = rf"(?:the |an? )?{MENTION}(?: player)?"
_IT = r"(?:it|they|this|that|(?:the|this) (?:music|piece|song|tune|performance|video|clip))"
_ALL = r"(?: (?:altogether|in all|in total|all in all|overall))?"
_STARTS = (
    r"(?:first (?:play|sound)s?"
    r"|(?:first )?(?:come in|comes in|enter|enters|join(?:s)?(?: in)?|set(?:s)? in"
    r"|(?:start|begin)s?(?: to play| playing| to sound| sounding)?))"
)
_STOPS = r"(?:(?:stop|finish|end|cease)s?(?: to play| playing| sounding)?|drops? out|goes silent)"
_TIME = r"(?:when|what time|at (?:what|which) (?:time|second|moment|point))"
_ONE = r"(?:do|can|could) (?:you|i|we|one)"
_PART = r"(?: (?:over time|as it goes on|towards? the end|by the end|with time|in the end))?"
_IN = rf"(?: (?:in|on|of|at|to) {_IT})?"

PATTERNS: dict[Rule, tuple[str, ...]] = {
    "entry": (
        rf"{_TIME} (?:does|do|did|will) {_WHO} {_STARTS}{_IN}",
        rf"{_TIME} (?:is|are) {_WHO} (?:first )?(?:heard|playing|audible)(?: first)?{_IN}",
        rf"{_TIME} {_ONE} first (?:hear|notice) {_WHO}{_IN}",
        rf"{_TIME} {_ONE} (?:hear|notice) {_WHO} for the first time{_IN}",
        rf"{_TIME} is {_WHO}'s (?:first note|entry|entrance){_IN}",
        rf"how (?:late|soon|early) (?:does|do|did) {_WHO} {_STARTS}{_IN}",
        rf"{_TIME} {_WHO} {_STARTS}{_IN}",
        rf"how long (?:does it take |is it )?(?:until|till|before) {_WHO} {_STARTS}{_IN}",
    ),
    "end": (
        rf"{_TIME} (?:does|do|did|will) {_WHO} {_STOPS}{_IN}",
        rf"(?:until|till) when (?:does|do|did|is|are|can) {_WHO} "
        rf"(?:play(?:ing)?|sound(?:ing)?|(?:be )?heard){_IN}",
    ),
    "duration": (
        rf"(?:for )?how (?:long|many seconds|much time) (?:does|do|did|is|are) {_WHO} "
        rf"(?:play(?:ing)?|sound(?:ing)?|heard|last)(?: for)?{_ALL}{_IN}",
        rf"(?:for )?how (?:long|many seconds|much time) {_ONE} hear {_WHO}(?: for)?{_ALL}{_IN}",
        rf"(?:for )?how (?:long|many seconds) (?:can|could) {_WHO} be heard(?: for)?{_ALL}{_IN}",
    ),
    "instruments": (
        rf"(?:which|what) (?:musical )?instruments (?:are there"
        rf"|{_ONE} (?:hear|see)|are (?:being )?(?:playing|played|sounding|heard|audible|used|seen"
        rf"|shown|visible|present|featured)){_ALL}{_IN}",
        rf"(?:which|what) (?:musical )?instruments (?:are|appear|sound|play|feature)(?: in {_IT})",
        rf"what are (?:all )?the (?:musical )?instruments{_ALL}{_IN}",
        rf"(?:list|name)(?: all)?(?: of)?(?: the)? (?:musical )?instruments{_IN}",
    ),
    "louder": (
        rf"(?:does|do|did) {_IT} (?:get|become|grow|turn) (?:louder|quieter|softer){_PART}",
        r"(?:does|do|did) the (?:volume|loudness) (?:go (?:up|down)|rise|fall|increase|decrease)"
        rf"{_PART}",
        rf"is {_IT} (?:getting|becoming|growing) (?:louder|quieter|softer){_PART}",
        rf"is there an? (?:crescendo|decrescendo|diminuendo){_IN}",
    ),
    "tempo": (
        rf"how (?:fast|slow|quick) is {_IT}",
        rf"what(?: is|'s|s)? (?:the )?(?:tempo|speed|bpm|pace){_IN}"
        r"(?: in (?:bpm|beats per minute))?",
        rf"(?:what|which) (?:tempo|speed|bpm) is {_IT}(?: (?:in|at|played at))?",
        rf"at (?:what|which) (?:tempo|speed) is {_IT}(?: played)?",
        rf"how many (?:beats per minute|bpm)(?: does {_IT} have| is {_IT}| are there)?",
    ),
    "key": (
        rf"(?:in )?(?:what|which) (?:musical )?key is {_IT}(?: in| played in| written in)?",
        rf"what(?: is|'s|s)? (?:the )?(?:musical )?key{_IN}",
        r"(?:in )?(?:what|which) (?:musical )?key (?:are|do) they play(?:ing)?(?: in)?",
        rf"is {_IT} (?:in )?(?:an? )?major or (?:in )?(?:an? )?minor(?: key)?",
        rf"(?:in )?(?:what|which) key do(?:es)? {_IT} (?:play|go)(?: in)?",
    ),
}
"""Rule -> patterns of whole questions; `MENTION` stands for an instrument."""
QUIETER = re.compile(r"\b(?:quieter|softer|decrescendo|diminuendo|down|fall|decrease)\b")
HEARD_ONLY = re.compile(r"\b(?:hear|heard|playing|played|play|sound|sounding|audible)\b")
SEEN_ONLY = re.compile(r"\b(?:see|seen|shown|visible)\b")
_ASKED = {rule: re.compile("|".join(found)) for rule, found in PATTERNS.items()}


@dataclass(frozen=True)
class Further:
    """A question beyond the 33 templates."""

    rule: Rule
    instrument: str | None = None
    sense: Literal["heard", "seen", "either"] = "either"
    """Of `instruments`: by which sense they are to be found."""
    falling: bool = False
    """Of `louder`: whether it was asked the other way round."""

    @property
    def understood(self) -> str:
        """What is answered, in plain words."""
        found = {"heard": "are heard", "seen": "are seen", "either": "are seen or heard"}
        return {
            "entry": f"When does the {self.instrument} come in?",
            "end": f"When does the {self.instrument} stop?",
            "duration": f"How long does the {self.instrument} play?",
            "instruments": f"Which instruments {found[self.sense]}?",
            "louder": f"Does it get {'quieter' if self.falling else 'louder'}?",
            "tempo": "What is the tempo?",
            "key": "What key is it in?",
        }[self.rule]


def match_further(text: str) -> Further | None:
    """The further question that all of `text` asks; None where it is none, or a template."""
    if parse(text):
        return None
    plain = re.sub(r"[’`]", "'", text.lower()).replace("_", " ").strip()
    plain = re.sub(r"^(?:(?:(?:can|could) you )?(?:please )?tell me|i want to know) ", "", plain)
    plain = re.sub(r"^(?:please|so|and|hey|ok(?:ay)?),? |[\s?!.]+$|,? please[?!. ]*$", "", plain)
    plain = re.sub(r"\s+", " ", spelt(plain, WORDS, _is_word))
    named = [WORDS[mention[0]] for mention in mentions().finditer(plain)]
    instruments = [value for kind, value in named if kind == "Object"]
    masked = mentions().sub(
        lambda mention: MENTION if WORDS[mention[0]][0] == "Object" else mention[0], plain
    )
    for rule, pattern in _ASKED.items():
        if pattern.fullmatch(masked):
            return Further(
                rule,
                instruments[0] if instruments else None,
                _sense(plain),
                bool(QUIETER.search(plain)),
            )
    return None


def _sense(plain: str) -> Literal["heard", "seen", "either"]:
    if HEARD_ONLY.search(plain):
        return "heard"
    return "seen" if SEEN_ONLY.search(plain) else "either"


def _is_word(word: str) -> bool:
    from musicavqa.ask.matching import is_word

    return is_word(word) or any(word in pattern for found in PATTERNS.values() for pattern in found)

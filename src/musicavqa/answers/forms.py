"""How people and models write the 42 answers: the table behind `reading`, part of its version.

A form is matched on word boundaries in normalised text (lower case, hyphens and underscores are
blanks); the longest form at a place wins. Regular plurals of instruments are added by `forms`.
"""

from __future__ import annotations

from functools import cache

from musicavqa.answers import ANSWERS, NUMBERS
from musicavqa.questions import INSTRUMENTS

ALIASES: dict[str, tuple[str, ...]] = {
    "accordion": ("accordian", "piano accordion", "button accordion"),
    "acoustic_guitar": (
        "classical guitar", "spanish guitar", "folk guitar", "nylon string guitar",
        "steel string guitar",
    ),
    "bagpipe": ("bag pipe", "bag pipes"),
    "cello": ("violoncello", "celli"),
    "congas": ("conga", "conga drum", "conga drums"),
    "drum": ("drum kit", "drum set", "drumkit", "drumset", "snare drum", "bass drum"),
    "electric_bass": (
        "bass guitar", "electric bass guitar", "electrical bass", "bass guitars",
        "electric bass guitars",
    ),
    "erhu": ("er hu", "chinese fiddle", "chinese violin"),
    "guzheng": ("gu zheng", "chinese zither"),
    "piano": ("grand piano", "upright piano", "pianoforte"),
    "pipa": ("pi pa", "chinese lute"),
    "saxophone": ("sax", "saxes", "saxaphone"),
    "suona": ("suo na", "chinese oboe"),
    "ukulele": ("uke", "ukelele"),
    "violin": ("fiddle", "fiddles"),
    "left": ("leftmost", "leftest"),
    "right": ("rightmost", "rightest"),
    "middle": ("center", "centre", "central"),
    "simultaneously": ("simultaneous", "at the same time", "at once"),
    "indoor": ("indoors", "inside"),
    "outdoor": ("outdoors", "outside", "open air"),
    "yes": ("yeah", "yep", "yup"),
    "no": ("nope",),
}  # fmt: skip

WHOLE_ONLY: dict[str, str] = {"true": "yes", "false": "no", "y": "yes", "n": "no"}
"""Aliases only where nothing else is said."""

UNDECIDED: dict[str, tuple[str, ...]] = {
    "guitar": ("acoustic_guitar", "electric_bass"),
    "guitars": ("acoustic_guitar", "electric_bass"),
}
"""Words that may mean several of the 42; one that is named elsewhere in the text explains them."""

OTHER_THINGS = (
    "electric guitar", "electric guitars", "electro acoustic guitar", "double bass",
    "bass clarinet", "thumb piano", "toy piano", "steel drum", "steel drums", "pan flute",
    "at the same time as", "simultaneously with", "left hand", "right hand", "right now",
    "right after", "right before", "right away", "right at", "all right", "right answer",
    "that's right", "you are right", "is right that", "middle of the video",
    "middle of the clip", "middle of the song", "middle of the piece", "middle of the recording",
    "middle of the performance", "at first", "at one point", "no one", "one another",
)  # fmt: skip
"""Longer phrases that hold an answer's word but do not mean that answer."""

SIDES = ("left hand side", "right hand side", "left hand end", "right hand end")

_SMALL = (
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(NUMBERS[:11])},
    **{word: value for value, word in enumerate(_SMALL, start=11)},
    **{word: 10 * value for value, word in enumerate(TENS, start=2)},
    "half a dozen": 6,
    "a dozen": 12,
    "dozens": 24,
    **dict.fromkeys(("hundred", "hundreds", "a hundred", "one hundred", "thousand"), 100),
}


@cache
def forms() -> dict[str, tuple[str, ...]]:
    """Form -> answers it may mean: one, several (undecided) or none (another thing).

    Numbers are not here: `reading` parses them.
    """
    found: dict[str, tuple[str, ...]] = {phrase: () for phrase in OTHER_THINGS}
    for answer in (answer for answer in ANSWERS if answer not in NUMBERS):
        plain = answer.replace("_", " ")
        for form in (plain, *ALIASES.get(answer, ())):
            found[form] = (answer,)
        if answer in INSTRUMENTS:
            found[plain if plain.endswith("s") else f"{plain}s"] = (answer,)
            found |= {f"{form}s": (answer,) for form in ALIASES.get(answer, ()) if form[-1] != "s"}
    found["electric basses"] = ("electric_bass",)
    found |= UNDECIDED | {side: (side.split()[0],) for side in SIDES}
    return found

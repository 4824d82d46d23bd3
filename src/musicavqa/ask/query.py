"""What a search asks for: "solo cello, no drums", as terms that all shall hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from musicavqa.ask.slot_words import WORDS, mentions

Kind = Literal["instrument", "players", "voice", "outdoor", "indoor", "silent"]

ENSEMBLES = {
    "solo": 1, "duo": 2, "duet": 2, "trio": 3, "quartet": 4, "quintet": 5,
    "one player": 1, "two players": 2, "three players": 3, "four players": 4, "five players": 5,
}  # fmt: skip
SETTINGS: dict[str, Kind] = {
    "voice-over": "voice", "voiceover": "voice", "speech": "voice", "talking": "voice",
    "announcement": "voice", "outdoor": "outdoor", "outdoors": "outdoor", "outside": "outdoor",
    "open air": "outdoor", "indoor": "indoor", "indoors": "indoor", "inside": "indoor",
    "silent": "silent", "silence": "silent", "no sound": "silent",
}  # fmt: skip
PLACES = {"left": "left", "right": "right", "middle": "middle", "centre": "middle",
          "center": "middle"}  # fmt: skip
NOT = ("no", "not", "without", "never")
SMALL = {"a", "an", "the", "with", "and", "in", "on", "at", "of", "to", "by", "plus", "both",
         "playing", "plays", "sounding", "heard", "music", "clip", "clips", "video", "videos",
         "performance", "from", "only", "some", "side"}  # fmt: skip


@dataclass(frozen=True)
class Term:
    """One thing that shall hold, or with `negated` shall not."""

    kind: Kind
    value: str | int = ""
    """Name of the instrument, or number of players that sound."""
    place: str | None = None
    """Of an instrument: where in the picture it is played."""
    negated: bool = False

    @property
    def text(self) -> str:
        """As a person would write it."""
        said = {"players": f"{self.value} playing", "voice": "speech", "instrument": self.value}
        where = f" ({self.place})" if self.place else ""
        return f"{'no ' if self.negated else ''}{said.get(self.kind, self.kind)}{where}"


def parse_query(text: str) -> tuple[Term, ...]:
    """The terms of a search; ValueError that names a word which means none, and near ones."""
    terms: list[Term] = []
    for part in re.split(r"[,;+]|\band\b|\bbut\b|\bplus\b|\bwith(?!out)\b", text.lower()):
        terms += _terms(re.sub(r"[_\s]+", " ", part).strip(" .?!"))
    if not terms:
        raise ValueError(f'{text!r} asks for nothing. Try, for example: "solo cello, no drums".')
    return tuple(dict.fromkeys(terms))


def _terms(part: str) -> list[Term]:
    """Those of one part between commas; 'no' holds for all of it."""
    found: list[Term] = []
    rest, negated = part, False
    if opening := re.match(rf"(?:{'|'.join(NOT)})\b ?", rest):
        if rest in SETTINGS:
            return [Term(SETTINGS[rest])]
        negated, rest = True, rest[opening.end() :]
    for phrase, number in ENSEMBLES.items():
        rest, n = re.subn(rf"\b{phrase}s?\b", " ", rest)
        found += [Term("players", number, negated=negated)] * bool(n)
    names = [WORDS[mention[0]] for mention in mentions().finditer(rest)]
    places = [place for word, place in PLACES.items() if re.search(rf"\b{word}\b", rest)]
    rest = mentions().sub(lambda m: " " if WORDS[m[0]][0] == "Object" else m[0], rest)
    instruments = [value for kind, value in names if kind == "Object"]
    if len(places) > 1 or (places and len(instruments) != 1):
        raise ValueError(f"{part!r}: say one instrument for each place, with commas between them.")
    place = places[0] if places else None
    found += [Term("instrument", name, place, negated) for name in instruments]
    for word, kind in sorted(SETTINGS.items(), key=lambda item: -len(item[0])):
        rest, n = re.subn(rf"\b{word}\b", " ", rest)
        found += [Term(kind, negated=negated)] * bool(n)
    left = [word for word in re.findall(r"[^\s]+", rest) if word not in SMALL | PLACES.keys()]
    if left:
        instruments = [word for word, (kind, _) in WORDS.items() if kind == "Object"]
        known = [*instruments, *ENSEMBLES, *SETTINGS, *PLACES]
        near = get_close_matches(left[0], known, 3, 0.6)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"{left[0]!r} is nothing that can be searched for.{hint}")
    return found

"""Public-domain music, typed for this project as note lists, and percussion patterns.

Melodies stand in C major, A minor or another mode of the white keys. A note is `pitch:beats`
(`c4` is the middle C, MIDI 60; one beat where none is given); pitches joined by `+` sound together.
"""

from __future__ import annotations

from functools import cache

Step = tuple[tuple[int, ...], float]
"""Pitches that start together, and beats until the next step."""
Voice = tuple[Step, ...]

MELODIES: dict[str, str] = {
    "ode_to_joy": (
        "e4 e4 f4 g4 g4 f4 e4 d4 c4 c4 d4 e4 e4:1.5 d4:.5 d4:2 "
        "e4 e4 f4 g4 g4 f4 e4 d4 c4 c4 d4 e4 d4:1.5 c4:.5 c4:2 "
        "d4 d4 e4 c4 d4 e4:.5 f4:.5 e4 c4 d4 e4:.5 f4:.5 e4 d4 c4 d4 g3:2"
    ),
    "greensleeves": (
        "a4 c5:2 d5 e5:1.5 f5:.5 e5 d5:2 b4 g4:1.5 a4:.5 b4 c5:2 a4 a4:1.5 g#4:.5 a4 b4:2 g#4 e4:2 "
        "a4 c5:2 d5 e5:1.5 f5:.5 e5 d5:2 b4 g4:1.5 a4:.5 b4 c5:1.5 b4:.5 a4 g#4:1.5 f#4:.5 g#4 a4:3"
    ),
    "twinkle": (
        "c4 c4 g4 g4 a4 a4 g4:2 f4 f4 e4 e4 d4 d4 c4:2 g4 g4 f4 f4 e4 e4 d4:2 "
        "g4 g4 f4 f4 e4 e4 d4:2 c4 c4 g4 g4 a4 a4 g4:2 f4 f4 e4 e4 d4 d4 c4:2"
    ),
    "amazing_grace": (
        "g4 c5:2 e5:.5 c5:.5 e5:2 d5 c5:2 a4 g4:2 g4 c5:2 e5:.5 c5:.5 e5:2 d5 g5:3 "
        "e5 g5:2 e5:.5 c5:.5 e5:2 d5 c5:2 a4 g4:2 g4 c5:2 e5:.5 c5:.5 e5:2 d5 c5:3"
    ),
    "auld_lang_syne": (
        "g4 c5:1.5 c5:.5 c5 e5 d5:1.5 c5:.5 d5 e5 c5:1.5 c5:.5 e5 g5 a5:3 "
        "a5 g5:1.5 e5:.5 e5 c5 d5:1.5 c5:.5 d5 e5 c5:1.5 a4:.5 a4 g4 c5:3"
    ),
    "scarborough_fair": (
        "d4:2 d4 a4:2 a4 e4:1.5 f4:.5 e4 d4:3 a4 c5 d5:2 c5 a4 b4 g4 a4:3 "
        "d5:2 d5 d5:2 c5 a4:2 a4 g4 f4 e4 c4:3 d4:2 a4 g4:2 f4 e4 d4 c4 d4:3"
    ),
    "mo_li_hua": (
        "e4 e4:.5 g4:.5 a4:.5 c5:.5 c5:.5 a4:.5 g4 g4:.5 a4:.5 g4:2 "
        "e4 e4:.5 g4:.5 a4:.5 c5:.5 c5:.5 a4:.5 g4 g4:.5 a4:.5 g4:2 "
        "g4 g4 g4 e4:.5 g4:.5 a4 a4 g4:2 e4 d4:.5 e4:.5 g4 e4:.5 d4:.5 c4 c4:.5 d4:.5 c4:2"
    ),
    "sakura": (
        "a4 a4 b4:2 a4 a4 b4:2 a4 b4 c5 b4 a4 b4:.5 a4:.5 f4:2 e4 c4 e4 f4 e4 e4:.5 c4:.5 b3:2 "
        "a4 b4 c5 b4 a4 b4:.5 a4:.5 f4:2 e4 c4 e4 f4 e4 e4:.5 c4:.5 b3:2 "
        "a4 a4 b4:2 a4 a4 b4:2 e4 f4 b4:.5 a4:.5 f4 e4:3"
    ),
    "kalinka": (
        "d5 b4:.5 c5:.5 d5 b4:.5 c5:.5 d5 c5:.5 b4:.5 a4 e4 "
        "f4 d4:.5 e4:.5 f4 d4:.5 e4:.5 f4 e4:.5 d4:.5 e4 e5 "
        "d5 b4:.5 c5:.5 d5 b4:.5 c5:.5 d5 c5:.5 b4:.5 a4 e5 "
        "f5:.5 e5:.5 d5:.5 c5:.5 b4 e5 d5:.5 c5:.5 b4 a4:2"
    ),
    "korobeiniki": (
        "e5 b4:.5 c5:.5 d5 c5:.5 b4:.5 a4 a4:.5 c5:.5 e5 d5:.5 c5:.5 b4:1.5 c5:.5 d5 e5 c5 a4 a4:2 "
        "d5:1.5 f5:.5 a5 g5:.5 f5:.5 e5:1.5 c5:.5 e5 d5:.5 c5:.5 b4 b4:.5 c5:.5 d5 e5 c5 a4 a4:2"
    ),
    "when_the_saints": (
        "c4 e4 f4 g4:5 c4 e4 f4 g4:5 c4 e4 f4 g4:2 e4:2 c4:2 e4:2 d4:4 "
        "e4 e4 d4 c4:3 c4 e4:2 g4 g4 g4 f4:3 e4 f4 g4:2 e4:2 c4:2 d4:2 c4:4"
    ),
    "danny_boy": (
        "b3:.5 c4:.5 d4:.5 e4:1.5 d4:.5 e4:.5 a4:.5 g4 e4 d4:.5 c4:.5 a3:2 "
        "c4:.5 e4:.5 f4:.5 g4:1.5 a4:.5 g4:.5 e4:.5 c4 e4 d4:2 "
        "b3:.5 c4:.5 d4:.5 e4:1.5 d4:.5 e4:.5 a4:.5 g4 e4 d4:.5 c4:.5 a3 b3 c4:1.5 d4:.5 "
        "e4:.5 f4:.5 e4:.5 d4:.5 e4 c4:2"
    ),
    "simple_gifts": (
        "g4 g4 c5:2 c5 d5 e5 c5 e5 f5 g5:2 g5 f5 e5:2 d5 c5 d5:2 d5:2 d5:2 d5:2 d5 e5 d5 b4 g4:2 "
        "g4:2 c5:2 c5 d5 e5 c5 e5 f5 g5:2 g5:2 e5:2 d5 d5 e5 d5 c5:2 c5:2 c5:4"
    ),
    "au_clair_de_la_lune": (
        "c4 c4 c4 d4 e4:2 d4:2 c4 e4 d4 d4 c4:3 c4 c4 c4 c4 d4 e4:2 d4:2 c4 e4 d4 d4 c4:4 "
        "d4 d4 d4 d4 a3:2 a3:2 d4 c4 b3 a3 g3:4 c4 c4 c4 d4 e4:2 d4:2 c4 e4 d4 d4 c4:4"
    ),
    "london_bridge": (
        "g4:1.5 a4:.5 g4 f4 e4 f4 g4:2 d4 e4 f4:2 e4 f4 g4:2 "
        "g4:1.5 a4:.5 g4 f4 e4 f4 g4:2 d4:2 g4:2 e4 c4:3"
    ),
    "yankee_doodle": (
        "c5 c5 d5 e5 c5 e5 d5 g4 c5 c5 d5 e5 c5:2 b4:2 c5 c5 d5 e5 f5 e5 d5 c5 b4 g4 a4 b4 c5:2 "
        "c5:2 a4:1.5 b4:.5 a4 g4 a4 b4 c5:2 g4:1.5 a4:.5 g4 f4 e4:2 g4:2 "
        "a4:1.5 b4:.5 a4 g4 a4 b4 c5 a4 g4 c5 b4 d5 c5:2 c5:2"
    ),
    "drunken_sailor": (
        "a4:.5 a4:.25 a4:.25 a4:.5 a4:.25 a4:.25 a4:.5 d4:.5 f4:.5 a4:.5 "
        "g4:.5 g4:.25 g4:.25 g4:.5 g4:.25 g4:.25 g4:.5 c4:.5 e4:.5 g4:.5 "
        "a4:.5 a4:.25 a4:.25 a4:.5 a4:.25 a4:.25 a4:.5 b4:.5 c5:.5 d5:.5 "
        "c5:.5 a4:.5 g4:.5 e4:.5 d4 d4"
    ),
    "jingle_bells": (
        "e4 e4 e4:2 e4 e4 e4:2 e4 g4 c4:1.5 d4:.5 e4:4 f4 f4 f4:1.5 f4:.5 f4 e4 e4 e4:.5 e4:.5 "
        "e4 d4 d4 e4 d4:2 g4:2 e4 e4 e4:2 e4 e4 e4:2 e4 g4 c4:1.5 d4:.5 e4:4 "
        "f4 f4 f4:1.5 f4:.5 f4 e4 e4 e4:.5 e4:.5 g4 g4 f4 d4 c4:4"
    ),
}

SETTINGS: dict[str, tuple[str, ...]] = {
    "old_hundredth": (  # soprano, alto, tenor, bass: a plain harmonisation of our own
        "c5 c5 b4 a4 g4 c5 d5 e5:2 e5 e5 e5 d5 c5 f5 e5 d5:2 "
        "c5 d5 e5 d5 c5 a4 b4 c5:2 g5 e5 c5 d5 f5 e5 d5 c5:2",
        "g4 e4 g4 f4 e4 e4 g4 g4:2 g4 g4 g4 g4 e4 a4 g4 g4:2 "
        "e4 g4 g4 g4 e4 f4 g4 g4:2 g4 g4 e4 g4 a4 g4 f4 e4:2",
        "e4 c4 b3 c4 c4 a3 d4 c4:2 c4 c4 c4 b3 c4 d4 c4 b3:2 "
        "c4 d4 c4 b3 c4 c4 d4 e4:2 c4 c4 c4 d4 d4 c4 b3 g3:2",
        "c3 a2 e3 f3 c3 a2 b2 c3:2 c3 e3 c3 g3 a3 d3 c3 g2:2 "
        "a2 b2 c3 g2 a2 f2 g2 c3:2 e3 c3 a2 b2 d3 g2 g2 c3:2",
    ),
    "la_folia": (
        "a4 a4:1.5 b4:.5 g#4 g#4:2 a4 a4:1.5 b4:.5 b4 b4:2 "
        "c5 c5:1.5 d5:.5 b4 b4:2 a4 a4:1.5 g#4:.5 g#4 g#4:2 "
        "a4 a4:1.5 b4:.5 g#4 g#4:2 a4 a4:1.5 b4:.5 b4 b4:2 "
        "c5 c5:1.5 d5:.5 b4 b4:2 a4:1.5 g#4:1.5 a4:3",
        "e4 e4:2 e4 d4:2 e4 e4:2 d4 d4:2 e4 e4:2 d4 d4:2 c4 c4:2 b3 e4:2 "
        "e4 e4:2 e4 d4:2 e4 e4:2 d4 d4:2 e4 e4:2 d4 d4:2 c4:1.5 b3:1.5 c4:3",
        "a3:2 a3 e3:2 e3 a3:2 a3 g3:2 g3 c4:2 c4 g3:2 g3 a3:2 a3 e3:2 e3 "
        "a3:2 a3 e3:2 e3 a3:2 a3 g3:2 g3 c4:2 c4 g3:2 g3 a3:1.5 e3:1.5 a3:3",
    ),
    "minuet": (
        "g5 c5:.5 d5:.5 e5:.5 f5:.5 g5 c5 c5 a5 f5:.5 g5:.5 a5:.5 b5:.5 c6 c5 c5 "
        "f5 g5:.5 f5:.5 e5:.5 d5:.5 e5 f5:.5 e5:.5 d5:.5 c5:.5 b4 c5:.5 d5:.5 e5:.5 c5:.5 d5:3 "
        "g5 c5:.5 d5:.5 e5:.5 f5:.5 g5 c5 c5 a5 f5:.5 g5:.5 a5:.5 b5:.5 c6 c5 c5 "
        "f5 g5:.5 f5:.5 e5:.5 d5:.5 e5 f5:.5 e5:.5 d5:.5 c5:.5 d5 e5:.5 d5:.5 c5:.5 b4:.5 c5:3",
        "c4:2 d4 e4:3 f4:3 e4:3 d4:3 c4:3 g4 e4 c4 g4 g3:.5 f4:.5 e4:.5 d4:.5 "
        "e4:2 d4 c4 e4 c4 f4:3 e4:2 c4 d4 b3 g3 c4 g3 e4 f4 g4 g3 c4:3",
    ),
    "canon": (  # three voices at a distance of one ground, over the ground
        "e5:2 d5:2 c5:2 b4:2 a4:2 g4:2 a4:2 b4:2 c5 e5 g5 f5 e5 c5 e5 d5 c5 a4 c5 g4 f4 a4 g4 f4 "
        "c5:2 b4:2 a4:2 g4:2 f4:2 e4:2 f4:2 d4:2",
        "c5:2 b4:2 a4:2 g4:2 f4:2 e4:2 f4:2 d4:2 e5:2 d5:2 c5:2 b4:2 a4:2 g4:2 a4:2 b4:2 "
        "c5 e5 g5 f5 e5 c5 e5 d5 c5 a4 c5 g4 f4 a4 g4 f4",
        "c5 e5 g5 f5 e5 c5 e5 d5 c5 a4 c5 g4 f4 a4 g4 f4 c5:2 b4:2 a4:2 g4:2 f4:2 e4:2 f4:2 d4:2 "
        "e5:2 d5:2 c5:2 b4:2 a4:2 g4:2 a4:2 b4:2",
        " ".join(["c3:2 g3:2 a3:2 e3:2 f3:2 c3:2 f3:2 g3:2"] * 3),
    ),
    "frere_jacques": (  # a round: the same line from its four phrases
        "c4 d4 e4 c4 c4 d4 e4 c4 e4 f4 g4:2 e4 f4 g4:2 "
        "g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 c4 g3 c4:2 c4 g3 c4:2",
        "c4 g3 c4:2 c4 g3 c4:2 c4 d4 e4 c4 c4 d4 e4 c4 e4 f4 g4:2 e4 f4 g4:2 "
        "g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 g4:.5 a4:.5 g4:.5 f4:.5 e4 c4",
        "g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 c4 g3 c4:2 c4 g3 c4:2 "
        "c4 d4 e4 c4 c4 d4 e4 c4 e4 f4 g4:2 e4 f4 g4:2",
        "e4 f4 g4:2 e4 f4 g4:2 g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 g4:.5 a4:.5 g4:.5 f4:.5 e4 c4 "
        "c4 g3 c4:2 c4 g3 c4:2 c4 d4 e4 c4 c4 d4 e4 c4",
    ),
}

PATTERNS: dict[str, tuple[str, ...]] = {
    "drum": (
        "36+42 42 38+42 42 36+42 36+42 38+42 42",
        "36+42 42 38+42 42 36+42 42 38+42 46",
        "36 42 38 42 36 36 38 46",
        "36+49 42 38 42 36 42 38 38",
        "36 38 36 38 36 36 38 38:.5 38:.5",
        "36+42 42:.5 42:.5 38+42 42 36+42 36 38+42 42:.5 42:.5",
    ),
    "congas": (
        "62 62 63 62 62 62 64 64",
        "64 62 63 63 64 62 63 63",
        "63 64 62 63 64 64 63 62",
        "64:1.5 63:.5 62 63 64 63:.5 63:.5 62 63",
        "62 63 62 64 62 63 64 63",
    ),
}
"""Patterns of the percussion instruments as General MIDI percussion keys."""

_SEMITONES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


@cache
def piece_names() -> tuple[str, ...]:
    """Names of all melodies and settings."""
    return (*MELODIES, *SETTINGS)


@cache
def voices(name: str) -> tuple[Voice, ...]:
    """The voices of a melody (one) or a setting (from the highest to the lowest)."""
    texts = (MELODIES[name],) if name in MELODIES else SETTINGS[name]
    return tuple(read_voice(text) for text in texts)


@cache
def patterns(instrument: str) -> tuple[Voice, ...]:
    """The patterns of a percussion instrument."""
    return tuple(read_voice(text) for text in PATTERNS[instrument])


def read_voice(text: str) -> Voice:
    """The steps of a typed line; names are read as pitches, numbers as MIDI keys."""
    return tuple(_step(item) for item in text.split())


def _step(item: str) -> Step:
    pitches, _, beats = item.partition(":")
    return tuple(_pitch(name) for name in pitches.split("+")), float(beats or 1)


def _pitch(name: str) -> int:
    if name.isdigit():
        return int(name)
    return _SEMITONES[name[0]] + ("#" in name) + 12 * (int(name[-1]) + 1)

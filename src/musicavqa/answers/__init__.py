"""The 42 answers of MUSIC-AVQA in their canonical order (first appearance in the training file)."""

from __future__ import annotations

from difflib import get_close_matches

ANSWERS = (
    "two", "cello", "congas", "zero", "no", "pipa", "six", "yes", "one", "four", "three", "seven",
    "five", "ukulele", "right", "piano", "left", "accordion", "clarinet", "guzheng",
    "more than ten", "nine", "indoor", "saxophone", "drum", "violin", "middle", "outdoor",
    "bagpipe", "bassoon", "acoustic_guitar", "banjo", "electric_bass", "ten", "eight", "flute",
    "simultaneously", "trumpet", "erhu", "xylophone", "tuba", "suona",
)  # fmt: skip

NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "more than ten",
)  # fmt: skip

_INDEX = {answer: index for index, answer in enumerate(ANSWERS)}


def index(answer: str) -> int:
    """Canonical index of an answer; ValueError with near matches when it is none of the 42."""
    if answer not in _INDEX:
        near = get_close_matches(answer, ANSWERS, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"{answer!r} is none of the 42 answers.{hint}")
    return _INDEX[answer]


def number_word(count: int) -> str:
    """The answer for a count: 'zero' to 'ten', then 'more than ten'."""
    if count < 0:
        raise ValueError(f"A count cannot be negative, got {count}.")
    return NUMBERS[min(count, 11)]

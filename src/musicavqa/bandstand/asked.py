"""The questions that a scene can be asked, with their answers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from musicavqa.bandstand.truth import Scene, read_truth
from musicavqa.questions import INSTRUMENTS, SLOTS, fill
from musicavqa.rules import answerer
from musicavqa.rules.answerer import entry_in_picture
from musicavqa.rules.facts import Facts, names

FAMILIES = (
    ("violin", "erhu", "cello"),
    ("acoustic_guitar", "ukulele", "banjo", "electric_bass", "pipa", "guzheng"),
    ("flute", "clarinet", "bassoon", "saxophone", "suona"),
    ("trumpet", "tuba", "saxophone"),
    ("accordion", "bagpipe", "piano"),
    ("drum", "congas", "xylophone"),
)
"""Instruments that are easily mistaken for one another; 'no' questions ask for them."""

PAIRS_PER_TEMPLATE = 3
REGIONS = SLOTS["LR"]

Asked = tuple[int, tuple[str, ...], str]
"""(template number, slots, answer)"""


def answer(scene: Scene, template_number: int, slots: Sequence[str]) -> str | None:
    """The answer, or None where the scene does not decide it clearly.

    Raises ValueError when the slots do not fit the template.
    """
    fill(template_number, tuple(slots))
    return answerer.answer(read_truth(scene), template_number, tuple(slots))


def questions(scene: Scene) -> list[Asked]:
    """All questions that this scene answers clearly, the choice of slots seeded by the scene."""
    truth = read_truth(scene)
    asked: dict[tuple[int, tuple[str, ...]], str] = {}
    for number, slots in _candidates(truth, random.Random(scene["seed"])):
        found = answerer.answer(truth, number, slots)
        if found is not None:
            asked[number, slots] = found
    return [(number, slots, found) for (number, slots), found in sorted(asked.items())]


def _candidates(truth: Facts, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
    for number in (2, 9, 13, 14, 16, 17, 18, 19, 21):
        yield number, ()
    heard, seen = names(truth.heard), names(truth.seen)
    yield from _presence(1, 3, heard, seen, rng)
    yield from _presence(7, 10, seen, heard, rng)
    yield from _of_one(truth, rng)
    yield from _of_two(truth, rng)


def _presence(
    pair: int, single: int, present: list[str], hard: list[str], rng: random.Random
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """As many wrong as right names; wrong ones first from the other sense, then from a family."""
    if not present:
        return
    for name in _some(present, 2, rng):
        yield single, (name,)
        yield single, (_absent(present, hard, name, rng),)
    for names_of_pair in _pairs(present, 2, rng):
        yield pair, names_of_pair
    for name in _some(present, 2, rng):
        # Not from the family of `name`: two of a family would give the 'no' away.
        absent = _absent(present, hard, rng.choice(INSTRUMENTS), rng)
        yield pair, tuple(_some([name, absent], 2, rng))


def _of_one(truth: Facts, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
    heard, seen = names(truth.heard), names(truth.seen)
    for name in seen:
        yield from ((8, (name,)), (15, (name,)), (20, (name,)))
        yield from ((25, (name,)), (33, ("before", name)), (33, ("after", name)))
        yield 32, (name, rng.choice(SLOTS["FL"]))
    for name in _some(seen, 2, rng):
        yield 11, (rng.choice(("left", "right")), name)
    absent = _absent(seen, heard, rng.choice(seen or INSTRUMENTS), rng)
    yield from ((8, (absent,)), (20, (absent,)))
    for value in SLOTS["LRer"]:
        yield 12, (value,)
    for value in SLOTS["LL"]:
        yield 24, (value,)
    for value in SLOTS["TH"]:
        yield 30, (value,)
    for value in SLOTS["FL"]:
        yield 31, (value,)
        yield 23, (rng.choice(("left", "right")), value)
        winner = entry_in_picture(truth, value)
        if winner is not None:
            yield 22, (value, winner.region)
            yield 22, (value, rng.choice([area for area in REGIONS if area != winner.region]))


def _of_two(truth: Facts, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
    for first, second in _pairs(names(truth.heard), PAIRS_PER_TEMPLATE, rng):
        yield from ((number, (first, second)) for number in (4, 5, 6))
    for first, second in _pairs(REGIONS, PAIRS_PER_TEMPLATE, rng):
        yield from ((28, (first, second)), (29, (first, second)))
    for one, other in _pairs(truth.seen, PAIRS_PER_TEMPLATE, rng):
        slots = (one.instrument, one.region, other.instrument, other.region)
        yield from ((26, slots), (27, slots))


def _absent(present: list[str], hard: list[str], model: str, rng: random.Random) -> str:
    """A name that is not present: from the other sense, else like `model`, else any."""
    family = [name for group in FAMILIES if model in group for name in group]
    for names_to_try in (hard, family):
        wrong = sorted(set(names_to_try) - set(present))
        if wrong and rng.random() < 0.7:
            return rng.choice(wrong)
    return rng.choice([name for name in INSTRUMENTS if name not in present])


def _some(values: Sequence[Any], n_most: int, rng: random.Random) -> list[Any]:
    return rng.sample(list(values), min(n_most, len(values)))


def _pairs(values: Sequence[Any], n_most: int, rng: random.Random) -> list[tuple[Any, Any]]:
    """Some of the pairs, each in a random order."""
    chosen = _some(list(combinations(values, 2)), n_most, rng)
    return [pair if rng.random() < 0.5 else (pair[1], pair[0]) for pair in chosen]

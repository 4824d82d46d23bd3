"""Questions that suit a reading: one of each cell of the benchmark, and some beyond it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from musicavqa.ask.lanes import TOLD, Lane, Score
from musicavqa.ask.telling import lacking
from musicavqa.questions import fill, template
from musicavqa.records import Reading

BEYOND = "Beyond the benchmark"
CELLS = {
    "A-Counting": "By ear: how many",
    "A-Comparative": "By ear: which more",
    "V-Counting": "By eye: how many",
    "V-Location": "By eye: where",
    "AV-Existential": "Both: whether",
    "AV-Counting": "Both: how many",
    "AV-Location": "Both: where",
    "AV-Comparative": "Both: which more",
    "AV-Temporal": "Both: when",
}
"""Cell of the benchmark -> its name for a reader."""


def suggest(score: Score) -> list[tuple[str, str]]:
    """(kind, question) of what this score has something to say to; none of a missing sense."""
    lanes, reading = score.lanes, score.reading
    found = dict(reversed([(template(n).cell, (n, slots)) for n, slots in _fitting(lanes)]))
    wanted = [cell for cell in CELLS if cell in found and not lacking(reading, found[cell][0])]
    asked = [(CELLS[cell], fill(*found[cell]).strip()) for cell in wanted]
    return [*asked, *((BEYOND, text) for text in _further(lanes, reading))]


def _fitting(lanes: tuple[Lane, ...]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Templates and slots, of each cell the most telling first."""
    seen = [lane for lane in lanes if lane.seen is not None]
    heard = list(dict.fromkeys(x.instrument for x in lanes if x.sounds >= TOLD))
    shown = list(dict.fromkeys(lane.instrument for lane in seen))
    if len(heard) > 1:
        yield 4, (heard[0], heard[1])
        yield 33, ("before", heard[0])
    for one, other in combinations(seen, 2):
        if one.place != other.place:
            yield 28, (one.place, other.place)
        if one.instrument != other.instrument:
            yield 11, ("left", other.instrument)
    if shown:
        yield 15, (shown[0],)
    yield from ((number, ()) for number in (2, 9, 14, 16, 18))
    yield 24, ("loudest",)
    yield 31, ("first",)


def _further(lanes: tuple[Lane, ...], reading: Reading) -> Iterator[str]:
    yield "Which instruments are there?"
    if not reading.has_sound:
        return
    for name in list(dict.fromkeys(x.instrument for x in lanes if x.sounds >= TOLD))[:1]:
        yield f"When does the {name} come in?"
        yield f"How long does the {name} play?"
    yield from ("Does it get louder?", "How fast is it?", "What key is it in?")

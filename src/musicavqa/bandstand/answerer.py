"""Answers to the 33 templates from a scene, and the questions a scene can be asked.

The answerer is a pure function of the scene JSON. It declines (None) where a margin of clarity
fails or a question does not apply; docs/answerer.md states rule and margin of each template.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from typing import Any

from musicavqa.answers import number_word
from musicavqa.bandstand.truth import Player, Scene, Truth, names, overlap_s, read_truth
from musicavqa.questions import INSTRUMENTS, SLOTS, fill

LOUDER_DB = 3.9
MORE_RHYTHMIC = 1.4
LONGER_SHARE = 0.12
ENTRY_S = 0.5
TOGETHER_S = 0.15
SAME_TIME, NOT_SAME_TIME = 0.20, 0.05
ALWAYS, NOT_ALWAYS = 0.90, 0.75
APART_X = 0.06
"""Two neighbours nearer than this have no clear order from left to right."""

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
    return answer_truth(read_truth(scene), template_number, tuple(slots))


def answer_truth(truth: Truth, template_number: int, slots: tuple[str, ...]) -> str | None:
    """As `answer`, from facts that are already read."""
    links_both = template_number >= 15 and template_number != 16
    if links_both and set(names(truth.offscreen)) & set(names(truth.seen)):
        return None  # the same instrument in and out of the picture: nobody can tell which sounds
    return _RULES[template_number](truth, *slots)


def questions(scene: Scene) -> list[Asked]:
    """All questions that this scene answers clearly, the choice of slots seeded by the scene."""
    truth = read_truth(scene)
    asked: dict[tuple[int, tuple[str, ...]], str] = {}
    for number, slots in _candidates(truth, random.Random(scene["seed"])):
        found = answer_truth(truth, number, slots)
        if found is not None:
            asked[number, slots] = found
    return [(number, slots, found) for (number, slots), found in sorted(asked.items())]


# Rules: small words first, then the table.


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _one(players: Iterable[Player]) -> Player | None:
    """The only player, or None when there are none or several."""
    found = list(players)
    return found[0] if len(found) == 1 else None


def _of(players: Iterable[Player], instrument: str) -> list[Player]:
    return [p for p in players if p.instrument == instrument]


def _in(players: Iterable[Player], area: str) -> list[Player]:
    return [p for p in players if p.region == area]


def _both(players: list[Player], first: str, second: str) -> str | None:
    return None if first == second else _yes({first, second} <= set(names(players)))


def _louder(first: Player | None, second: Player | None) -> str | None:
    """Whether the first is louder; a seen player that never sounds is quieter than any other."""
    if first is None or second is None or first is second or not (first.heard or second.heard):
        return None
    if not (first.heard and second.heard):
        return _yes(first.heard)
    difference = first.level_db - second.level_db
    return _yes(difference > 0) if abs(difference) >= LOUDER_DB else None


def _more_rhythmic(first: Player | None, second: Player | None) -> str | None:
    if first is None or second is None or not (first.heard and second.heard):
        return None
    ratio = first.onset_rate / second.onset_rate
    return _yes(ratio > 1) if max(ratio, 1 / ratio) >= MORE_RHYTHMIC else None


def _longer(truth: Truth, first: str, second: str) -> str | None:
    one, other = _one(_of(truth.heard, first)), _one(_of(truth.heard, second))
    if one is None or other is None:
        return None
    difference = one.playing_s - other.playing_s
    return _yes(difference > 0) if abs(difference) >= LONGER_SHARE * truth.duration_s else None


def _beside(truth: Truth, side: str, player: Player | None) -> str | None:
    """The instrument of the nearest neighbour on that side."""
    if player is None or side == "middle":
        return None
    sign = -1 if side == "left" else 1
    others = sorted((sign * (p.x - player.x), p.instrument) for p in truth.seen if p is not player)
    if any(abs(distance) < APART_X for distance, _ in others):
        return None
    return _nearest([(distance, name) for distance, name in others if distance > 0])


def _nearest(ranked: list[tuple[float, str]]) -> str | None:
    """The first name, unless another name stands within APART_X of it."""
    if not ranked:
        return None
    near = {name for distance, name in ranked if distance - ranked[0][0] < APART_X}
    return ranked[0][1] if len(near) == 1 else None


def _outermost(truth: Truth, which: str) -> str | None:
    sign = 1 if which == "leftest" else -1
    order = sorted((sign * p.x, p.instrument) for p in truth.seen)
    return _nearest(order) if len(order) > 1 else None


def _always(truth: Truth, instrument: str) -> str | None:
    player = _one(_of(truth.seen, instrument))
    if player is None:
        return None
    share = player.playing_s / truth.duration_s
    return "yes" if share >= ALWAYS else "no" if share <= NOT_ALWAYS else None


def _from_picture(truth: Truth) -> str | None:
    """'yes': all that is heard is seen; 'no': nothing that is heard is seen."""
    if not truth.heard or not truth.seen or (truth.sounding and truth.offscreen):
        return None
    return _yes(not truth.offscreen)


def _entry(players: Sequence[Player], which: str) -> Player | None:
    """The player that comes in first (or last), by a clear margin."""
    order = sorted(players, key=lambda p: p.first_onset_s)
    if which == "last":
        order.reverse()
    if not order:
        return None
    clear = len(order) == 1 or abs(order[0].first_onset_s - order[1].first_onset_s) >= ENTRY_S
    return order[0] if clear else None


def _entry_in_picture(truth: Truth, which: str) -> Player | None:
    return _entry(truth.sounding, which) if len(truth.seen) > 1 else None


def _entry_from(truth: Truth, which: str, area: str) -> str | None:
    holder, winner = _one(_in(truth.seen, area)), _entry_in_picture(truth, which)
    if holder is None or winner is None:
        return None
    if holder is winner and _entry([winner, *truth.offscreen], which) is not winner:
        return None  # the very first (last) sound comes from outside the picture
    return _yes(holder is winner)


def _loudest_region(truth: Truth, which: str) -> str | None:
    """Region of the loudest or quietest; the quietest only where every seen player sounds."""
    order = sorted(truth.sounding, key=lambda p: p.level_db, reverse=which == "loudest")
    if len(truth.seen) < 2 or not order:
        return None
    if which == "lowest" and len(order) < len(truth.seen):
        return None
    if len(order) > 1 and abs(order[0].level_db - order[1].level_db) < LOUDER_DB:
        return None
    return order[0].region


def _same_time(truth: Truth, instrument: str) -> str | None:
    player = _one(_of(truth.sounding, instrument))
    if player is None:
        return None
    shares = [
        (overlap_s(player.intervals, p.intervals) / min(player.playing_s, p.playing_s), p)
        for p in truth.sounding
        if p is not player
    ]
    if any(NOT_SAME_TIME < share <= SAME_TIME for share, _ in shares):
        return None
    together = names(p for share, p in shares if share > SAME_TIME)
    return together[0] if len(together) == 1 else None


def _placed(truth: Truth, compare: Comparison, *slots: str) -> str | None:
    """Compare the only <Object> in one region with the only <Object> in another."""
    first, first_area, second, second_area = slots
    if first_area == second_area:
        return None
    one = _one(_in(_of(truth.seen, first), first_area))
    return compare(one, _one(_in(_of(truth.seen, second), second_area)))


def _entries(truth: Truth) -> list[tuple[float, str]]:
    """(first onset, instrument) of the instruments that are seen and heard, in order of entry."""
    return sorted(
        (min(p.first_onset_s for p in _of(truth.sounding, name)), name)
        for name in names(truth.sounding)
    )


def _nth(order: list[tuple[float, str]], index: int) -> str | None:
    """The instrument at a place of the order, if it enters clearly apart from its neighbours."""
    if not 0 <= index < len(order):
        return None
    neighbours = [order[i][0] for i in (index - 1, index + 1) if 0 <= i < len(order)]
    clear = all(abs(order[index][0] - onset) >= ENTRY_S for onset in neighbours)
    return order[index][1] if clear else None


def _comes_in(truth: Truth, which: str) -> str | None:
    several = len(names(truth.seen)) > 1
    return _nth(_entries(truth), SLOTS["TH"].index(which)) if several else None


def _next_to_enter(truth: Truth, which: str, instrument: str) -> str | None:
    order = _entries(truth)
    index = next((i for i, (_, name) in enumerate(order) if name == instrument), None)
    return None if index is None else _nth(order, index + (1 if which == "after" else -1))


def _which_of_its_kind(truth: Truth, instrument: str, which: str) -> str | None:
    seen, sounding = _of(truth.seen, instrument), _of(truth.sounding, instrument)
    onsets = [p.first_onset_s for p in sounding]
    if len(onsets) > 1 and max(onsets) - min(onsets) <= TOGETHER_S:
        return "simultaneously"
    winner = _entry(sounding, which) if len(seen) > 1 else None
    return winner.region if winner and _one(_in(seen, winner.region)) else None


Comparison = Callable[[Player | None, Player | None], str | None]

_RULES: dict[int, Callable[..., str | None]] = {
    1: lambda t, a, b: _both(t.heard, a, b),
    2: lambda t: number_word(len(t.heard)),
    3: lambda t, a: _yes(a in names(t.heard)),
    4: lambda t, a, b: _louder(_one(_of(t.heard, a)), _one(_of(t.heard, b))),
    5: lambda t, a, b: _more_rhythmic(_one(_of(t.heard, a)), _one(_of(t.heard, b))),
    6: _longer,
    7: lambda t, a, b: _both(t.seen, a, b),
    8: lambda t, a: number_word(len(_of(t.seen, a))),
    9: lambda t: number_word(len(names(t.seen))),
    10: lambda t, a: _yes(a in names(t.seen)),
    11: lambda t, side, a: _beside(t, side, _one(_of(t.seen, a))),
    12: _outermost,
    13: lambda t: names(t.seen)[0] if len(names(t.seen)) == 1 else None,
    14: lambda t: t.place,
    15: _always,
    16: lambda t: _yes(t.voiceover),
    17: _from_picture,
    18: lambda t: number_word(len(t.sounding)),
    19: lambda t: number_word(len(t.seen) - len(t.sounding)),
    20: lambda t, a: number_word(len(_of(t.sounding, a))),
    21: lambda t: number_word(len(names(t.sounding))),
    22: _entry_from,
    23: lambda t, side, which: _beside(t, side, _entry_in_picture(t, which)),
    24: _loudest_region,
    25: _same_time,
    26: lambda t, *slots: _placed(t, _louder, *slots),
    27: lambda t, *slots: _placed(t, _more_rhythmic, *slots),
    28: lambda t, a, b: _louder(_one(_in(t.seen, a)), _one(_in(t.seen, b))),
    29: lambda t, a, b: _more_rhythmic(_one(_in(t.seen, a)), _one(_in(t.seen, b))),
    30: _comes_in,
    31: lambda t, which: w.region if (w := _entry_in_picture(t, which)) else None,
    32: _which_of_its_kind,
    33: _next_to_enter,
}


# Slots worth asking for.


def _candidates(truth: Truth, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
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


def _of_one(truth: Truth, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
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
        winner = _entry_in_picture(truth, value)
        if winner is not None:
            yield 22, (value, winner.region)
            yield 22, (value, rng.choice([area for area in REGIONS if area != winner.region]))


def _of_two(truth: Truth, rng: random.Random) -> Iterator[tuple[int, tuple[str, ...]]]:
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

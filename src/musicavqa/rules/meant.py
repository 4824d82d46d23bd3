"""Whom a question means: the players that its slots and its answer name, or whom it singles out.

The same rules say where the truth of a rendered scene lies (`bandstand.meant`) and on whom an
answer rests that was read from tables (`methods.layers.grounds`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from musicavqa.questions import INSTRUMENTS, template
from musicavqa.rules.answerer import entry_in_picture
from musicavqa.rules.facts import Facts, Player


def whom(facts: Facts, number: int, slots: Sequence[str], answer: str) -> list[Player]:
    """The players that a question of template `number` means, when this is its answer.

    Nobody where it means everybody, the whole picture, or somebody who is not there.
    """
    words = (*slots, answer)
    special = SINGLED_OUT.get(number)
    if special is not None:
        return [player for player in special(facts, words) if player is not None]
    pool = facts.heard if template(number).cell.startswith("A-") else facts.players
    return [player for player in pool if player.instrument in set(words) & set(INSTRUMENTS)]


def _outermost(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    by_x = sorted(facts.seen, key=lambda player: player.x)
    return [by_x[0 if words[0] == "leftest" else -1]] if by_x else []


def _entry_and_area(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    winner = entry_in_picture(facts, words[0])
    return [winner, *(p for p in facts.seen if p.region == words[1] and p is not winner)]


def _entry_and_neighbour(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    winner = entry_in_picture(facts, words[1])
    return [winner, *(p for p in facts.seen if p.instrument == words[-1] and p is not winner)]


def _loudest(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    there = [player for player in facts.sounding if player.region == words[-1]]
    by_level = sorted(there, key=lambda player: player.level_db)
    return [by_level[-1 if words[0] == "loudest" else 0]] if by_level else []


def _placed(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    pairs = {(words[0], words[1]), (words[2], words[3])}
    return [player for player in facts.seen if (player.instrument, player.region) in pairs]


def _in_areas(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    return [player for player in facts.seen if player.region in words[:2]]


def _first_of_kind(facts: Facts, words: Sequence[str]) -> list[Player | None]:
    kind = [player for player in facts.sounding if player.instrument == words[0]]
    if words[-1] == "simultaneously":
        return list(kind)
    by_onset = sorted(kind, key=lambda player: player.first_onset_s)
    return [by_onset[0 if words[1] == "first" else -1]] if by_onset else []


SINGLED_OUT: dict[int, Callable[[Facts, Sequence[str]], Sequence[Player | None]]] = {
    12: _outermost,
    18: lambda facts, words: facts.sounding,
    19: lambda facts, words: [player for player in facts.seen if not player.heard],
    22: _entry_and_area,
    23: _entry_and_neighbour,
    24: _loudest,
    26: _placed,
    27: _placed,
    28: _in_areas,
    29: _in_areas,
    31: lambda facts, words: [entry_in_picture(facts, words[0])],
    32: _first_of_kind,
}

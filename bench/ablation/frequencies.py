"""How frequent facts are among performances of `train`: what a cell goes by where it lacks one.

A fact that is lacking is taken from a performance drawn at random among those with as many players.
So it is never wrong on the whole, and says nothing about the clip at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.facts import Facts, Player, names, region

FIRST_SCENE = 42_000_000
"""Of split train."""


@dataclass
class Frequencies:
    """Facts of many performances, and shares that follow from them."""

    facts: Sequence[Facts]
    usual: float = field(init=False)
    """That an instrument sounds in a clip."""
    if_seen: float = field(init=False)
    """Likewise, of instruments that are in the picture."""
    if_unseen: float = field(init=False)
    equal_sounds: float = field(init=False)
    """That one of several seen players with one instrument sounds, where it is heard at all."""
    by_n_seen: dict[int, list[list[Player]]] = field(init=False)
    """Players in the picture, by how many they are."""
    by_n_heard: dict[int, list[list[Player]]] = field(init=False)

    def __post_init__(self) -> None:
        if not self.facts:
            raise ValueError("Frequencies need at least one performance.")
        n_seen, n_both, n_heard = 0, 0, 0
        for facts in self.facts:
            seen, heard = set(names(facts.seen)), set(names(facts.heard))
            n_seen, n_both, n_heard = (
                n_seen + len(seen),
                n_both + len(seen & heard),
                n_heard + len(heard),
            )
        n_all = len(INSTRUMENTS) * len(self.facts)
        self.usual = n_heard / n_all
        self.if_seen = n_both / max(1, n_seen)
        self.if_unseen = (n_heard - n_both) / max(1, n_all - n_seen)
        self.equal_sounds = _equal_sounds(self.facts)
        self.by_n_seen = _by_number([facts.seen for facts in self.facts])
        self.by_n_heard = _by_number([facts.heard for facts in self.facts])

    def places(self, facts: Facts, rng: np.random.Generator) -> Facts:
        """The facts with places of others, so that nobody's place is known."""
        seen = [i for i, player in enumerate(facts.players) if player.visible]
        return _with(facts, seen, _drawn(self.by_n_seen, len(seen), rng), _placed)

    def times(self, facts: Facts, rng: np.random.Generator) -> Facts:
        """The facts with entries and durations of others."""
        heard = [i for i, player in enumerate(facts.players) if player.heard]
        return _with(facts, heard, _drawn(self.by_n_heard, len(heard), rng), _timed)

    def music(self, facts: Facts, rng: np.random.Generator) -> Facts:
        """The facts with levels and onset rates of others."""
        heard = [i for i, player in enumerate(facts.players) if player.heard]
        return _with(facts, heard, _drawn(self.by_n_heard, len(heard), rng), _levelled)


def of_train(n: int) -> Frequencies:
    """Of `n` performances of split train that nothing else is made of."""
    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.truth import read_truth

    return Frequencies([read_truth(sample_scene("train", FIRST_SCENE + i)) for i in range(n)])


def _equal_sounds(performances: Sequence[Facts]) -> float:
    n_sounding, n = 0, 0
    for facts in performances:
        counts, sounding = Counter(p.instrument for p in facts.seen), names(facts.sounding)
        for player in facts.seen:
            if counts[player.instrument] > 1 and player.instrument in sounding:
                n, n_sounding = n + 1, n_sounding + player.heard
    return n_sounding / n if n else 0.5


def _by_number(groups: Sequence[Sequence[Player]]) -> dict[int, list[list[Player]]]:
    found: dict[int, list[list[Player]]] = {}
    for group in groups:
        found.setdefault(len(group), []).append(list(group))
    return found


def _drawn(
    known: dict[int, list[list[Player]]], n: int, rng: np.random.Generator
) -> Sequence[Player]:
    """The players of one performance with `n` of them, in any order; of several where none has."""
    if n in known:
        group = known[n][int(rng.integers(len(known[n])))]
        return [group[i] for i in rng.permutation(n)]
    everybody = [player for groups in known.values() for group in groups for player in group]
    return [everybody[i] for i in rng.integers(0, len(everybody), n)]


def _with(facts: Facts, places: Sequence[int], others: Sequence[Player], take) -> Facts:
    players = list(facts.players)
    for place, other in zip(places, others, strict=True):
        players[place] = take(players[place], other)
    return replace(facts, players=tuple(players))


def _placed(player: Player, other: Player) -> Player:
    return replace(player, x=other.x, region=region(other.x))


def _timed(player: Player, other: Player) -> Player:
    return replace(
        player,
        first_onset_s=other.first_onset_s,
        last_offset_s=other.last_offset_s,
        intervals=other.intervals,
        playing_s=other.playing_s,
    )


def _levelled(player: Player, other: Player) -> Player:
    return replace(player, level_db=other.level_db, onset_rate=other.onset_rate)

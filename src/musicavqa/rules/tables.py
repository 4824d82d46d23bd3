"""Performances that fit a reading: each a table of facts that the rules can answer from.

A reading is unsure; a rule wants facts. So tables are drawn: who is there, with which instrument,
who sounds and when. Sight and hearing are joined by Bayes' rule: an instrument that is seen sounds
more often than one that is not, so what is heard weighs what may be seen, and what is seen shifts
what may be heard, the more so where movements are in step with the sound. Of several equal
instruments those sound whose movements fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading, Seen
from musicavqa.rules.facts import Facts, Interval, Player, merged, region

N = len(INSTRUMENTS)
N_TABLES = 200
"""By so many a reading is told, and asked."""
THRESHOLDS = np.linspace(0.2, 0.8, 13)
"""Of activity; each table draws one for each instrument."""
SHORTEST_S = 0.15
"""Shorter stretches of playing are noise."""
SHORTEST_TICKS = 5
"""Whoever sounds at all does so for this long: the time over which an ear is surest of him."""
FAINTEST = 1e-4
"""What no tick is surer of than this is not made louder."""
SUREST = 1 - 1e-9
MOST_ROUNDS = 16
"""Times as many choices as tables are drawn at most."""
EAR_SHARE, LEAST_SURE = 0.3, 1e-3
"""Weight of the ear alone beside movement and ear together; no tick is less or more sure."""
EQUAL_LEVEL_DB = 4.0
"""Spread of the levels of equal instruments, which hearing cannot tell apart."""
MOVED_RATE_SPREAD, STILL_RATE_SPREAD = 0.35, 0.5
"""Likewise of the logarithms of their rates, by movements; and of one who sits still."""


@dataclass(frozen=True)
class Beliefs:
    """What is expected of any performance before it is seen or heard, and how sure the senses are.

    The first three are shares of instruments that sound: of all, as in the mixes that the ear
    learned from; of those in the picture; of those that are not.
    """

    usual: float = 0.11
    if_seen: float = 0.62
    if_unseen: float = 0.025
    unpictured: float = 0.11
    """Of all, where there is no picture."""
    dubbed: float = 0.0
    """Share of clips whose sound belongs to another picture, beyond what chance makes of the rest:
    nothing that is seen sounds, and what sounds is as `usual`."""
    nothing: float = 1.0
    """How likely it is, beside the rest, that of a sound track that is not silent no instrument at
    all is heard."""
    x_spread: float = 0.012
    level_spread_db: float = 1.5
    rate_spread: float = 0.12
    """Standard deviation of the logarithm of the onset rate."""
    threshold_spread: float = 0.12
    sureness: float = 1.0
    """Exponent of the eye's shares of instruments; below 1 they are flattened."""
    ear_sureness: float = 1.0
    """Likewise of what the ear says for or against an instrument, where there is a picture."""
    ear_misses: float = 0.0
    """Logit that is added to it: how much more often the ear misses than it invents."""
    in_step: float = 1.0
    """Exponent of how much likelier movements in step with the sound are for a player."""


RENDERED = Beliefs(ear_sureness=0.85, ear_misses=0.5)
"""Of rendered performances, as `bandstand.scene` makes them; the ear is trusted no more than it
deserves with a soundfont that it never heard."""
FOOTAGE = Beliefs(
    if_seen=0.85,
    if_unseen=0.02,
    dubbed=0.08,
    unpictured=0.05,
    nothing=0.05,
    sureness=2.0,
    x_spread=0.02,
    level_spread_db=3.0,
    rate_spread=0.3,
)
"""Of real footage: who is filmed with an instrument nearly always plays it, hardly anybody plays
unseen, some clips have the sound of another, and a recording without a picture is mostly of one or
two."""


@dataclass(frozen=True)
class Choices:
    """What was drawn for one table."""

    there: tuple[int, ...]
    """Performers of the reading that are really there."""
    names: tuple[int, ...]
    """The instrument of each of them."""
    heard: np.ndarray
    """(22,) instruments that sound."""
    sounding: frozenset[int]
    """Performers that sound."""
    outdoor: bool
    voiceover: bool


@dataclass(frozen=True)
class Table:
    """One performance that fits the reading, and how well it does beside the others."""

    facts: Facts
    weight: float
    choices: Choices


@lru_cache(maxsize=1)
def tables_of(reading: Reading, n: int) -> tuple[Table, ...]:
    """The `n` tables by which a reading is told and asked, always the same; those of the last
    reading are kept."""
    return tuple(draw_tables(reading, n, np.random.default_rng(0)))


def supposing(reading: Reading, instruments: Iterable[str]) -> Reading:
    """The same reading, if it is known that these instruments sound."""
    heard = reading.heard.copy()
    heard[[INSTRUMENTS.index(name) for name in instruments]] = 1.0
    return replace(reading, heard=heard)


def draw_tables(
    reading: Reading, n: int, rng: np.random.Generator, beliefs: Beliefs | None = None
) -> list[Table]:
    """`n` tables of this reading; their weights sum to 1.

    `beliefs` None are those of what the reading says it is: RENDERED or FOOTAGE.
    """
    beliefs = beliefs or (FOOTAGE if reading.footage else RENDERED)
    stretches = _Stretches(reading)
    return [
        Table(_facts(reading, stretches, choices, rng, beliefs), weight, choices)
        for choices, weight in _likely(reading, n, rng, beliefs)
    ]


def _likely(
    reading: Reading, n: int, rng: np.random.Generator, beliefs: Beliefs
) -> list[tuple[Choices, float]]:
    """`n` choices and their weights.

    Where sight and sound hardly agree, few choices have nearly all the weight. Then more are drawn,
    and of all of these `n` by their weights (sampling-importance resampling; Rubin 1988).
    """
    trusted, drawn = _trusted(reading, beliefs), list[tuple[Choices, float]]()
    for _ in range(MOST_ROUNDS):
        drawn += [_choose(reading, trusted, rng, beliefs) for _ in range(n)]
        logs = np.array([log for _, log in drawn])
        weights = np.exp(logs - logs.max())
        weights /= weights.sum()
        if 1 / np.square(weights).sum() > n / 2:
            break
    if len(drawn) == n:
        return [(choices, float(w)) for (choices, _), w in zip(drawn, weights, strict=True)]
    marks = (rng.random() + np.arange(n)) / n
    kept = np.minimum(np.searchsorted(weights.cumsum(), marks), len(drawn) - 1)
    return [(drawn[place][0], 1 / n) for place in kept]


class _Stretches:
    """When each instrument, and each performer, plays at each threshold, if he sounds at all; found
    once per clip."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sure: dict[int, np.ndarray] = {}
        self.known: dict[tuple[int, int, int], tuple[Interval, ...]] = {}

    def of(self, instrument: int, threshold: int, performer: int = -1) -> tuple[Interval, ...]:
        """Intervals of an instrument, or of a performer who has it."""
        key = instrument, threshold, performer
        if key not in self.known:
            sure = self._sure(instrument, performer)
            self.known[key] = intervals(sure, float(THRESHOLDS[threshold]), self.reading)
        return self.known[key]

    def _sure(self, instrument: int, performer: int) -> np.ndarray:
        """(K,) that he sounds at each tick, if he sounds at all."""
        if instrument not in self.sure:
            self.sure[instrument] = activity_if_heard(self.reading, instrument)
        sure = self.sure[instrument]
        if performer < 0:
            return sure
        seen = self.reading.seen[performer]
        return np.minimum(sure, seen.plays) if seen.times is None else _pooled(sure, seen.times)


def _pooled(by_ear: np.ndarray, by_both: np.ndarray) -> np.ndarray:
    """Weighed mean of two judgements of the same ticks, as log odds.

    The ear is there twice, as it is sharper at the edges of what it knows.
    """
    ear, both = (np.clip(p, LEAST_SURE, 1 - LEAST_SURE) for p in (by_ear, by_both))
    odds = (ear / (1 - ear)) ** EAR_SHARE * (both / (1 - both)) ** (1 - EAR_SHARE)
    return odds / (1 + odds)


def activity_if_heard(reading: Reading, instrument: int) -> np.ndarray:
    """(K,) that an instrument sounds at each tick, given that it sounds at all.

    Nobody sounds at a tick who is not heard at all, so P(tick | heard) = P(tick) / P(heard); and
    whoever is heard sounds when that is likeliest, however unlikely it was.
    """
    sure = reading.activity[:, instrument]
    window = min(SHORTEST_TICKS, len(sure))
    likeliest = np.convolve(sure, np.full(window, 1 / window), "valid").max()
    heard = max(FAINTEST, min(float(reading.heard[instrument]), float(likeliest)))
    return np.minimum(1.0, sure / heard)


def intervals(sure: np.ndarray, threshold: float, reading: Reading) -> tuple[Interval, ...]:
    """Stretches (start, stop) in seconds where `sure` (K,) is above `threshold`."""
    above = np.concatenate([[False], sure > threshold, [False]])
    starts = np.flatnonzero(~above[:-1] & above[1:])
    stops = np.flatnonzero(above[:-1] & ~above[1:])
    step, end = reading.tick_s, reading.duration_s
    found = [(a * step, min(b * step, end)) for a, b in zip(starts, stops, strict=True)]
    return merged((a, b) for a, b in found if b - a >= SHORTEST_S)


def _choose(
    reading: Reading, trusted: np.ndarray, rng: np.random.Generator, beliefs: Beliefs
) -> tuple[Choices, float]:
    """What is there and sounds in one table, and the logarithm of its weight."""
    there, names = _look(reading, rng, beliefs)
    heard, log_weight = _listen(reading, trusted, there, names, rng, beliefs)
    sounding = _who_sounds(reading, there, names, heard, rng)
    outdoor, voiceover = rng.random(2) < (reading.outdoor, reading.voiceover)
    choices = Choices(
        tuple(there), tuple(names), heard, frozenset(sounding), bool(outdoor), bool(voiceover)
    )
    return choices, log_weight


def _facts(
    reading: Reading,
    stretches: _Stretches,
    choices: Choices,
    rng: np.random.Generator,
    beliefs: Beliefs,
) -> Facts:
    """The table of these choices: everybody with his place, times, level and rate."""
    levels = reading.level_db + rng.normal(0, beliefs.level_spread_db, N)
    rates = reading.onset_rate * np.exp(rng.normal(0, beliefs.rate_spread, N))
    thresholds = _thresholds(rng, beliefs)
    n_equal = np.zeros(N, int)
    for index, name in zip(choices.there, choices.names, strict=True):
        n_equal[name] += index in choices.sounding
    players = []
    for index, name in zip(choices.there, choices.names, strict=True):
        seen = reading.seen[index]
        x = seen.x + float(rng.normal(0, max(beliefs.x_spread, seen.x_spread)))
        player = _silent(INSTRUMENTS[name], x, seen, float(rng.random()))
        if index in choices.sounding:
            several = n_equal[name] > 1
            alone = not several and seen.times is None
            times = stretches.of(name, thresholds[name], -1 if alone else index)
            level = levels[name] + several * rng.normal(0, EQUAL_LEVEL_DB)
            rate = _rate_of_equal(player, seen, rates[name], rng) if several else rates[name]
            player = _sounding(player, times, float(level), float(rate))
        players.append(player)
    for name in np.flatnonzero(choices.heard).tolist():
        if name not in choices.names:
            times = stretches.of(name, thresholds[name])
            hidden = Player(INSTRUMENTS[name], visible=False)
            players.append(_sounding(hidden, times, float(levels[name]), float(rates[name])))
    return Facts(
        duration_s=reading.duration_s,
        place="outdoor" if choices.outdoor else "indoor",
        voiceover=choices.voiceover,
        dubbed=bool(choices.heard.any()) and not any(p.visible and p.heard for p in players),
        players=tuple(players),
    )


def _look(
    reading: Reading, rng: np.random.Generator, beliefs: Beliefs
) -> tuple[list[int], list[int]]:
    """Which performers are there, and the instrument of each."""
    chosen = [i for i, seen in enumerate(reading.seen) if rng.random() < seen.share]
    names = []
    for index in chosen:
        shares = np.cumsum(reading.seen[index].instruments ** beliefs.sureness)
        names.append(int(np.searchsorted(shares, rng.random() * shares[-1], "right")))
    return chosen, [min(name, N - 1) for name in names]


def _listen(
    reading: Reading,
    trusted: np.ndarray,
    there: Sequence[int],
    names: Sequence[int],
    rng: np.random.Generator,
    beliefs: Beliefs,
) -> tuple[np.ndarray, float]:
    """Which instruments sound (22,) given those that are seen, and how well sight and sound agree.

    By ear alone an instrument sounds with share p (`trusted`), where `usual` was expected. With e
    expected instead, its odds are p e / usual to (1 - p) (1 - e) / (1 - usual), and their sum is
    how much more likely the sound is than before.
    """
    if not reading.has_sound:
        return np.zeros(N, bool), 0.0
    expected = _expected(reading, names, rng, beliefs)
    expected = _in_step(reading, there, names, expected, beliefs)
    yes = trusted * expected / beliefs.usual
    no = (1 - trusted) * (1 - expected) / (1 - beliefs.usual)
    heard = rng.random(N) * (yes + no) < yes
    return heard, float(np.log(yes + no).sum() + (0 if heard.any() else np.log(beliefs.nothing)))


def _trusted(reading: Reading, beliefs: Beliefs) -> np.ndarray:
    """(22,) p: what is heard, taken as seriously as ears deserve beside eyes."""
    if not reading.has_picture:
        return reading.heard
    share = np.minimum(reading.heard, SUREST)
    usual_odds = beliefs.usual / (1 - beliefs.usual)
    odds = (share / (1 - share) / usual_odds) ** beliefs.ear_sureness
    odds *= usual_odds * np.exp(beliefs.ear_misses)
    return odds / (1 + odds)


def _expected(
    reading: Reading, names: Sequence[int], rng: np.random.Generator, beliefs: Beliefs
) -> np.ndarray:
    """(22,) that each instrument sounds, given those that are seen; drawn anew for dubbed clips."""
    dubbed = beliefs.dubbed > 0 and rng.random() < beliefs.dubbed
    if not reading.has_picture:
        unseen = beliefs.unpictured
    else:
        unseen = beliefs.usual if dubbed else beliefs.if_unseen
    expected = np.full(N, unseen)
    expected[list(names)] = beliefs.if_unseen if dubbed else beliefs.if_seen
    return expected


def _in_step(
    reading: Reading,
    there: Sequence[int],
    names: Sequence[int],
    expected: np.ndarray,
    beliefs: Beliefs,
) -> np.ndarray:
    """The same once movements were held against all that sounds, whatever its name.

    One of those who have an instrument plays it, if any does, each as likely as another.
    """
    ratios: dict[int, list[float]] = {}
    for index, name in zip(there, names, strict=True):
        ratios.setdefault(name, []).append(np.exp(beliefs.in_step * reading.seen[index].in_step))
    ratio = np.ones(N)
    for name, found in ratios.items():
        ratio[name] = np.mean(found)
    return expected * ratio / (expected * ratio + 1 - expected)


def _who_sounds(
    reading: Reading,
    chosen: Sequence[int],
    names: Sequence[int],
    heard: np.ndarray,
    rng: np.random.Generator,
) -> set[int]:
    """Of the performers of each heard instrument at least one sounds: those who fit it best."""
    sounding: set[int] = set()
    for name in {name for name in names if heard[name]}:
        equals = [i for i, own in zip(chosen, names, strict=True) if own == name]
        shares = np.array([reading.seen[i].sounds for i in equals])
        drawn = rng.random((8, len(equals))) < shares
        kept = drawn[drawn.any(1)]
        row = kept[0] if len(kept) else shares == shares.max()
        sounding |= {i for i, plays in zip(equals, row, strict=True) if plays}
    return sounding


def _rate_of_equal(player: Player, seen: Seen, heard: float, rng: np.random.Generator) -> float:
    """The ear knows only the rate of all equals together: that of one is told by his movements, and
    may be any near theirs where he sits still."""
    if seen.onset_rate is None:
        return heard
    known, spread = heard, STILL_RATE_SPREAD
    if player.moves:
        known, spread = seen.onset_rate, MOVED_RATE_SPREAD
    return known * float(np.exp(rng.normal(0, spread)))


def _thresholds(rng: np.random.Generator, beliefs: Beliefs) -> np.ndarray:
    drawn = np.clip(rng.normal(0.5, beliefs.threshold_spread, N), THRESHOLDS[0], THRESHOLDS[-1])
    return np.abs(drawn[:, None] - THRESHOLDS).argmin(1)


def _silent(instrument: str, x: float, seen: Seen, drawn: float) -> Player:
    return Player(instrument, visible=True, moves=drawn < seen.moves, x=x, region=region(x))


def _sounding(player: Player, times: tuple[Interval, ...], level_db: float, rate: float) -> Player:
    """The player with what is heard of him; silent after all where no stretch is long enough."""
    if not times:
        return player
    return replace(
        player,
        heard=True,
        level_db=level_db,
        first_onset_s=times[0][0],
        last_offset_s=times[-1][1],
        intervals=times,
        playing_s=sum(stop - start for start, stop in times),
        onset_rate=max(rate, 1e-3),
    )

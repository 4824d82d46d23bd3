"""Who is seen on photographs, by the classes of ImageNet around every cell of the key frames.

Nothing here is trained. Each family of look-alikes has one player at most: a drum kit is seen as
drum, gong and chime at once, a guitar as banjo and plectrum. The place where a family is surest is
a player; another family there is the same thing under another name, and only says which instrument
it may be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Seen
from musicavqa.rules.photographs import FLOOR, SOURCES, meaning_matrix

FAMILIES: dict[str, tuple[str, ...]] = {
    "plucked": ("acoustic guitar", "banjo", "electric guitar", "plectrum"),
    "beaten": ("drum", "steel drum", "gong", "chime", "maraca"),
    "keys": ("piano", "organ", "keyboard"),
    "bars": ("marimba",),
    "cello": ("cello",),
    "violin": ("violin",),
    "wood": ("oboe", "bassoon", "flute", "ocarina", "panpipe", "harmonica"),
    "brass": ("cornet", "french horn", "trombone"),
    "saxophone": ("saxophone",),
    "accordion": ("accordion",),
    "harp": ("harp",),
}
"""Groups that one instrument is easily seen as."""

SHY = {"wood": 0.5, "harp": 0.5, "brass": 0.7}
"""Thin or shiny things of any kind look like these: their shares count less."""


NOTHING = 0.02
"""Smaller peaks are no peaks."""
N = len(INSTRUMENTS)


@dataclass(frozen=True)
class Sight:
    """How shares of classes become players."""

    doubtful: float = 0.15
    """A peak of this share is a player as often as not."""
    steepness: float = 2.0
    same_place: float = 0.25
    """Where a family that is there already has this part of its share, it is another name of it."""
    at_least_one: float = 0.97
    """Somebody plays in a picture of a performance."""
    unknown: float = 0.03
    """Share of any instrument at all, on top of what the classes say."""


BLOCK = 256
"""Key frames whose shares are counted at once: those of hours would take much memory."""
FLAT = 0.012
"""A picture without a motif, black or grey, varies less in every cell."""
USUALLY_OUTDOORS = 0.25
NEUTRAL = 2.2
"""Outdoor against indoor share of a picture that shows nothing: the open has more classes."""


def shows_something(maps: np.ndarray) -> bool:
    """False where every key frame (n, groups, rows, columns) is of one colour, or missing.

    The outermost cells of the picture are left out: a strip of the bars around it is in them.
    """
    inside = _inside(maps)
    rows, columns = (np.flatnonzero(inside.any(1 - axis))[1:-1] for axis in (0, 1))
    return bool((maps[:, -1][:, rows][:, :, columns] > FLAT).any())


def players(maps: np.ndarray, n_ticks: int, sight: Sight = Sight()) -> tuple[Seen, ...]:
    """Players from photo maps (n, groups, rows, columns) of n key frames, from left to right."""
    shares, inside = _over_time(maps)
    spots = _spots(shares, sight) or [Spot("", 0.0, inside.astype(float))]
    seen = [_player(spot, shares, inside, n_ticks, sight) for spot in spots]
    surest = max(range(len(seen)), key=lambda index: spots[index].peak)
    seen[surest] = replace(seen[surest], share=max(seen[surest].share, sight.at_least_one))
    return tuple(sorted(seen, key=lambda player: player.x))


def outdoor(maps: np.ndarray) -> float:
    """That the place is outdoors, from the shares of both over all cells and key frames."""
    inside = _inside(maps)
    indoors, outdoors = (
        float(np.exp(maps[:, channel].astype(np.float64))[:, inside].mean()) for channel in (-3, -2)
    )
    odds = (outdoors / indoors / NEUTRAL) ** 2 * USUALLY_OUTDOORS / (1 - USUALLY_OUTDOORS)
    return odds / (1 + odds)


def _inside(maps: np.ndarray) -> np.ndarray:
    """(rows, columns): the cells that are picture and not bar, in any key frame."""
    return np.asarray((maps[:, :-1] > FLOOR).any((0, 1)))


def _over_time(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (things, rows, columns) over time, and the cells inside.

    The mean over key frames, but those with a player in sight count most.
    """
    inside = _inside(maps)
    blocks = [maps[start : start + BLOCK] for start in range(0, len(maps), BLOCK)]
    weights = [_shares(block, inside).sum(1).max((1, 2)) + 1e-3 for block in blocks]
    total = np.concatenate(weights).sum()
    parts = [
        np.tensordot(weight / total, _shares(block, inside), 1)
        for weight, block in zip(weights, blocks, strict=True)
    ]
    return np.sum(parts, 0), inside


def _shares(maps: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """(n, things, rows, columns), nothing outside."""
    return np.exp(maps[:, : len(SOURCES)].astype(np.float64)) * inside


@dataclass(frozen=True)
class Spot:
    """Where a family is surest."""

    family: str
    peak: float
    """Its share there."""
    weights: np.ndarray
    """(rows, columns) of the cells around that belong to it."""


def _spots(shares: np.ndarray, sight: Sight) -> list[Spot]:
    """One of each family that is seen, the surest first; none where another is as good."""
    names = list(SOURCES)
    maps = {
        family: SHY.get(family, 1.0) * shares[[names.index(group) for group in groups]].sum(0)
        for family, groups in FAMILIES.items()
    }
    spots: list[Spot] = []
    for family in sorted(maps, key=lambda family: -maps[family].max()):
        peak = float(maps[family].max())
        place = np.unravel_index(maps[family].argmax(), maps[family].shape)
        known = any(maps[spot.family][place] > sight.same_place * peak for spot in spots)
        if peak > NOTHING and not known:
            spots.append(Spot(family, peak, maps[family] * (maps[family] > 0.5 * peak)))
    return spots


def _player(spot: Spot, shares: np.ndarray, inside: np.ndarray, n_ticks: int, sight: Sight) -> Seen:
    """What stands at a spot: every class that is seen there says what it may be."""
    weights = spot.weights / spot.weights.sum()
    instruments = (shares * weights).sum((1, 2)) @ meaning_matrix() + sight.unknown / N
    odds = (spot.peak / sight.doubtful) ** sight.steepness
    y, x = (_middle(weights.sum(1 - axis), np.asarray(inside.any(1 - axis))) for axis in (0, 1))
    return Seen(
        share=odds / (1 + odds),
        instruments=instruments / instruments.sum(),
        x=x,
        y=y,
        height=0.6,
        x_spread=0.03,
        plays=np.ones(n_ticks),
        sounds=0.95,
        moves=1.0,
    )


def _middle(weights: np.ndarray, inside: np.ndarray) -> float:
    """Mean place of weighted rows or columns, 0..1 of those that are picture."""
    cells = np.flatnonzero(inside)
    return float((np.arange(len(weights)) + 0.5 - cells[0]) @ weights / len(cells))

"""The eight cells: three switches, and which parts and facts each combination has."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

SWITCHES = ("input", "place_time", "music")
"""Specialised input, spatial-temporal design, music-specific modelling."""
TITLES = {"input": "input", "place_time": "space and time", "music": "music"}

READS_PLACE_OR_TIME = frozenset({6, 11, 12, 15, *range(22, 34)})
"""Templates whose rule reads where somebody stands, or when he plays."""
READS_MUSIC = frozenset({4, 5, 24, 26, 27, 28, 29})
"""Templates whose rule reads a level or an onset rate."""


@dataclass(frozen=True)
class Cell:
    """One combination of the switches."""

    input: bool
    place_time: bool
    music: bool

    @property
    def name(self) -> str:
        """For example 'input+music'; 'none' with all off."""
        return "+".join(name for name in SWITCHES if getattr(self, name)) or "none"

    @property
    def eye(self) -> str:
        """The eye that it sees with."""
        return f"eye-{_input(self.input)}-{'place' if self.place_time else 'counts'}"

    @property
    def ear(self) -> str:
        """The ear that it hears with."""
        return f"ear-{_input(self.input)}-{'music' if self.music else 'tags'}"


def _input(special: bool) -> str:
    return "special" if special else "general"


CELLS = tuple(Cell(*on) for on in product((False, True), repeat=3))
"""From all off to all on."""

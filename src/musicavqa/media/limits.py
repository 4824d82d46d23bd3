"""How much of a file is read at most, whatever it claims to hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on work and memory; what lies behind `seconds` is left out, and said."""

    seconds: float = 4 * 3600.0
    n_bytes: int = 2**30
    """Of decoded pictures and sound that are held at once."""

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds is {self.seconds}; it must be above 0.")
        if not self.n_bytes > 0:
            raise ValueError(f"n_bytes is {self.n_bytes}; it must be above 0.")


LIMITS = Limits()
HELD_BYTES = 128 * 2**20
"""Decoded pictures and sound that wait for the other sense before that is taken to have ended."""
MOST_PIXELS = 40_000_000
"""Of one picture: a little more than 8192 x 4320, the largest size of video."""
LEAST_HZ, MOST_HZ = 1000, 1_000_000
"""Rates of sound; outside of them a header is damaged or a trap."""
MOST_CHANNELS = 64

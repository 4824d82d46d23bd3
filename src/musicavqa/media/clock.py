"""The common time base of picture and sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LEAP_S = 600.0  # times that leap further are damage


@dataclass(frozen=True)
class Clock:
    """The common time base of a file: its origin, its announced length and where to stop."""

    origin_s: float
    announced_s: float | None
    max_s: float

    @classmethod
    def of(cls, container: Any, max_s: float | None) -> Clock:
        """Origin is the container's start; a negative one is encoder delay, to be cut."""
        start_s = (container.start_time or 0) / 1e6
        announced_s = container.duration / 1e6 if container.duration else None
        return cls(max(start_s, 0.0), announced_s, float("inf") if max_s is None else max_s)

    def time(self, time_s: float | None, expected_s: float) -> float:
        """Time from the origin; a missing time, or a wild leap of it, follows what came before."""
        if time_s is None or abs(time_s - self.origin_s - expected_s) > LEAP_S:
            return expected_s
        return time_s - self.origin_s

    def announced(self, stream: Any) -> float | None:
        """End that a stream announces, from the origin; the container's if it is silent."""
        if stream is None or stream.duration is None or stream.time_base is None:
            return self.announced_s
        start_s = float((stream.start_time or 0) * stream.time_base) - self.origin_s
        return start_s + float(stream.duration * stream.time_base)

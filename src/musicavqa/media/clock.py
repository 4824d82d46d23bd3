"""The common time base of picture and sound, and how it runs on where time stamps start again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

LEAP_S = 600.0  # times that leap further are damage
BACK_S = 0.25  # decoding times that go back further start again
REORDERED_S = 2.0  # the same where only times of display are known
FORWARD_S = 10.0  # a leap of all streams of a broadcast; the usual bound of players
JOINABLE = {"mpegts", "mpeg"}
"""Formats whose files may be joined byte by byte, each part with times of its own."""


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

    def is_over(self, packet: Any) -> bool:
        """Whether a packet, and so all that follow it, lies behind the limit.

        A time that leaps far behind it is damage, and tells nothing.
        """
        time_s = _decoding_s(packet)
        return time_s is not None and (
            self.max_s + REORDERED_S < time_s - self.origin_s < self.max_s + 2 * LEAP_S
        )

    def announced(self, stream: Any) -> float | None:
        """End that a stream announces, from the origin; None where it is silent."""
        if stream.duration is not None and stream.time_base is not None:
            start_s = float((stream.start_time or 0) * stream.time_base) - self.origin_s
            return start_s + float(stream.duration * stream.time_base)
        told = re.match(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))  # Matroska
        if told is None:
            return None
        return 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3]) - self.origin_s


class Joints:
    """Moves packets so that time runs on where time stamps start again, for all streams alike.

    Recordings that were joined byte by byte (TS, VOB), and chained Ogg, start anew in the middle.
    The stream that comes there first fixes where the next part lies: at the end of all that came
    before; the others follow it by the same shift, so that picture and sound stay together. A time
    that the next packet of its stream takes back is damage, and no joint.
    """

    def __init__(self, container: Any, clock: Clock) -> None:
        self.clock = clock
        self.forward_s = FORWARD_S if container.format.name in JOINABLE else LEAP_S
        self.shifts_s = [0.0]  # of each part
        self.begins_s: list[float] = []  # of each part but the first
        self.part: dict[int, int] = {}  # in which each stream is
        self.last_s: dict[int, float] = {}  # its last decoding time, as it stands in the file
        self.end_s = float("-inf")  # of all packets so far, moved
        self.n_taken_back = 0
        self.waiting: dict[int, Any] = {}  # the last packet of each stream

    def run_on(self, packets: Iterable[Any]) -> Iterator[Any]:
        """The packets, moved in place; each waits for the next of its stream."""
        for packet in packets:
            yield from self.release(packet.stream.index, _decoding_s(packet))
            if _decoding_s(packet) is None:
                yield packet  # has no time, or ends its stream
            else:
                self.waiting[packet.stream.index] = packet
        for stream in list(self.waiting):
            yield from self.release(stream)

    def release(self, stream: int, next_s: float | None = None) -> Iterator[Any]:
        """The packet of a stream that waits for the next, if there is one."""
        packet = self.waiting.pop(stream, None)
        if packet is not None:
            yield self._moved(packet, next_s)

    def _moved(self, packet: Any, next_s: float | None) -> Any:
        time_s, tick_s = _decoding_s(packet), float(packet.time_base)
        assert time_s is not None
        stream = packet.stream.index
        last_s = self.last_s.get(stream)
        back_s = REORDERED_S if packet.dts is None else BACK_S
        if last_s is not None and _is_taken_back(last_s, time_s, next_s, back_s):
            self.n_taken_back += 1
            _shift(packet, round((last_s - time_s) / tick_s) + 1)
            time_s = last_s + tick_s
        part = self.part.get(stream, len(self.shifts_s) - 1)
        if last_s is not None:
            part = self._part_of(time_s, part, last_s + self.shifts_s[part] - back_s)
        self.part[stream], self.last_s[stream] = part, time_s
        _shift(packet, round(self.shifts_s[part] / tick_s))
        shown_s = time_s + self.shifts_s[part] if packet.pts is None else packet.pts * tick_s
        length_s = min(packet.duration * tick_s, 1.0) if packet.duration else 0.0
        self.end_s = max(self.end_s, shown_s + length_s)
        return packet

    def _part_of(self, time_s: float, part: int, least_s: float) -> int:
        """The part that a packet belongs to: its stream's own, the next, or one begun here."""
        for known in range(part, len(self.shifts_s)):
            if least_s <= time_s + self.shifts_s[known] <= self.end_s + self.forward_s:
                return known
        self.shifts_s.append(self.end_s - time_s)
        self.begins_s.append(self.end_s - self.clock.origin_s)
        return len(self.shifts_s) - 1


def _decoding_s(packet: Any) -> float | None:
    ticks = packet.pts if packet.dts is None else packet.dts
    if ticks is None:
        return None
    unit = packet.time_base  # asked of every packet: without the price of fractions
    return ticks * unit.numerator / unit.denominator


def _is_taken_back(last_s: float, time_s: float, next_s: float | None, back_s: float) -> bool:
    """True where the stream goes on after this time as if it had not been."""
    if next_s is None or not -back_s <= next_s - last_s <= FORWARD_S:
        return False
    return time_s - next_s > back_s or last_s - time_s > back_s


def _shift(packet: Any, n_ticks: int) -> None:
    if n_ticks and packet.pts is not None:
        packet.pts += n_ticks
    if n_ticks and packet.dts is not None:
        packet.dts += n_ticks

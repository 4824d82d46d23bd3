"""Pictures on time grids, converted and resized as they are kept."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from musicavqa.media.clock import LEAP_S, Clock
from musicavqa.media.resizing import resized
from musicavqa.media.wanted import Pictures

HOLE_S = 1.0  # a picture that stands still for longer is worth a word
SLACK_S = 1e-3  # Matroska rounds times to a millisecond


class Grid:
    """The pictures of one request."""

    def __init__(self, wanted: Pictures) -> None:
        from av.video.reformatter import Interpolation, VideoReformatter

        self.wanted = wanted
        self.kept: deque[np.ndarray] = deque()
        self.n = 0  # with those that were taken
        self.brightest = 0
        self.reformatter = VideoReformatter()
        self.how = wanted.filter.removeprefix("pil_")
        self.as_pillow = wanted.filter.startswith("pil_")
        self.filter = Interpolation[self.how.upper()]

    def time_s(self, index: int) -> float:
        """The middle of a step of the grid."""
        return (index + 0.5) / self.wanted.rate_hz

    def asks(self, from_s: float, until_s: float) -> bool:
        """True where a time of this grid lies in between."""
        return self.time_s(math.ceil(from_s * self.wanted.rate_hz - 0.5)) < until_s

    def show(self, frame: Any, until_s: float) -> None:
        """Keep `frame` for every grid time that is still open before `until_s`."""
        picture = None
        while self.time_s(self.n) < until_s - SLACK_S:
            picture = self.convert(frame) if picture is None else picture
            self.keep(picture)

    def keep(self, picture: np.ndarray) -> None:
        """Add the picture of the next grid time."""
        self.kept.append(picture)
        self.n += 1
        self.brightest = max(self.brightest, int(picture.max()))

    @property
    def n_bytes(self) -> int:
        """Of the pictures that were not taken."""
        return len(self.kept) * self.kept[0].nbytes if self.kept else 0

    def convert(self, frame: Any) -> np.ndarray:
        """Upright array of the wanted size; a turned phone video is resized, then turned."""
        if self.as_pillow:
            return self._middle(self._like_pillow(frame))
        n_quarter_turns = round(frame.rotation / 90) % 4
        turned = n_quarter_turns % 2
        shown = (frame.width, frame.height) if turned else (frame.height, frame.width)
        scaled = self._scaled(*shown)
        height, width = scaled[::-1] if turned else scaled
        small = self.reformatter.reformat(
            frame, width, height, self.wanted.pixels, interpolation=self.filter
        )
        return self._middle(np.rot90(small.to_ndarray(), n_quarter_turns))

    def _like_pillow(self, frame: Any) -> np.ndarray:
        """The picture at its own size, turned upright, then resized outside swscale."""
        own = self.reformatter.reformat(frame, format=self.wanted.pixels).to_ndarray()
        upright = np.rot90(own, round(frame.rotation / 90) % 4)
        return resized(upright, *self._scaled(*upright.shape[:2]), self.how)

    def take(self, n: int, n_again: int = 0) -> np.ndarray:
        """The next pictures, (n, H, W, 3) or (n, H, W), the last of them to be given once more.

        All others are handed over, never held twice.
        """
        pictures = np.empty((n, *self.kept[0].shape), np.uint8)
        for i in range(n - n_again):
            pictures[i] = self.kept.popleft()
        for i in range(n_again):
            pictures[n - n_again + i] = self.kept[i]
        return pictures

    def _scaled(self, height: int, width: int) -> tuple[int, int]:
        """Size before cutting; with 'crop' the smallest of that shape that covers the wanted."""
        if self.wanted.fit == "stretch":
            return self.wanted.size
        if self.wanted.fit == "pad":
            scale = min(self.wanted.size[0] / height, self.wanted.size[1] / width)
            return max(1, round(height * scale)), max(1, round(width * scale))
        scale = max(self.wanted.size[0] / height, self.wanted.size[1] / width)
        # whole pixels rounded down, as torchvision does
        return (
            max(self.wanted.size[0], int(height * scale + 1e-6)),
            max(self.wanted.size[1], int(width * scale + 1e-6)),
        )

    def _middle(self, picture: np.ndarray) -> np.ndarray:
        height, width = self.wanted.size
        if self.wanted.fit == "pad":
            framed = np.zeros((height, width, *picture.shape[2:]), np.uint8)
            top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
            framed[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            return framed
        top, left = round((picture.shape[0] - height) / 2), round((picture.shape[1] - width) / 2)
        return np.ascontiguousarray(picture[top : top + height, left : left + width])


class Screen:
    """The picture on the screen: each new frame ends the one before."""

    def __init__(self, stream: Any, grids: Sequence[Grid], clock: Clock) -> None:
        self.grids, self.clock = grids, clock
        self.frame_s = float(1 / stream.average_rate) if stream.average_rate else 0.04
        self.tick = stream.time_base.numerator, stream.time_base.denominator
        self.steady = _is_steady(stream)
        self.frame: Any = None
        self.end_s = self.left_out_end_s = 0.0
        self.dots = float(stream.sample_aspect_ratio or 1)
        self.aspect: float | None = None
        self.forced_s = 0.0  # pictures before this time would come too late
        self.frozen_s = 0.0
        self.n = self.n_damaged = 0

    @property
    def full(self) -> bool:
        return self.end_s >= self.clock.max_s

    @property
    def reach_s(self) -> float:
        """Until when the picture is known."""
        return max(self.end_s, self.forced_s)

    def force(self, until_s: float) -> None:
        """Hold the picture up to `until_s`, as no other came for long."""
        self.hold(until_s)
        self.forced_s = max(self.forced_s, until_s)

    def add(self, frame: Any) -> None:
        """Show `frame`; the previous one was on screen until its time."""
        time_s = self.clock.time(frame.time, self.end_s)
        if self.frame is not None:
            self.hold(time_s)
        else:
            self.aspect = self._aspect_of(frame)
        self.frame = frame
        self.extend(time_s, frame)

    def _aspect_of(self, frame: Any) -> float:
        """Width by height as it is shown: dots may be oblong, and a phone may be turned."""
        aspect = frame.width / frame.height * self.dots
        return 1 / aspect if round(frame.rotation / 90) % 2 else aspect

    def leaves_out(self, packet: Any) -> bool:
        """True where no grid can show the picture of `packet`, with half a frame to spare.

        Before every grid has a picture none is left out: the only one of a short clip is shown.
        When what was left out ends is kept, as the last picture of a file may be among it.
        """
        if not (self.steady and all(grid.n for grid in self.grids)):
            return False
        if packet.pts is None or packet.is_corrupt:
            return False
        time_s = self._seconds(packet.pts) - self.clock.origin_s
        spare_s = max(self.frame_s / 2, 2 * SLACK_S)
        from_s, until_s = time_s - spare_s, time_s + self.frame_s + spare_s
        if abs(time_s - self.end_s) > LEAP_S or any(g.asks(from_s, until_s) for g in self.grids):
            return False
        self.left_out_end_s = max(self.left_out_end_s, time_s + self.frame_s)
        return True

    def pass_by(self, packet: Any) -> None:
        """Without grids nothing is decoded; the packets still tell how long the picture lasts."""
        if packet.pts is not None:
            time_s = self.clock.time(self._seconds(packet.pts), self.end_s)
            self.extend(time_s, packet)

    def extend(self, time_s: float, shown: Any) -> None:
        """A frame or packet shown from `time_s` on moves the end."""
        shown_s = self._seconds(shown.duration) if shown.duration else self.frame_s
        gap_s = time_s - max(self.end_s, self.left_out_end_s)
        if self.n and gap_s > HOLE_S:
            self.frozen_s += gap_s
        self.end_s = max(self.end_s, time_s + min(shown_s, LEAP_S))
        self.n += 1

    def _seconds(self, n_ticks: int) -> float:
        """The float nearest to the exact time, without the price of fractions."""
        return n_ticks * self.tick[0] / self.tick[1]

    def hold(self, until_s: float) -> None:
        """Keep the current frame on every grid up to `until_s`."""
        for grid in self.grids:
            grid.show(self.frame, min(until_s, self.clock.max_s))

    def finish(self, end_s: float) -> None:
        """Hold the last frame to the end; a clip shorter than half a grid step keeps one frame."""
        if self.frame is None:
            return
        self.hold(end_s)
        for grid in self.grids:
            if not grid.n:
                grid.keep(grid.convert(self.frame))


def _is_steady(stream: Any) -> bool:
    """True where every frame lasts as long: an MP4 whose frames, counted, give its base rate."""
    from_index = "mp4" in stream.container.format.name  # others only repeat what a header says
    return from_index and bool(stream.average_rate) and stream.average_rate == stream.base_rate

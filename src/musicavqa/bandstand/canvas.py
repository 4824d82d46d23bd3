"""A small antialiased vector canvas: shapes in local coordinates, drawn by OpenCV with subpixels.

Local coordinates of a player: origin on the floor between the feet, x to the viewer's right, y UP,
unit = the standing height of the player (head top at y = 1). The picture is drawn at `oversample`
times its size and averaged down, so edges are smooth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""
Point = tuple[float, float]

_SHIFT = 4  # OpenCV takes fixed-point coordinates: 1/16 pixel


class Canvas:
    """An RGB picture of `width` x `height` pixels that pens draw on."""

    def __init__(self, width: int, height: int, oversample: int = 2) -> None:
        self.width, self.height, self.oversample = width, height, oversample
        self.pixels = np.zeros((height * oversample, width * oversample, 3), np.uint8)

    def finish(self) -> np.ndarray:
        """The picture at its real size, uint8 (height, width, 3) RGB."""
        if self.oversample == 1:
            return self.pixels.copy()
        return cv2.resize(self.pixels, (self.width, self.height), interpolation=cv2.INTER_AREA)


@dataclass(frozen=True)
class Pen:
    """Draws shapes given in local coordinates (y up) onto a canvas.

    `x`, `y`: where the local origin stands, in picture pixels (y down); `scale`: pixels per local
    unit; `angle`: counter-clockwise turn in radians; `mirror`: flip left and right.
    """

    canvas: Canvas
    x: float
    y: float
    scale: float
    angle: float = 0.0
    mirror: bool = False
    light: float = 1.0
    """Brightness factor applied to every colour."""

    def at(self, x: float, y: float, scale: float = 1.0, angle: float = 0.0) -> Pen:
        """A pen whose origin is the local point (x, y), scaled and turned relative to this one."""
        px, py = self.pixel((x, y))
        turn = -angle if self.mirror else angle
        return replace(self, x=px, y=py, scale=self.scale * scale, angle=self.angle + turn)

    def pixel(self, point: Point) -> Point:
        """Picture pixel (x right, y down, not oversampled) of a local point."""
        x, y = (-point[0] if self.mirror else point[0]), point[1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return (
            self.x + self.scale * (x * cos - y * sin),
            self.y - self.scale * (x * sin + y * cos),
        )

    def polygon(
        self,
        points: Sequence[Point],
        fill: Colour,
        outline: Colour | None = None,
        width: float = 0.006,
    ) -> None:
        """Filled polygon (need not be convex); `width` of the outline in local units."""
        corners = self._fixed(points)
        cv2.fillPoly(self.canvas.pixels, [corners], self._shade(fill), cv2.LINE_AA, _SHIFT)
        if outline is not None:
            self._stroke(corners, outline, width, closed=True)

    def line(self, points: Sequence[Point], colour: Colour, width: float = 0.01) -> None:
        """Polyline with round ends; `width` in local units (never thinner than one fine pixel)."""
        self._stroke(self._fixed(points), colour, width, closed=False)

    def ellipse(
        self,
        centre: Point,
        radius_x: float,
        radius_y: float,
        fill: Colour,
        outline: Colour | None = None,
        width: float = 0.006,
        angle: float = 0.0,
    ) -> None:
        """Filled ellipse; `angle` in radians counter-clockwise."""
        self.polygon(ring(centre, radius_x, radius_y, angle), fill, outline, width)

    def circle(
        self,
        centre: Point,
        radius: float,
        fill: Colour,
        outline: Colour | None = None,
        width: float = 0.006,
    ) -> None:
        """Filled circle."""
        self.ellipse(centre, radius, radius, fill, outline, width)

    def _fixed(self, points: Sequence[Point]) -> np.ndarray:
        local = np.array(points, np.float64)  # (n, 2)
        x, y = (-local[:, 0] if self.mirror else local[:, 0]), local[:, 1]
        cos, sin = self.scale * math.cos(self.angle), self.scale * math.sin(self.angle)
        pixels = np.stack([self.x + x * cos - y * sin, self.y - x * sin - y * cos], 1)
        return (pixels * (self.canvas.oversample << _SHIFT)).round().astype(np.int32)

    def _stroke(self, corners: np.ndarray, colour: Colour, width: float, closed: bool) -> None:
        thickness = max(1, round(width * self.scale * self.canvas.oversample))
        cv2.polylines(
            self.canvas.pixels,
            [corners],
            closed,
            self._shade(colour),
            thickness,
            cv2.LINE_AA,
            _SHIFT,
        )

    def _shade(self, colour: Colour) -> tuple[float, ...]:
        return tuple(min(255.0, channel * self.light) for channel in colour)


def ring(
    centre: Point, radius_x: float, radius_y: float, angle: float = 0.0, n: int = 24,
    start: float = 0.0, stop: float = 2 * math.pi,
) -> list[Point]:  # fmt: skip
    """Points on an ellipse (or on the arc from `start` to `stop` radians)."""
    cos, sin = math.cos(angle), math.sin(angle)
    closed = stop - start >= 2 * math.pi
    steps = n if closed else n - 1
    points = []
    for i in range(n):
        t = start + (stop - start) * i / steps
        x, y = radius_x * math.cos(t), radius_y * math.sin(t)
        points.append((centre[0] + x * cos - y * sin, centre[1] + x * sin + y * cos))
    return points


def curve(points: Sequence[Point], n: int = 8, closed: bool = False) -> list[Point]:
    """A smooth Catmull-Rom curve through the given points, `n` pieces between two of them."""
    p = np.asarray(points, float)
    ends = (p[-1:], p[:2]) if closed else (p[:1], p[-1:])
    padded = np.concatenate([ends[0], p, ends[1]])
    t = np.linspace(0, 1, n, endpoint=False)[:, None]
    pieces = [
        0.5
        * (
            2 * b
            + (c - a) * t
            + (2 * a - 5 * b + 4 * c - d) * t**2
            + (3 * b - a - 3 * c + d) * t**3
        )
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    path = np.concatenate(pieces if closed else [*pieces, p[-1:]])
    return [(float(x), float(y)) for x, y in path]

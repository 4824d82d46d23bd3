"""Brush strokes for drawn instruments: tinted styles, tapered tubes, dots and a movable place."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from musicavqa.bandstand.canvas import Colour, Pen, Point, curve, ring
from musicavqa.bandstand.pose import Look

INK: Colour = (26, 20, 18)
"""Colour of every outline."""
WHITE: Colour = (250, 248, 240)
Path = tuple[Point, ...]


@dataclass(frozen=True)
class Style:
    """One variant of an instrument: three colours and one number that changes its shape."""

    main: Colour
    metal: Colour
    accent: Colour
    shape: float = 1.0


@dataclass(frozen=True)
class Place:
    """Where a part sits in the player's coordinates: an origin, a scale and a turn in radians."""

    x: float
    y: float
    scale: float = 1.0
    angle: float = 0.0

    def pen(self, pen: Pen) -> Pen:
        """A pen that draws in the part's own coordinates."""
        return pen.at(self.x, self.y, self.scale, self.angle)

    def point(self, x: float, y: float) -> Point:
        """A point of the part in the player's coordinates."""
        cos, sin = math.cos(self.angle) * self.scale, math.sin(self.angle) * self.scale
        return self.x + x * cos - y * sin, self.y + x * sin + y * cos


def pick_style(styles: tuple[Style, ...], look: Look) -> Style:
    """The style of the look's variant, its colours moved by the look's tint."""
    style = styles[look.variant % len(styles)]
    return replace(
        style,
        main=tinted(style.main, look.tint),
        metal=tinted(style.metal, look.tint),
        accent=tinted(style.accent, look.tint),
    )


def tinted(colour: Colour, tint: float) -> Colour:
    """The colour made lighter and warmer (tint 1) or darker and cooler (tint -1)."""
    red, green, blue = colour
    return (
        _channel(red * (1 + 0.16 * tint) + 8 * tint),
        _channel(green * (1 + 0.12 * tint)),
        _channel(blue * (1 + 0.06 * tint) - 8 * tint),
    )


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """`share` of the second colour mixed into the first."""
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(first, second, strict=True)
    )  # fmt: skip
    return red, green, blue


def _channel(value: float) -> int:
    return int(min(255.0, max(0.0, value)))


@lru_cache(maxsize=512)
def smooth(points: Path, n: int = 4) -> Path:
    """`curve` of constant points, kept: computing it costs more than drawing it."""
    return tuple(curve(points, n))


@lru_cache(maxsize=512)
def oval(
    centre: Point, radius_x: float, radius_y: float, angle: float = 0.0, n: int = 14
) -> Path:  # fmt: skip
    """A cheap ellipse of `n` corners."""
    return tuple(ring(centre, radius_x, radius_y, angle, n))


@lru_cache(maxsize=512)
def tapered(points: Path, widths: tuple[float, ...], n: int = 4) -> Path:
    """Outline of a tube along a smooth path; `widths` stand at the given points."""
    path = curve(points, n)
    wide = curve([(w, 0.0) for w in widths], n)
    left, right = [], []
    for i, (x, y) in enumerate(path):
        before, after = path[max(0, i - 1)], path[min(len(path) - 1, i + 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        half = wide[i][0] / 2 / (math.hypot(dx, dy) or 1.0)
        left.append((x - dy * half, y + dx * half))
        right.append((x + dy * half, y - dx * half))
    return tuple(left + right[::-1])


def pipe(pen: Pen, path: Path, width: float, fill: Colour, outline: Colour = INK) -> None:
    """A round-ended tube of one width with a dark edge."""
    pen.line(path, outline, width + 0.014)
    pen.line(path, fill, width)


def dot(pen: Pen, centre: Point, radius: float, fill: Colour, outline: Colour | None = INK) -> None:
    """A small filled circle (a zero-length line: much cheaper than an ellipse)."""
    if outline is not None:
        pen.line((centre, centre), outline, 2 * radius + 0.012)
    pen.line((centre, centre), fill, 2 * radius)


def box(pen: Pen, left: float, bottom: float, right: float, top: float, fill: Colour) -> None:
    """An outlined upright rectangle."""
    pen.polygon(((left, bottom), (right, bottom), (right, top), (left, top)), fill, INK)


def slab(
    pen: Pen, left: float, bottom: float, right: float, top: float, fill: Colour
) -> None:  # fmt: skip
    """An upright rectangle without outline."""
    pen.polygon(((left, bottom), (right, bottom), (right, top), (left, top)), fill)


def random_colour(
    rng: np.random.Generator,
    saturation: tuple[float, float],
    value: tuple[float, float],
    hue: tuple[float, float] = (0.0, 1.0),
) -> Colour:
    """A random colour within ranges of saturation, value and hue (0 to 1, hue may wrap)."""
    tone = rng.uniform(*hue) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(tone, rng.uniform(*saturation), rng.uniform(*value))
    return int(255 * red), int(255 * green), int(255 * blue)

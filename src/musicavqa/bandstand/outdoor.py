"""Outdoor backgrounds: park, street, beach, mountains, under a sky with sun and clouds.

Coordinates: x from 0 to the picture's aspect (width / height), y from 0 (bottom) to 1 (top).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from musicavqa.bandstand.brush import INK, WHITE, box, mixed, random_colour, slab
from musicavqa.bandstand.canvas import Colour, Pen, Point, curve

Rng = np.random.Generator
HORIZON = 0.32
"""Height of the line between ground and sky."""


def park(pen: Pen, aspect: float, rng: Rng) -> None:
    """A meadow with a path, trees, bushes and flowers."""
    _sky(pen, aspect, rng)
    grass = random_colour(rng, (0.45, 0.75), (0.5, 0.75), (0.22, 0.38))
    _ridge(pen, aspect, HORIZON + 0.1, 0.06, mixed(grass, INK, 0.25), rng)
    slab(pen, 0, 0, aspect, HORIZON, grass)
    sand = random_colour(rng, (0.15, 0.4), (0.7, 0.9), (0.08, 0.14))
    bend = rng.uniform(0.3, 0.7) * aspect
    path = [(bend - 0.05, HORIZON), (bend + 0.05, HORIZON), (aspect * 0.8, 0), (aspect * 0.2, 0)]
    pen.polygon(path, sand)
    for place in np.sort(rng.uniform(0.02, 0.98, int(rng.integers(4, 8)))):
        _tree(pen, float(place) * aspect, rng)
    for _ in range(40):
        spot = (rng.uniform(0, aspect), rng.uniform(0.01, HORIZON - 0.03))
        pen.line([spot, spot], random_colour(rng, (0.3, 0.8), (0.8, 1)), 0.011)


def street(pen: Pen, aspect: float, rng: Rng) -> None:
    """A row of coloured houses, a pavement, a road and a street lamp."""
    _sky(pen, aspect, rng)
    x = -rng.uniform(0, 0.15)
    while x < aspect:
        wide, high = rng.uniform(0.24, 0.4), rng.uniform(0.6, 0.86)
        _house(pen, x, wide, high, rng)
        x += wide
    stone = random_colour(rng, (0.02, 0.15), (0.6, 0.8))
    slab(pen, 0, 0, aspect, HORIZON, stone)
    for i in range(12):
        pen.line([(i * 0.16, 0.12), (i * 0.13 + 0.1, HORIZON)], mixed(stone, INK, 0.25), 0.004)
    pen.line([(0, 0.22), (aspect, 0.22)], mixed(stone, INK, 0.25), 0.004)
    slab(pen, 0, 0, aspect, 0.12, mixed(stone, INK, 0.55))
    pen.line([(0, 0.12), (aspect, 0.12)], WHITE, 0.012)
    lamp = rng.uniform(0.05, 0.95) * aspect
    pen.line([(lamp, 0.28), (lamp, 0.84)], INK, 0.018)
    pen.ellipse((lamp, 0.86), 0.035, 0.04, (255, 240, 190), INK)


def beach(pen: Pen, aspect: float, rng: Rng) -> None:
    """Sand, sea with waves and a sail, palms."""
    _sky(pen, aspect, rng)
    sea = random_colour(rng, (0.5, 0.85), (0.55, 0.85), (0.48, 0.6))
    slab(pen, 0, 0, aspect, HORIZON + 0.2, sea)
    for _ in range(14):
        x, y = rng.uniform(0, aspect), rng.uniform(HORIZON + 0.01, HORIZON + 0.18)
        pen.line([(x, y), (x + 0.1, y)], mixed(sea, WHITE, 0.5), 0.006)
    sail = rng.uniform(0.1, 0.9) * aspect
    foot = HORIZON + 0.17
    triangle = [(sail, foot), (sail + 0.09, foot), (sail, foot + 0.15)]
    pen.polygon(triangle, random_colour(rng, (0.2, 0.8), (0.9, 1)), INK)
    pen.line([(sail - 0.05, foot - 0.01), (sail + 0.1, foot - 0.01)], (110, 60, 40), 0.022)
    sand = random_colour(rng, (0.25, 0.45), (0.82, 0.96), (0.09, 0.13))
    shore = curve([(0, HORIZON - 0.03), (aspect * 0.4, HORIZON + 0.02), (aspect, HORIZON - 0.02)])
    pen.polygon([*shore, (aspect, 0), (0, 0)], sand, WHITE, 0.014)
    for place in rng.uniform(0.03, 0.97, int(rng.integers(1, 4))):
        _palm(pen, float(place) * aspect, rng)


def mountains(pen: Pen, aspect: float, rng: Rng) -> None:
    """Snowy peaks, dark fir woods and an alpine meadow."""
    _sky(pen, aspect, rng)
    rock = random_colour(rng, (0.15, 0.4), (0.45, 0.7), (0.55, 0.75))
    for i in range(4):
        _peak(pen, aspect * (0.1 + 0.27 * i) + rng.uniform(-0.1, 0.1), rng.uniform(0.65, 0.9), rock)
    wood = random_colour(rng, (0.4, 0.7), (0.25, 0.42), (0.3, 0.45))
    _ridge(pen, aspect, HORIZON + 0.06, 0.04, wood, rng)
    slab(pen, 0, 0, aspect, HORIZON, random_colour(rng, (0.45, 0.7), (0.55, 0.75), (0.2, 0.33)))
    for place in rng.uniform(0, 1, 12):
        _fir(
            pen,
            float(place) * aspect,
            rng.uniform(0.14, 0.32),
            mixed(wood, INK, rng.uniform(0, 0.4)),
        )


def _sky(pen: Pen, aspect: float, rng: Rng) -> None:
    """A sky that is lighter towards the horizon, with a sun and clouds."""
    evening = rng.random() < 0.25
    tone = (0.02, 0.08) if evening else (0.54, 0.62)
    top = random_colour(rng, (0.35, 0.7), (0.8, 1.0), tone)
    for i in range(24):
        low = HORIZON + (1 - HORIZON) * i / 24
        slab(pen, 0, low, aspect, low + 0.04, mixed(WHITE, top, 0.25 + 0.75 * i / 23))
    sun = (rng.uniform(0.1, 0.9) * aspect, rng.uniform(0.78, 0.92))
    pen.circle(sun, rng.uniform(0.045, 0.075), (255, 226, 110), (255, 244, 190), 0.014)
    for _ in range(int(rng.integers(2, 6))):
        _cloud(pen, (rng.uniform(0, aspect), rng.uniform(0.66, 0.94)), rng.uniform(0.6, 1.2))


def _cloud(pen: Pen, at: Point, size: float) -> None:
    """Three white puffs."""
    for dx, dy, radius in ((-0.07, 0.0, 0.035), (0.0, 0.018, 0.052), (0.075, 0.0, 0.038)):
        middle = (at[0] + dx * size, at[1] + dy * size)
        pen.ellipse(middle, 1.5 * radius * size, radius * size, (252, 252, 255))


def _ridge(pen: Pen, aspect: float, y: float, rise: float, colour: Colour, rng: Rng) -> None:
    """A wavy hill line across the picture."""
    points = [(aspect * i / 6, y + rng.uniform(-rise, rise)) for i in range(7)]
    pen.polygon([*curve(points), (aspect, 0), (0, 0)], colour)


def _tree(pen: Pen, x: float, rng: Rng) -> None:
    """A trunk with a round, shaded crown."""
    high, foot = rng.uniform(0.6, 0.88), HORIZON - rng.uniform(-0.02, 0.05)
    trunk = [(x - 0.022, foot), (x + 0.022, foot), (x + 0.012, high), (x - 0.012, high)]
    pen.polygon(trunk, (104, 70, 44), INK)
    leaves = random_colour(rng, (0.45, 0.8), (0.35, 0.65), (0.18, 0.4))
    for dx, dy, radius in ((-0.07, -0.03, 0.085), (0.07, -0.03, 0.085), (0.0, 0.05, 0.11)):
        pen.circle((x + dx, high + dy), radius, mixed(leaves, INK, 0.2))
    pen.circle((x - 0.02, high + 0.04), 0.085, leaves)


def _house(pen: Pen, x: float, wide: float, high: float, rng: Rng) -> None:
    """A house front with a roof, windows and a door."""
    wall = random_colour(rng, (0.2, 0.6), (0.65, 0.95))
    box(pen, x, HORIZON, x + wide, high, wall)
    roof = [(x - 0.015, high), (x + wide + 0.015, high), (x + wide / 2, high + 0.12)]
    pen.polygon(roof, random_colour(rng, (0.4, 0.7), (0.35, 0.65), (0.0, 0.07)), INK)
    columns, pane = (
        (2 if wide < 0.32 else 3),
        random_colour(rng, (0.1, 0.4), (0.6, 0.95), (0.1, 0.6)),
    )
    for row in range(int((high - 0.5) / 0.13) + 1):
        for i in range(columns):
            left = x + wide * (i + 0.5) / columns - 0.027
            y = high - 0.1 - 0.13 * row
            box(pen, left, y, left + 0.054, y + 0.075, pane)
    door = x + wide * rng.uniform(0.3, 0.6)
    box(pen, door - 0.035, HORIZON, door + 0.035, 0.45, random_colour(rng, (0.4, 0.8), (0.3, 0.6)))


def _palm(pen: Pen, x: float, rng: Rng) -> None:
    """A bent trunk with drooping fronds."""
    top = (x + rng.uniform(-0.1, 0.1), rng.uniform(0.68, 0.84))
    pen.line(curve([(x, HORIZON - 0.06), (x + 0.02, 0.5), top]), (128, 88, 52), 0.03)
    leaf = random_colour(rng, (0.5, 0.8), (0.4, 0.65), (0.25, 0.38))
    for dx, dy in (
        (-0.19, -0.06),
        (-0.14, 0.06),
        (-0.03, 0.1),
        (0.1, 0.09),
        (0.18, 0.0),
        (0.13, -0.12),
    ):
        tip, rise = (top[0] + dx, top[1] + dy), (top[0] + dx * 0.55, top[1] + dy * 0.5 + 0.05)
        pen.polygon(curve([top, rise, tip, (rise[0], rise[1] - 0.04), top], 4), leaf, INK, 0.003)


def _peak(pen: Pen, x: float, high: float, rock: Colour) -> None:
    """A triangular mountain with a snow cap and a shaded flank."""
    half = 0.75 * (high - 0.25)
    pen.polygon([(x - half, 0.25), (x + half, 0.25), (x, high)], rock)
    pen.polygon([(x, high), (x + half, 0.25), (x + 0.2 * half, 0.25)], mixed(rock, INK, 0.25))
    cap, drop = 0.3 * half, 0.3 * (high - 0.25)
    edge = ((0.0, 0.0), (1.0, 1.0), (0.4, 0.75), (0.0, 1.0), (-0.4, 0.7), (-1.0, 1.0))
    pen.polygon([(x + cap * across, high - drop * down) for across, down in edge], WHITE)


def _fir(pen: Pen, x: float, high: float, colour: Colour) -> None:
    """A fir tree of three triangles."""
    foot = HORIZON - 0.02
    for i in range(3):
        half, low = 0.26 * high * (1 - 0.24 * i), foot + 0.26 * high * i
        pen.polygon([(x - half, low), (x + half, low), (x, low + 0.48 * high)], colour)


LANDSCAPES: tuple[Callable[[Pen, float, Rng], None], ...] = (park, street, beach, mountains)

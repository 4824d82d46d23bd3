"""Indoor backgrounds: concert hall, living room, club, rehearsal room; drawn by our own strokes.

Coordinates: x from 0 to the picture's aspect (width / height), y from 0 (bottom) to 1 (top).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from musicavqa.bandstand.brush import INK, WHITE, box, mixed, random_colour, slab
from musicavqa.bandstand.canvas import Colour, Pen, curve

Rng = np.random.Generator
FLOOR_LINE = 0.3
"""Height of the line between floor and wall."""


def concert_hall(pen: Pen, aspect: float, rng: Rng) -> None:
    """A curtain in folds with a valance, a wooden floor."""
    curtain = random_colour(
        rng, (0.5, 0.9), (0.35, 0.75), (-0.08, 0.08) if rng.random() < 0.6 else (0, 1)
    )
    slab(pen, 0, FLOOR_LINE, aspect, 1, curtain)
    n, dark, bright = (
        int(rng.integers(9, 18)),
        mixed(curtain, INK, 0.45),
        mixed(curtain, WHITE, 0.14),
    )
    step = aspect / n
    for i in range(n):
        x = i * step
        slab(pen, x, FLOOR_LINE, x + step * 0.3, 1, dark)
        slab(pen, x + step * 0.55, FLOOR_LINE, x + step * 0.75, 1, bright)
    gold = random_colour(rng, (0.5, 0.8), (0.7, 0.95), (0.1, 0.15))
    for i in range(n // 2 + 1):
        pen.ellipse((i * step * 2, 1.0), step * 1.1, 0.11, dark, gold, 0.01)
    slab(pen, 0, FLOOR_LINE, aspect, FLOOR_LINE + 0.015, gold)
    _planks(pen, aspect, rng)


def living_room(pen: Pen, aspect: float, rng: Rng) -> None:
    """Wall paper, window or bookshelf, pictures, a lamp, a floor with a rug."""
    wall = random_colour(rng, (0.12, 0.45), (0.68, 0.95))
    slab(pen, 0, FLOOR_LINE, aspect, 1, wall)
    _wall_paper(pen, aspect, wall, rng)
    slab(pen, 0, FLOOR_LINE, aspect, FLOOR_LINE + 0.03, mixed(wall, WHITE, 0.6))
    _planks(pen, aspect, rng)
    pen.ellipse(
        (aspect / 2, 0.13), aspect * 0.36, 0.1, random_colour(rng, (0.3, 0.7), (0.4, 0.8)), INK
    )
    slots = rng.permutation([0.14, 0.5, 0.84]) * aspect
    _window(pen, slots[0], rng)
    _bookshelf(pen, slots[1], rng)
    for shift in (-0.1, 0.08):
        _picture(pen, slots[2] + shift, rng.uniform(0.68, 0.84), rng)
    _lamp(pen, rng.uniform(0.05, 0.95) * aspect, rng)


def club(pen: Pen, aspect: float, rng: Rng) -> None:
    """A brick wall, spot lights with beams, a neon sign, a dark floor."""
    brick = random_colour(
        rng, (0.35, 0.6), (0.32, 0.6), (-0.02, 0.08) if rng.random() < 0.7 else (0.5, 0.8)
    )
    slab(pen, 0, FLOOR_LINE, aspect, 1, mixed(brick, INK, 0.55))
    high, wide = 0.05, 0.13
    for row in range(15):
        for i in range(-1, int(aspect / wide) + 1):
            x, y = (i + 0.5 * (row % 2)) * wide, FLOOR_LINE + row * high
            shade = mixed(brick, INK, rng.uniform(0, 0.25))
            slab(pen, x + 0.005, y + 0.005, x + wide, y + high, shade)
    slab(pen, 0, 0, aspect, FLOOR_LINE, random_colour(rng, (0.1, 0.4), (0.16, 0.3)))
    pen.line([(0, FLOOR_LINE), (aspect, FLOOR_LINE)], INK, 0.02)
    n = int(rng.integers(3, 6))
    for i in range(n):
        _spot_light(pen, aspect * (i + 0.5) / n, rng)
    path = [(aspect * rng.uniform(0.15, 0.85) + 0.05 * i, rng.uniform(0.7, 0.85)) for i in range(5)]
    pen.line(curve(sorted(path)), random_colour(rng, (0.6, 0.9), (0.95, 1)), 0.014)


def rehearsal_room(pen: Pen, aspect: float, rng: Rng) -> None:
    """Acoustic panels, a door, ceiling lamps, a carpet."""
    wall, panel = (
        random_colour(rng, (0.05, 0.2), (0.7, 0.9)),
        random_colour(rng, (0.3, 0.6), (0.35, 0.7)),
    )
    slab(pen, 0, FLOOR_LINE, aspect, 1, wall)
    for i in range(int(aspect / 0.24) + 1):
        shade = mixed(panel, WHITE, rng.uniform(0, 0.35))
        box(pen, 0.24 * i + 0.02, 0.52, 0.24 * i + 0.22, 0.86, shade)
    door = rng.uniform(0.08, 0.8) * aspect
    box(
        pen,
        door,
        FLOOR_LINE,
        door + 0.2,
        0.8,
        random_colour(rng, (0.35, 0.6), (0.4, 0.65), (0.05, 0.1)),
    )
    pen.circle((door + 0.17, 0.53), 0.012, (230, 200, 90), INK)
    slab(pen, 0, 0.94, aspect, 1, mixed(wall, WHITE, 0.5))
    for i in range(3):
        box(pen, aspect * (0.1 + 0.3 * i), 0.955, aspect * (0.3 + 0.3 * i), 0.985, (255, 252, 226))
    slab(pen, 0, 0, aspect, FLOOR_LINE, random_colour(rng, (0.2, 0.5), (0.3, 0.55)))
    slab(pen, 0, FLOOR_LINE, aspect, FLOOR_LINE + 0.02, mixed(wall, INK, 0.6))


def _planks(pen: Pen, aspect: float, rng: Rng) -> None:
    """A wooden floor in perspective."""
    wood = random_colour(rng, (0.4, 0.65), (0.45, 0.75), (0.05, 0.1))
    slab(pen, 0, 0, aspect, FLOOR_LINE, wood)
    middle, n = aspect / 2, 16
    for i in range(-n, n + 1):
        line = [(middle + i * 0.09, FLOOR_LINE), (middle + i * 0.22, 0.0)]
        pen.line(line, mixed(wood, INK, 0.35), 0.005)
        if i % 2:
            strip = [
                line[0],
                line[1],
                (middle + (i + 1) * 0.22, 0),
                (middle + (i + 1) * 0.09, FLOOR_LINE),
            ]
            pen.polygon(strip, mixed(wood, INK, 0.12))
    pen.line([(0, FLOOR_LINE), (aspect, FLOOR_LINE)], mixed(wood, INK, 0.7), 0.01)


def _wall_paper(pen: Pen, aspect: float, wall: Colour, rng: Rng) -> None:
    """Stripes or dots."""
    mark = mixed(wall, random_colour(rng, (0.3, 0.7), (0.5, 0.9)), 0.35)
    step = rng.uniform(0.07, 0.13)
    dotted = rng.random() < 0.5
    for i in range(int(aspect / step) + 1):
        if not dotted:
            slab(pen, i * step, FLOOR_LINE, (i + 0.4) * step, 1, mark)
            continue
        for row in range(int((1 - FLOOR_LINE) / step) + 1):
            spot = ((i + 0.5 * (row % 2)) * step, FLOOR_LINE + (row + 0.5) * step)
            pen.line([spot, spot], mark, 0.024)


def _window(pen: Pen, x: float, rng: Rng) -> None:
    """A window with sky, cross bars and curtains."""
    box(pen, x - 0.15, 0.5, x + 0.15, 0.9, (246, 242, 232))
    box(pen, x - 0.13, 0.52, x + 0.13, 0.88, (166, 208, 240))
    pen.ellipse((x - 0.03, 0.76), 0.06, 0.025, WHITE)
    pen.line([(x, 0.52), (x, 0.88)], (246, 242, 232), 0.014)
    pen.line([(x - 0.13, 0.7), (x + 0.13, 0.7)], (246, 242, 232), 0.014)
    cloth = random_colour(rng, (0.3, 0.7), (0.5, 0.9))
    for sign in (-1, 1):
        corners = [(0.2, 0.46), (0.2, 0.93), (0.06, 0.93), (0.15, 0.66), (0.13, 0.46)]
        pen.polygon([(x + sign * dx, y) for dx, y in corners], cloth, INK)
    pen.line([(x - 0.22, 0.93), (x + 0.22, 0.93)], (90, 60, 40), 0.016)


def _bookshelf(pen: Pen, x: float, rng: Rng) -> None:
    """Three shelves of books in many colours."""
    wood = random_colour(rng, (0.4, 0.6), (0.35, 0.6), (0.05, 0.09))
    box(pen, x - 0.17, FLOOR_LINE - 0.01, x + 0.17, 0.88, wood)
    for shelf in range(3):
        bottom = FLOOR_LINE + 0.03 + 0.185 * shelf
        slab(pen, x - 0.15, bottom, x + 0.15, bottom + 0.155, mixed(wood, INK, 0.55))
        left = x - 0.147
        while left < x + 0.11:
            wide = rng.uniform(0.018, 0.034)
            top = bottom + rng.uniform(0.09, 0.14)
            slab(pen, left, bottom, left + wide, top, random_colour(rng, (0.3, 0.8), (0.4, 0.9)))
            left += wide + 0.004


def _picture(pen: Pen, x: float, y: float, rng: Rng) -> None:
    """A framed picture with two coloured shapes."""
    w, h = rng.uniform(0.05, 0.075), rng.uniform(0.05, 0.085)
    box(pen, x - w, y - h, x + w, y + h, random_colour(rng, (0.4, 0.7), (0.4, 0.8), (0.06, 0.14)))
    slab(
        pen,
        x - w + 0.015,
        y - h + 0.015,
        x + w - 0.015,
        y + h - 0.015,
        random_colour(rng, (0.1, 0.5), (0.7, 1)),
    )
    hill = [(x - w + 0.015, y - h + 0.015), (x, y + h * 0.3), (x + w - 0.015, y - h + 0.015)]
    pen.polygon(hill, random_colour(rng, (0.4, 0.8), (0.4, 0.8)))


def _lamp(pen: Pen, x: float, rng: Rng) -> None:
    """A standing lamp with a shade."""
    pen.line([(x, FLOOR_LINE - 0.02), (x, 0.7)], INK, 0.014)
    pen.ellipse((x, FLOOR_LINE - 0.02), 0.05, 0.012, INK)
    shade = random_colour(rng, (0.15, 0.5), (0.85, 1), (0.08, 0.17))
    pen.polygon(
        [(x - 0.08, 0.66), (x + 0.08, 0.66), (x + 0.045, 0.78), (x - 0.045, 0.78)], shade, INK
    )


def _spot_light(pen: Pen, x: float, rng: Rng) -> None:
    """A lamp under the ceiling and its beam, mixed into the picture."""
    colour, lean = random_colour(rng, (0.15, 0.7), (0.95, 1)), rng.uniform(-0.25, 0.25)
    layer = pen.canvas.pixels.copy()
    beam = [(x - 0.03, 0.95), (x + 0.03, 0.95), (x + lean + 0.2, 0.1), (x + lean - 0.2, 0.1)]
    pen.polygon(beam, colour)
    cv2.addWeighted(pen.canvas.pixels, 0.2, layer, 0.8, 0, dst=pen.canvas.pixels)
    pen.polygon([(x - 0.03, 1), (x + 0.03, 1), (x + 0.045, 0.94), (x - 0.045, 0.94)], INK)
    pen.ellipse((x, 0.94), 0.04, 0.014, mixed(colour, WHITE, 0.6))


ROOMS: tuple[Callable[[Pen, float, Rng], None], ...] = (
    concert_hall,
    living_room,
    club,
    rehearsal_room,
)

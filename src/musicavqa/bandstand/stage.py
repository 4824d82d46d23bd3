"""The place where the band plays: a background drawn from a seed, and what stands in front.

Coordinates here: x from 0 to the picture's aspect (width / height), y from 0 (bottom) to 1 (top).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from musicavqa.bandstand.brush import INK, WHITE, box, mixed, random_colour
from musicavqa.bandstand.canvas import Canvas, Colour, Pen
from musicavqa.bandstand.indoor import ROOMS
from musicavqa.bandstand.outdoor import LANDSCAPES

Rng = np.random.Generator
Painter = Callable[[Pen, float, Rng], None]
SCENES: dict[str, tuple[Painter, ...]] = {"indoor": ROOMS, "outdoor": LANDSCAPES}
_OCCLUDER_SALT = 7


def paint_stage(canvas: Canvas, stage: dict, place: str) -> None:
    """Paint the background of an `indoor` or `outdoor` stage, always the same for one seed."""
    if place not in SCENES:
        raise ValueError(f"place is {place!r}; known: {', '.join(SCENES)}")
    rng = np.random.default_rng(int(stage["seed"]))
    scenes = SCENES[place]
    scenes[int(rng.integers(len(scenes)))](_pen(canvas), _aspect(canvas), rng)
    _colour_cast(canvas, float(stage["light"]), float(stage["warmth"]))


def paint_occluder(canvas: Canvas, stage: dict) -> None:
    """Paint what stands before the players at the lower edge, if anything."""
    name = stage.get("occluder")
    if name is None:
        return
    if name not in OCCLUDERS:
        raise ValueError(f"occluder is {name!r}; known: {', '.join(OCCLUDERS)} or None")
    rng = np.random.default_rng((int(stage["seed"]), _OCCLUDER_SALT))
    OCCLUDERS[name](_pen(canvas), _aspect(canvas), rng)


def _pen(canvas: Canvas) -> Pen:
    return Pen(canvas, 0.0, canvas.height, canvas.height)


def _aspect(canvas: Canvas) -> float:
    return canvas.width / canvas.height


def _colour_cast(canvas: Canvas, light: float, warmth: float) -> None:
    """Brightness and a warm (red) or cold (blue) cast, in place."""
    gains = light * np.array([1 + 0.25 * warmth, 1 + 0.02 * warmth, 1 - 0.25 * warmth])
    levels = np.arange(256)[:, None] * gains
    table = np.clip(levels, 0, 255).round().astype(np.uint8).reshape(1, 256, 3)
    cv2.LUT(canvas.pixels, table, dst=canvas.pixels)


def _audience(pen: Pen, aspect: float, rng: Rng) -> None:
    """Dark heads and shoulders along the lower edge."""
    x = rng.uniform(-0.05, 0.05)
    while x < aspect:
        size, shade = rng.uniform(0.03, 0.038), int(rng.integers(14, 46))
        dark: Colour = (shade, shade - 4, shade + 4)
        top = rng.uniform(0.096, 0.113) - size
        pen.ellipse((x, top - 2.1 * size), 2.1 * size, 1.4 * size, dark, (8, 8, 10))
        pen.ellipse((x, top), 0.85 * size, size, dark, (8, 8, 10))
        x += rng.uniform(0.11, 0.2)


def _plant(pen: Pen, aspect: float, rng: Rng) -> None:
    """Broad leaves in a lower corner."""
    foot = aspect * (0.06 if rng.random() < 0.5 else 0.94)
    leaf = random_colour(rng, (0.5, 0.8), (0.3, 0.6), (0.24, 0.42))
    for reach in np.linspace(-0.2, 0.2, 9) + rng.uniform(-0.012, 0.012, 9):
        tip = (foot + float(reach), 0.115 - 1.2 * float(reach) ** 2)
        bend = (foot + 0.45 * float(reach), 0.075)
        path = [(foot - 0.012, 0.0), (bend[0] - 0.018, bend[1]), tip]
        back = [(bend[0] + 0.018, bend[1] - 0.01), (foot + 0.012, 0.0)]
        pen.polygon(path + back, mixed(leaf, INK, rng.uniform(0, 0.4)), INK, 0.003)
        pen.line([(foot, 0.0), bend, tip], mixed(leaf, WHITE, 0.3), 0.002)
    box(pen, foot - 0.05, -0.01, foot + 0.05, 0.035, (150, 84, 52))


def _music_stand(pen: Pen, aspect: float, rng: Rng) -> None:
    """The desk of a music stand with two sheets, seen from behind the stand."""
    x = aspect * rng.uniform(0.2, 0.8)
    pen.line([(x, -0.02), (x, 0.05)], INK, 0.016)
    pen.polygon(
        [(x - 0.12, 0.03), (x + 0.12, 0.03), (x + 0.13, 0.1), (x - 0.13, 0.1)], (40, 40, 46), INK
    )
    for left in (-0.11, 0.005):
        box(pen, x + left, 0.04, x + left + 0.105, 0.114, WHITE)
        for line in range(3):
            y = 0.055 + 0.018 * line
            pen.line([(x + left + 0.012, y), (x + left + 0.09, y)], (110, 110, 116), 0.003)


OCCLUDERS: dict[str, Painter] = {
    "audience": _audience,
    "plant": _plant,
    "music_stand": _music_stand,
}

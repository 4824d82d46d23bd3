"""One player: stool, legs, clothes, face and hair, and arms that reach for the instrument."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from musicavqa.bandstand.brush import INK, Path, mixed, oval, pipe
from musicavqa.bandstand.canvas import Colour, Pen, Point
from musicavqa.bandstand.pose import Instrument, Look, Motion

SKINS: tuple[Colour, ...] = (
    (255, 224, 196), (241, 194, 158), (222, 168, 122),
    (190, 130, 86), (142, 90, 58), (96, 62, 44),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (30, 26, 28), (74, 46, 30), (122, 76, 40), (206, 164, 88), (164, 68, 36), (176, 176, 180),
)  # fmt: skip
N_SKINS = len(SKINS)
N_HAIRS = len(HAIRS)
N_HAIR_STYLES = 5
"""Short, long, bun, curls, shaved."""
N_FACES = 4
"""Plain, glasses, beard, lipstick."""
ARM_REACH = 0.40
SHOULDER_X = 0.105
_LEAN = 0.022  # radians of sway about the hips at a full breath
_WHITE: Colour = (244, 242, 236)
_WOOD: Colour = (128, 88, 56)
_SHOE: Colour = (44, 38, 38)


@dataclass(frozen=True)
class Build:
    """Heights of a body: hips, shoulders, centre of the head (see `pose.Instrument`)."""

    hips: float
    shoulders: float
    head: float


STANDING = Build(0.48, 0.79, 0.915)
SEATED = Build(0.30, 0.60, 0.74)


def draw_player(
    pen: Pen, person: Mapping[str, Any], instrument: Instrument, look: Look, motion: Motion
) -> None:
    """Draw a player with the instrument; `person` has the keys of docs/scene.md.

    The pen stands on the floor between the feet; `person["height"]` scales the whole picture.
    """
    pen = pen.at(0.0, 0.0, float(person["height"]))
    build = SEATED if instrument.seated else STANDING
    body = _leaning(pen, build, motion)
    if instrument.seated:
        _draw_seat_and_legs(pen, _rgb(person["bottom"]))
    else:
        _draw_legs(pen, _rgb(person["bottom"]))
    _draw_torso(body, build, person)
    _draw_head(body.at(0.0, build.head), person)
    hold = instrument.draw(pen, look, motion)
    for side, hand in ((-1.0, hold.left), (1.0, hold.right)):
        shoulder = _leaned((side * SHOULDER_X, build.shoulders), build, motion)
        _draw_arm(pen, shoulder, hand, side, person)
    if hold.over is not None:
        hold.over(pen)


def bend(shoulder: Point, hand: Point, side: float) -> tuple[Point, Point]:
    """Elbow and wrist of an arm of two equal bones; the elbow points down and a little outward.

    A hand out of reach is brought back to the end of the stretched arm.
    """
    dx, dy = hand[0] - shoulder[0], hand[1] - shoulder[1]
    distance = math.hypot(dx, dy) or 1e-6
    short = min(1.0, ARM_REACH / distance)
    dx, dy, distance = dx * short, dy * short, distance * short
    # Arms that fold point at the viewer: they look shorter than they are.
    bone = max(distance / 2, 0.4 * (ARM_REACH / 2) + 0.33 * distance)
    out = math.sqrt(max(0.0, bone**2 - (distance / 2) ** 2)) / distance
    middle = shoulder[0] + dx / 2, shoulder[1] + dy / 2
    # Straight where the arm itself points down and outward: the elbow never flips between frames.
    out *= math.tanh(3.0 * (0.41 * side * -dy - 0.91 * dx) / distance)
    elbow = middle[0] - dy * out, middle[1] + dx * out
    return elbow, (shoulder[0] + dx, shoulder[1] + dy)


def _rgb(values: Any) -> Colour:
    red, green, blue = values
    return int(red), int(green), int(blue)


def _leaning(pen: Pen, build: Build, motion: Motion) -> Pen:
    """A pen turned about the hips by the sway of the body."""
    angle = _LEAN * motion.breath
    return pen.at(*_leaned((0.0, 0.0), build, motion), angle=angle)


def _leaned(point: Point, build: Build, motion: Motion) -> Point:
    angle = _LEAN * motion.breath
    x, y = point[0], point[1] - build.hips
    cos, sin = math.cos(angle), math.sin(angle)
    return x * cos - y * sin, build.hips + x * sin + y * cos


# ---------------------------------------------------------------- legs and clothes


def _draw_legs(pen: Pen, cloth: Colour) -> None:
    for side in (-1.0, 1.0):
        pen.line(((side * 0.078, 0.018), (side * 0.105, 0.014)), _SHOE, 0.04)
        pipe(pen, ((side * 0.05, 0.47), (side * 0.068, 0.25), (side * 0.072, 0.045)), 0.078, cloth)


def _draw_seat_and_legs(pen: Pen, cloth: Colour) -> None:
    for side in (-1.0, 1.0):
        pen.line(((side * 0.085, 0.26), (side * 0.11, 0.02)), mixed(_WOOD, INK, 0.4), 0.022)
    pen.polygon(_SEAT, _WOOD, INK)
    for side in (-1.0, 1.0):
        pen.line(((side * 0.155, 0.018), (side * 0.185, 0.014)), _SHOE, 0.04)
        leg = ((side * 0.055, 0.30), (side * 0.142, 0.275), (side * 0.15, 0.045))
        pipe(pen, leg, 0.082, cloth)


_SEAT: Path = ((-0.14, 0.235), (0.14, 0.235), (0.14, 0.275), (-0.14, 0.275))
_TORSO_HALF: Path = (
    (0.035, 0.045), (0.09, 0.026), (0.122, 0.0), (0.128, -0.05),
    (0.1, -0.12), (0.092, -0.2), (0.102, -0.33),
)  # fmt: skip


@cache
def _torso(shoulders: float) -> Path:
    half = [(x, shoulders + y) for x, y in _TORSO_HALF]
    return tuple(half + [(-x, y) for x, y in reversed(half)])


def _draw_torso(pen: Pen, build: Build, person: Mapping[str, Any]) -> None:
    skin, top = SKINS[person["skin"]], _rgb(person["top"])
    if person["hair_style"] in (1, 3):  # hair that falls behind the shoulders
        p = pen.at(0.0, build.head)
        p.polygon(_BACK_HAIR[person["hair_style"]], HAIRS[person["hair"]], INK)
    y = build.shoulders
    pen.line(((0.0, y), (0.0, build.head - 0.05)), INK, 0.068)
    pen.polygon(_torso(y), top, INK)
    pen.line(((0.0, y + 0.03), (0.0, build.head - 0.05)), skin, 0.056)
    _draw_collar(pen, y, top, (person["face"] + person["hair_style"]) % 3)


def _draw_collar(pen: Pen, y: float, top: Colour, cut: int) -> None:
    """A shirt with a collar and buttons, a round neck, or a jacket with lapels."""
    bright = mixed(top, _WHITE, 0.6)
    if cut == 0:
        for side in (-1.0, 1.0):
            pen.line(((side * 0.036, y + 0.042), (0.0, y + 0.008)), bright, 0.016)
        for k in range(3):
            pen.line(((0.0, y - 0.04 - 0.07 * k),) * 2, bright, 0.015)
    elif cut == 1:
        pen.line(
            ((-0.038, y + 0.042), (-0.02, y + 0.022), (0.02, y + 0.022), (0.038, y + 0.042)),
            bright,
            0.013,
        )
    else:
        pen.polygon(((-0.038, y + 0.042), (0.038, y + 0.042), (0.0, y - 0.11)), _WHITE, INK)
        pen.line(((0.0, y - 0.11), (0.0, y - 0.31)), mixed(top, INK, 0.5), 0.007)


# ---------------------------------------------------------------- head

_FACE: Path = oval((0.0, 0.0), 0.062, 0.075, 0.0, 18)
_BACK_HAIR: dict[int, Path] = {
    1: (
        (-0.07, 0.03), (-0.05, 0.07), (0.0, 0.09), (0.05, 0.07), (0.07, 0.03),
        (0.088, -0.1), (0.07, -0.15), (-0.07, -0.15), (-0.088, -0.1),
    ),
    3: tuple(
        (x * (1.0 + 0.06 * (i % 2)), y * (1.0 + 0.06 * (i % 2)))
        for i, (x, y) in enumerate(oval((0.0, 0.02), 0.096, 0.088, 0.0, 18))
    ),
}  # fmt: skip
_CAPS: dict[int, Path] = {
    0: (
        (-0.064, 0.0), (-0.068, 0.04), (-0.045, 0.075), (0.0, 0.088), (0.045, 0.076),
        (0.068, 0.04), (0.064, 0.0), (0.05, 0.032), (0.01, 0.046), (-0.045, 0.036),
    ),
    1: (
        (-0.066, -0.03), (-0.07, 0.03), (-0.045, 0.074), (0.0, 0.086), (0.045, 0.074),
        (0.07, 0.03), (0.066, -0.03), (0.052, 0.02), (0.0, 0.062), (-0.052, 0.02),
    ),
    2: (
        (-0.063, 0.01), (-0.064, 0.045), (-0.04, 0.072), (0.0, 0.082), (0.04, 0.072),
        (0.064, 0.045), (0.063, 0.01), (0.04, 0.044), (0.0, 0.05), (-0.04, 0.044),
    ),
    3: (
        (-0.07, -0.01), (-0.084, 0.04), (-0.06, 0.085), (-0.02, 0.094), (0.02, 0.1), (0.06, 0.085),
        (0.084, 0.04), (0.07, -0.01), (0.052, 0.03), (0.02, 0.04), (-0.02, 0.036), (-0.052, 0.03),
    ),
}  # fmt: skip
_STUBBLE: Path = (
    (-0.059, 0.022), (-0.05, 0.05), (-0.03, 0.067), (0.0, 0.074),
    (0.03, 0.067), (0.05, 0.05), (0.059, 0.022), (0.0, 0.05),
)  # fmt: skip
_BEARD: Path = (
    (-0.06, -0.005), (-0.052, -0.045), (-0.025, -0.075), (0.0, -0.082), (0.025, -0.075),
    (0.052, -0.045), (0.06, -0.005), (0.03, -0.024), (0.0, -0.02), (-0.03, -0.024),
)  # fmt: skip


def _draw_head(p: Pen, person: Mapping[str, Any]) -> None:
    """Head and hair; the pen stands at the centre of the head."""
    skin, hair, style = SKINS[person["skin"]], HAIRS[person["hair"]], person["hair_style"]
    if style == 2:
        p.line(((0.0, 0.088),) * 2, INK, 0.072)
        p.line(((0.0, 0.088),) * 2, hair, 0.06)
    p.polygon(_FACE, skin, INK)
    if person["face"] == 2:
        p.polygon(_BEARD, hair)
    _draw_face(p, person["face"], skin)
    if style == 4:
        p.polygon(_STUBBLE, mixed(skin, hair, 0.55))
    else:
        p.polygon(_CAPS[style], hair, None if style == 3 else INK)


def _draw_face(p: Pen, face: int, skin: Colour) -> None:
    shade, dark = mixed(skin, INK, 0.35), mixed(skin, INK, 0.8)
    for side in (-1.0, 1.0):
        eye = (side * 0.024, 0.008)
        p.line((eye, eye), _WHITE, 0.018)
        p.line((eye, eye), INK, 0.012)
        p.line(((side * 0.034, 0.026), (side * 0.014, _BROWS[face])), dark, 0.007)
        if face == 1:
            ring = oval(eye, 0.018, 0.017, 0.0, 10)
            p.line((*ring, ring[0]), INK, 0.005)
    p.line(((0.001, 0.0), (0.008, -0.018), (0.0, -0.019)), shade, 0.006)
    lips = (196, 44, 60) if face == 3 else mixed(skin, (120, 30, 30), 0.65)
    p.line(_MOUTHS[face], lips, 0.012 if face == 3 else 0.008)


_BROWS = (0.03, 0.03, 0.024, 0.034)
_MOUTHS: tuple[Path, ...] = (
    ((-0.02, -0.036), (0.0, -0.043), (0.02, -0.036)),
    ((-0.016, -0.04), (0.018, -0.037)),
    ((-0.016, -0.04), (0.0, -0.044), (0.016, -0.04)),
    ((-0.014, -0.037), (0.0, -0.042), (0.014, -0.037)),
)


# ---------------------------------------------------------------- arms


def _draw_arm(
    pen: Pen, shoulder: Point, hand: Point, side: float, person: Mapping[str, Any]
) -> None:
    """Sleeve, cuff and hand, from the shoulder to the hand."""
    skin, top = SKINS[person["skin"]], _rgb(person["top"])
    elbow, wrist = bend(shoulder, hand, side)
    dx, dy = wrist[0] - elbow[0], wrist[1] - elbow[1]
    length = math.hypot(dx, dy) or 1.0
    dx, dy = dx / length, dy / length
    cuff = wrist[0] - 0.03 * dx, wrist[1] - 0.03 * dy
    tips = wrist[0] + 0.012 * dx, wrist[1] + 0.012 * dy
    start = shoulder[0], shoulder[1] - 0.008
    pen.line((cuff, tips), INK, 0.05)
    pipe(pen, (start, elbow, cuff), 0.05, mixed(top, _WHITE, 0.1))
    pen.line((cuff, tips), skin, 0.037)

"""Bowed strings as vector drawings of our own: violin, cello, erhu, four variants each.

Every instrument lies along its own x axis, from the tail (0) to the scroll; a `Place` turns it into
the player's arms. Variant 3 differs in shape and colours (the held-out split `test-art`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

from musicavqa.bandstand.brush import (
    INK,
    Path,
    Place,
    Style,
    dot,
    mixed,
    oval,
    pick_style,
    pipe,
)
from musicavqa.bandstand.canvas import Colour, Pen, Point
from musicavqa.bandstand.pose import Hold, Instrument, Look, Motion

EBONY: Colour = (34, 28, 28)
HORSEHAIR: Colour = (250, 244, 226)
STRING: Colour = (226, 224, 214)

# main: the wood; metal: tailpiece, fingerboard and pegs; accent: the stick of the bow.
# shape: depth of the waist, or below 0 a body without corners.
VIOLINS = (
    Style((176, 84, 30), EBONY, (108, 52, 26), 1.0),
    Style((204, 122, 44), EBONY, (130, 60, 24), 0.96),
    Style((146, 54, 28), (70, 36, 24), (92, 50, 30), 1.05),
    Style((236, 204, 130), (110, 44, 60), (44, 40, 46), -1.0),
)
CELLOS = (
    Style((168, 78, 32), EBONY, (104, 50, 26), 1.0),
    Style((200, 116, 44), EBONY, (126, 58, 24), 1.05),
    Style((134, 50, 30), (64, 34, 24), (90, 48, 28), 0.95),
    Style((232, 190, 104), (92, 50, 70), (48, 42, 46), -1.0),
)
# main: neck and box; metal: snake skin; accent: the stick of the bow. shape: corners, 0 for round.
ERHUS = (
    Style((116, 48, 30), (206, 190, 150), (178, 128, 68), 6.0),
    Style((74, 36, 30), (188, 176, 150), (150, 96, 50), 6.0),
    Style((150, 72, 38), (224, 204, 158), (190, 146, 88), 8.0),
    Style((206, 164, 96), (92, 82, 66), (70, 44, 36), 0.0),
)

# Half outlines of a body of length 1 from tail to scroll, tail first.
_CORNERED: Path = (
    (0.0, 0.03), (0.01, 0.09), (0.05, 0.15), (0.11, 0.176), (0.17, 0.168), (0.21, 0.148),
    (0.232, 0.158), (0.25, 0.12), (0.28, 0.098), (0.32, 0.092), (0.36, 0.1), (0.386, 0.118),
    (0.4, 0.146), (0.425, 0.134), (0.47, 0.143), (0.53, 0.126), (0.575, 0.08), (0.595, 0.025),
)  # fmt: skip
_ROUNDED: Path = (
    (0.0, 0.03), (0.01, 0.09), (0.05, 0.15), (0.11, 0.172), (0.17, 0.164), (0.22, 0.132),
    (0.27, 0.098), (0.32, 0.088), (0.37, 0.1), (0.42, 0.122), (0.47, 0.13), (0.52, 0.112),
    (0.56, 0.066), (0.595, 0.025),
)  # fmt: skip


def draw_violin(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Under the chin, scroll to the viewer's right; the bow rises across the strings."""
    style, length = pick_style(VIOLINS, look), 0.45
    place = Place(0.034, 0.812, look.proportion, -0.1 + 0.02 * motion.breath)
    p = place.pen(pen)
    _draw_fiddle(p, style, length)
    p.polygon(oval((0.035, 0.048), 0.03, 0.022, 0.2, 10), style.metal, INK)
    bow = _Bow(place.point(0.27 * length, 0.0), 1.03 + _crossing(motion), 0.46, style.accent)
    left = place.point(length * (0.86 - 0.2 * motion.pitch), -0.022)
    return Hold(bow.hand(motion), left, bow.draw(motion))


def draw_cello(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Between the knees on its endpin, the neck beside the head, the bow nearly level."""
    style, length = pick_style(CELLOS, look), 0.76
    place = Place(-0.035, 0.075, look.proportion, 1.375 + 0.012 * motion.breath)
    p = place.pen(pen)
    p.line(((-0.078, 0.0), (0.0, 0.0)), (70, 72, 80), 0.014)
    _draw_fiddle(p, style, length)
    bow = _Bow(place.point(0.305 * length, 0.0), 0.02 - 0.5 * _crossing(motion), 0.45, style.accent)
    left = place.point(length * (0.79 - 0.24 * motion.pitch), -0.012)
    return Hold(bow.hand(motion), left, bow.draw(motion))


def draw_erhu(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Upright on the thigh: a small drum of snake skin, a long thin neck, two pegs on one side."""
    style = pick_style(ERHUS, look)
    place = Place(0.092, 0.355, look.proportion, 1.48 + 0.015 * motion.breath)
    p = place.pen(pen)
    pipe(p, ((0.0, 0.0), (0.575, 0.0)), 0.016, style.main)
    _draw_erhu_head(p, style)
    p.polygon(((-0.085, -0.06), (-0.085, 0.06), (-0.06, 0.05), (-0.06, -0.05)), style.main, INK)
    p.polygon(_box_corners(0.072, style.shape), style.main, INK)
    p.polygon(_box_corners(0.054, style.shape), style.metal)
    for x, y in ((0.022, 0.018), (-0.024, 0.014), (0.004, -0.026)):
        p.line(((x, y), (x, y)), mixed(style.metal, INK, 0.55), 0.017)
    for y in (-0.005, 0.016):
        p.line(((-0.03, y), (0.35, y), (0.47, 0.0)), STRING, 0.004)
    p.line(((0.35, -0.012), (0.35, 0.022)), HORSEHAIR, 0.01)  # the loop that holds the strings
    bow = _Bow(place.point(0.1, 0.0), 0.06 + _crossing(motion), 0.5, style.accent)
    left = place.point(0.33 - 0.17 * motion.pitch, -0.012)
    return Hold(bow.hand(motion), left, bow.draw(motion))


class _Bow:
    """A bow that crosses the strings at one point; the hand holds its frog."""

    def __init__(self, contact: Point, angle: float, length: float, stick: Colour) -> None:
        self.contact, self.angle, self.length, self.stick = contact, angle, length, stick

    def hand(self, motion: Motion) -> Point:
        """Where the frog is, in the player's coordinates."""
        reach = self.length * (0.43 + 0.27 * motion.bow * motion.energy)
        x, y = self.contact
        return x - reach * math.cos(self.angle), y - reach * math.sin(self.angle)

    def draw(self, motion: Motion) -> Callable[[Pen], None]:
        """The function that draws the bow over the hand."""
        x, y = self.hand(motion)

        def over(pen: Pen) -> None:
            p = pen.at(x, y, angle=self.angle)
            end = self.length
            p.line(((-0.03, 0.02), (end * 0.5, 0.014), (end, 0.018)), INK, 0.017)
            p.line(((0.0, 0.0), (end, 0.0)), INK, 0.014)
            p.line(((0.0, 0.0), (end, 0.0), (end + 0.004, 0.016)), HORSEHAIR, 0.008)
            p.line(((-0.03, 0.02), (end * 0.5, 0.014), (end, 0.018)), self.stick, 0.009)
            p.line(((0.005, 0.01), (0.035, 0.01)), EBONY, 0.018)

        return over


def _crossing(motion: Motion) -> float:
    """The bow tilts to reach higher strings, radians."""
    return 0.16 * (motion.pitch - 0.5) * motion.energy


def _draw_fiddle(p: Pen, style: Style, length: float) -> None:
    """Body, fingerboard, bridge, tailpiece, f-holes, pegs and scroll of a violin or cello."""
    s = length
    _draw_scroll(p, style, s)
    p.polygon(_body(s, style.shape, 1.0), style.main, INK, 0.009)
    p.polygon(_body(s, style.shape, 0.72), mixed(style.main, (255, 214, 130), 0.28))
    for side in (-1.0, 1.0):  # f-holes
        hole = ((0.17, 0.105), (0.2, 0.082), (0.27, 0.078), (0.3, 0.055))
        p.line([(s * x, s * y * side) for x, y in hole], INK, 0.008)
    board = ((0.33, -0.036), (0.33, 0.036), (0.87, 0.02), (0.87, -0.02))
    p.polygon([(s * x, s * y) for x, y in board], style.metal, INK)
    tail = ((0.01, -0.012), (0.01, 0.012), (0.17, 0.04), (0.17, -0.04))
    p.polygon([(s * x, s * y) for x, y in tail], style.metal, INK)
    p.line(((s * 0.235, s * -0.055), (s * 0.235, s * 0.055)), (244, 214, 150), 0.01)
    for y in (-0.014, 0.014):
        p.line(((s * 0.17, s * y * 1.6), (s * 0.87, s * y * 0.6)), STRING, 0.003)


def _draw_scroll(p: Pen, style: Style, s: float) -> None:
    for x, y in ((0.9, 0.058), (0.94, -0.052)):
        p.line(((s * x, s * y), (s * x, -s * y)), INK, 0.014)
        for side in (-1.0, 1.0):
            p.line(((s * x, s * y * side),) * 2, style.metal, 0.02)
    pipe(p, ((s * 0.86, 0.0), (s * 0.965, 0.0)), 0.04 * s, style.main)
    dot(p, (s * 0.975, 0.008 * s), 0.034 * s, style.main)


def _draw_erhu_head(p: Pen, style: Style) -> None:
    pipe(p, ((0.57, 0.0), (0.605, 0.004), (0.622, 0.026)), 0.022, style.main)
    for x in (0.47, 0.525):
        pipe(p, ((x, -0.012), (x + 0.006, 0.078)), 0.013, style.main)
        dot(p, (x + 0.006, 0.08), 0.012, mixed(style.main, (255, 240, 210), 0.5))


@cache
def _body(length: float, shape: float, share: float) -> Path:
    """Outline of a fiddle body; `share` below 1 gives the bulge inside it."""
    half, waist = (_ROUNDED, 1.0) if shape < 0 else (_CORNERED, shape)
    middle = 0.3 * (1 - share)
    points = [(length * (middle + x * share), length * y * share * waist) for x, y in half]
    return tuple(points + [(x, -y) for x, y in reversed(points)])


@cache
def _box_corners(radius: float, n_corners: float) -> Path:
    """Outline of the erhu's sound box: a polygon, or a circle for 0 corners."""
    n = round(n_corners) or 16
    return oval((0.0, 0.0), radius, radius, math.pi / n, n)


INSTRUMENTS: dict[str, Instrument] = {
    "violin": Instrument("violin", False, 0.72, draw_violin),
    "cello": Instrument("cello", True, 0.68, draw_cello),
    "erhu": Instrument("erhu", True, 0.66, draw_erhu),
}

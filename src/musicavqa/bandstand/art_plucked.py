"""Plucked strings as vector drawings of our own: six instruments, four variants each.

All but the guzheng lie along their own x axis, from the tail (0) to the head; a `Place` turns it
into the player's arms. Variant 3 differs in shape and colours (the held-out split `test-art`).
"""

from __future__ import annotations

from collections.abc import Iterable
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
    smooth,
)
from musicavqa.bandstand.canvas import Colour, Pen, Point
from musicavqa.bandstand.pose import Hold, Instrument, Look, Motion

CHROME: Colour = (214, 218, 224)
STRING: Colour = (232, 230, 222)
IVORY: Colour = (248, 242, 224)
ROSEWOOD: Colour = (66, 40, 30)

# main: the body; metal: rims, tuners, bridge; accent: pickguard or ornament.
# shape: 1 plain body, 2 with a cutaway (guitars); other numbers stretch the body.
GUITARS = (
    Style((214, 150, 74), ROSEWOOD, (96, 44, 28), 1.0),
    Style((176, 98, 44), (48, 32, 28), (44, 30, 26), 1.0),
    Style((232, 186, 110), (84, 48, 30), (150, 84, 40), 2.0),
    Style((40, 112, 124), (240, 226, 190), (236, 206, 120), 3.0),
)
BASSES = (
    Style((190, 36, 40), CHROME, (246, 240, 226), 1.0),
    Style((226, 160, 62), CHROME, (40, 34, 34), 1.0),
    Style((52, 104, 176), CHROME, (246, 240, 226), 1.0),
    Style((108, 176, 92), (230, 196, 100), (60, 40, 76), 2.0),
)
BANJOS = (
    Style((250, 246, 234), CHROME, (140, 78, 40), 1.0),
    Style((244, 236, 214), (226, 186, 90), (100, 50, 30), 1.04),
    Style((252, 252, 250), CHROME, (70, 42, 32), 0.97),
    Style((228, 206, 164), (176, 104, 60), (40, 96, 78), 1.1),
)
UKULELES = (
    Style((196, 120, 54), ROSEWOOD, (120, 66, 32), 1.0),
    Style((222, 162, 82), (80, 48, 32), (140, 88, 44), 1.0),
    Style((150, 78, 40), (60, 36, 28), (226, 186, 120), 1.0),
    Style((240, 120, 150), IVORY, (250, 220, 90), 4.0),
)
PIPAS = (
    Style((222, 176, 108), ROSEWOOD, IVORY, 1.0),
    Style((204, 150, 84), (90, 40, 30), IVORY, 1.06),
    Style((234, 196, 134), (56, 38, 34), (226, 204, 150), 0.95),
    Style((150, 58, 44), (34, 30, 34), (236, 200, 96), 0.8),
)
# main: sound board; metal: edges and ends; accent: the bridges. shape: 2 straight, 3 crossed legs.
GUZHENGS = (
    Style((196, 140, 80), (84, 44, 30), IVORY, 2.0),
    Style((178, 118, 66), (48, 30, 28), (250, 236, 190), 3.0),
    Style((212, 164, 102), (120, 58, 34), IVORY, 2.0),
    Style((104, 60, 58), (214, 170, 80), (236, 224, 120), 1.0),
)


def draw_guitar(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Across the lap: a wide waisted body with a round hole, the neck to the viewer's right."""
    style = pick_style(GUITARS, look)
    place = Place(-0.255, 0.295, look.proportion, 0.33 + 0.015 * motion.breath)
    p = place.pen(pen)
    _draw_neck(p, (0.31, 0.57), 0.021, mixed(style.metal, ROSEWOOD, 0.6))
    _draw_head(p, (0.57, 0.67), 0.03, style.metal, 3)
    p.polygon(_guitar_body(style.shape), style.main, INK, 0.009)
    p.polygon(oval((0.16, 0.0), 0.13, 0.075), mixed(style.main, (255, 236, 170), 0.25))
    if style.shape != 3.0:
        p.polygon(((0.2, -0.03), (0.25, -0.045), (0.2, -0.085), (0.15, -0.07)), style.accent)
    _draw_hole(p, 0.232, 0.042 if style.shape != 3.0 else 0.032, style.accent)
    p.line(((0.09, -0.045), (0.09, 0.045)), style.metal, 0.026)
    _draw_strings(p, (0.09, 0.58), (-0.013, 0.0, 0.013))
    _draw_frets(p, (0.36, 0.41, 0.46, 0.51), 0.017)
    return _hold(place, motion, 0.185, (0.4, 0.56), 0.028)


def draw_electric_bass(pen: Pen, look: Look, motion: Motion) -> Hold:
    """On a strap: a solid body with two horns, a very long neck, four pegs in one row."""
    style = pick_style(BASSES, look)
    place = Place(-0.265, 0.425, look.proportion, 0.36 + 0.015 * motion.breath)
    p = place.pen(pen)
    pen.line(((0.09, 0.815), (-0.02, 0.7), (-0.2, 0.48)), INK, 0.034)
    pen.line(((0.09, 0.815), (-0.02, 0.7), (-0.2, 0.48)), (120, 112, 104), 0.022)
    p.polygon(_bass_body(style.shape), style.main, INK, 0.009)
    guard = ((0.13, -0.02), (0.26, -0.02), (0.29, -0.062), (0.2, -0.062), (0.12, -0.09))
    p.polygon(guard, style.accent)
    _draw_neck(p, (0.24, 0.66), 0.019, (196, 140, 84) if style.shape == 1.0 else (60, 40, 40))
    for x in (0.13, 0.195):
        p.line(((x, -0.032), (x, 0.032)), INK, 0.022)
    p.line(((0.055, -0.028), (0.055, 0.028)), style.metal, 0.028)
    for x, y in ((0.06, -0.085), (0.1, -0.095)):
        p.line(((x, y), (x, y)), style.metal, 0.022)
    _draw_bass_head(p, style)
    _draw_strings(p, (0.055, 0.68), (-0.013, -0.004, 0.005, 0.013))
    _draw_frets(p, (0.37, 0.44, 0.51, 0.58), 0.016)
    return _hold(place, motion, 0.165, (0.4, 0.62), 0.02)


def draw_banjo(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A round white drum head in a metal rim, a long thin neck with a fifth peg half way."""
    style, r = pick_style(BANJOS, look), 0.142
    place = Place(-0.095, 0.375, look.proportion, 0.36 + 0.015 * motion.breath)
    p = place.pen(pen)
    r *= style.shape
    _draw_neck(p, (r - 0.01, 0.46), 0.017, style.accent)
    _draw_head(p, (0.46, 0.54), 0.028, style.accent, 2)
    pipe(p, ((0.3, 0.02), (0.305, 0.036)), 0.012, IVORY)
    p.polygon(oval((0.0, 0.0), r + 0.012, r + 0.012, 0.0, 22), style.accent, INK, 0.009)
    p.polygon(oval((0.0, 0.0), r, r, 0.0, 22), style.metal, INK)
    for spot in _around(r + 0.003, 12):
        p.line((spot, spot), INK, 0.014)
    p.polygon(oval((0.0, 0.0), r - 0.02, r - 0.02, 0.0, 20), style.main, INK, 0.005)
    p.line(((-0.06, -0.026), (-0.06, 0.026)), ROSEWOOD, 0.018)
    p.line(((-0.13, 0.0), (-0.1, 0.0)), style.metal, 0.03)
    _draw_strings(p, (-0.11, 0.47), (-0.009, 0.0, 0.009), (150, 146, 140))
    _draw_frets(p, (0.2, 0.25, 0.35, 0.4), 0.014)
    return _hold(place, motion, 0.035, (0.23, 0.42), 0.03)


def draw_ukulele(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A very small guitar held against the chest, four pegs, a wide hole."""
    style = pick_style(UKULELES, look)
    place = Place(-0.13, 0.59, look.proportion, 0.3 + 0.02 * motion.breath)
    p = place.pen(pen)
    _draw_neck(p, (0.19, 0.37), 0.017, style.metal)
    _draw_head(p, (0.37, 0.44), 0.026, style.main, 2)
    p.polygon(_ukulele_body(style.shape), style.main, INK, 0.009)
    p.polygon(oval((0.09, 0.0), 0.075, 0.046, 0.0, 12), mixed(style.main, (255, 236, 170), 0.3))
    _draw_hole(p, 0.132, 0.027, style.accent)
    p.line(((0.05, -0.026), (0.05, 0.026)), style.metal, 0.018)
    _draw_strings(p, (0.05, 0.375), (-0.009, 0.009))
    _draw_frets(p, (0.23, 0.265, 0.3, 0.335), 0.013)
    return _hold(place, motion, 0.145, (0.26, 0.35), 0.03)


def draw_pipa(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Upright on the lap: a pear without a waist, bridges up the neck, four big pegs."""
    style = pick_style(PIPAS, look)
    place = Place(-0.105, 0.285, look.proportion, 1.15 + 0.015 * motion.breath)
    p = place.pen(pen)
    for x, side in ((0.55, 1.0), (0.59, 1.0), (0.535, -1.0), (0.575, -1.0)):
        pipe(p, ((x, 0.0), (x + 0.006, 0.075 * side)), 0.016, style.accent)
    top = ((0.49, 0.0), (0.6, 0.0), (0.64, -0.014), (0.655, -0.04))
    pipe(p, smooth(top, 2), 0.034, style.metal)
    p.polygon(_pear(style.shape, 1.0), style.metal, INK, 0.009)
    p.polygon(_pear(style.shape, 0.9), style.main)
    p.polygon(((0.06, -0.06), (0.06, 0.06), (0.085, 0.05), (0.085, -0.05)), style.metal)
    for x, half in ((0.27, 0.03), (0.3, 0.03), (0.33, 0.029), (0.36, 0.028), (0.39, 0.027)):
        p.line(((x, -half), (x, half)), mixed(style.metal, style.accent, 0.2), 0.009)
    for x in (0.425, 0.455, 0.485):
        p.line(((x, -0.023), (x, 0.023)), style.accent, 0.016)
    _draw_strings(p, (0.08, 0.5), (-0.016, -0.005, 0.006, 0.017))
    for side in (-1.0, 1.0):  # sound holes
        p.line(((0.2, 0.07 * side), (0.215, 0.055 * side), (0.235, 0.058 * side)), INK, 0.009)
    return _hold(place, motion, 0.175, (0.3, 0.46), 0.024)


def draw_guzheng(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A long level zither on two stands, many strings and a slanting row of bridges."""
    style = pick_style(GUZHENGS, look)
    p = pen.at(0.0, 0.0, 1.0)
    width = 0.5 * look.proportion
    for side in (-1.0, 1.0):
        _draw_stand(p, side * width * 0.68, style)
    left, right = -width, width
    board = ((left, 0.285), (right, 0.285), (right - 0.025, 0.4), (left + 0.025, 0.4))
    front = ((left, 0.225), (right, 0.225), (right, 0.285), (left, 0.285))
    p.polygon(front, mixed(style.main, style.metal, 0.55), INK)
    p.polygon(board, style.main, INK, 0.009)
    for side in (-1.0, 1.0):
        end, inner = side * width, side * width * 0.86
        cap = ((end, 0.285), (inner, 0.285), (inner, 0.4), (end - side * 0.025, 0.4))
        p.polygon(cap, style.metal, INK)
        flower = (side * width * 0.6, 0.254)
        p.line((flower, flower), style.accent, 0.03)
    for y in (0.3, 0.32, 0.34, 0.36, 0.38):
        p.line(((left * 0.86, y), (right * 0.86, y)), STRING, 0.004)
    _draw_bridges(p, width, style)
    return _guzheng_hands(motion, look.proportion)


def _guzheng_hands(motion: Motion, proportion: float) -> Hold:
    """One hand plucks near an end, the other presses beyond the bridges."""
    stroke = motion.bow * motion.energy
    low = 0.36 - 0.04 * stroke
    x = -0.25 + 0.07 * motion.pitch + 0.03 * stroke
    press = 0.16 + 0.1 * motion.pitch
    return Hold((x * proportion, low), (press * proportion, 0.365 - 0.012 * stroke))


def _draw_stand(p: Pen, x: float, style: Style) -> None:
    wood = mixed(style.metal, INK, 0.25)
    if style.shape == 3.0:
        pipe(p, ((x - 0.07, 0.225), (x + 0.07, 0.01)), 0.02, wood)
        pipe(p, ((x + 0.07, 0.225), (x - 0.07, 0.01)), 0.02, wood)
    elif style.shape == 1.0:
        p.polygon(((x - 0.05, 0.22), (x + 0.05, 0.22), (x + 0.08, 0.0), (x - 0.08, 0.0)), wood, INK)
    else:
        for foot in (-0.05, 0.05):
            pipe(p, ((x + foot, 0.225), (x + foot, 0.01)), 0.018, wood)
        p.line(((x - 0.05, 0.1), (x + 0.05, 0.1)), wood, 0.016)


def _draw_bridges(p: Pen, width: float, style: Style) -> None:
    for k in range(7):
        x, y = width * (-0.5 + 0.16 * k), 0.298 + 0.0135 * k
        foot = ((x - 0.012, y - 0.008), (x, y + 0.016), (x + 0.012, y - 0.008))
        p.polygon(foot, style.accent, INK, 0.005)


# ---------------------------------------------------------------- parts


def _hold(
    place: Place, motion: Motion, pluck: float, frets: tuple[float, float], stroke: float
) -> Hold:
    """Hands on the strings: plucking at x = `pluck`, fingering between `frets` (low, high)."""
    across = -stroke * motion.bow * motion.energy
    low, high = frets
    # The higher the note, the nearer the hand to the body.
    finger = high - (high - low) * motion.pitch
    return Hold(
        place.point(pluck + 0.3 * across, across * 1.6 + 0.004), place.point(finger, -0.016)
    )


def _draw_neck(p: Pen, ends: tuple[float, float], half: float, wood: Colour) -> None:
    start, end = ends
    p.polygon(((start, -half), (start, half), (end, half), (end, -half)), wood, INK)


def _draw_head(p: Pen, ends: tuple[float, float], half: float, wood: Colour, pairs: int) -> None:
    """A head with `pairs` of tuners on either side."""
    start, end = ends
    step = (end - start) / pairs
    for k in range(pairs):
        x = start + (k + 0.6) * step
        p.line(((x, -half - 0.014), (x, half + 0.014)), INK, 0.02)
        for y in (-half - 0.014, half + 0.014):
            p.line(((x, y), (x, y)), CHROME, 0.014)
    corners = ((start, -0.6 * half), (start, 0.6 * half), (end, half), (end, -half))
    p.polygon(corners, wood, INK)


def _draw_bass_head(p: Pen, style: Style) -> None:
    for x in (0.675, 0.7, 0.725, 0.75):
        pipe(p, ((x, 0.02), (x, 0.05)), 0.011, CHROME)
    if style.shape == 1.0:
        points = ((0.65, -0.018), (0.65, 0.018), (0.68, 0.034), (0.765, 0.03), (0.775, -0.012))
    else:
        points = ((0.65, -0.018), (0.65, 0.018), (0.67, 0.036), (0.78, 0.014), (0.76, -0.03))
    p.polygon(points, mixed(style.main, (196, 140, 84), 0.6 if style.shape == 1.0 else 0.0), INK)


def _draw_hole(p: Pen, x: float, radius: float, ring: Colour) -> None:
    dot(p, (x, 0.0), radius, ring, None)
    dot(p, (x, 0.0), radius * 0.78, INK, None)


def _draw_strings(
    p: Pen, ends: tuple[float, float], rows: Iterable[float], colour: Colour = STRING
) -> None:
    for y in rows:
        p.line(((ends[0], y), (ends[1], y * 0.8)), colour, 0.003)


def _draw_frets(p: Pen, places: Iterable[float], half: float) -> None:
    for x in places:
        p.line(((x, -half), (x, half)), CHROME, 0.004)


@cache
def _around(radius: float, n: int) -> Path:
    return oval((0.0, 0.0), radius, radius, 0.0, n)


_GUITAR_HALF: Path = (
    (0.0, 0.03), (0.006, 0.08), (0.04, 0.122), (0.09, 0.138), (0.14, 0.126), (0.185, 0.096),
    (0.22, 0.088), (0.26, 0.1), (0.295, 0.102), (0.325, 0.08), (0.337, 0.04), (0.338, 0.02),
)  # fmt: skip
_CUTAWAY: Path = (
    (0.0, 0.03), (0.006, 0.08), (0.04, 0.122), (0.09, 0.138), (0.14, 0.126), (0.185, 0.096),
    (0.22, 0.088), (0.26, 0.102), (0.3, 0.112), (0.35, 0.088), (0.33, 0.062), (0.3, 0.045),
    (0.29, 0.02),
)  # fmt: skip
_UKULELE_HALF: Path = (
    (0.0, 0.02), (0.006, 0.05), (0.03, 0.075), (0.06, 0.079), (0.09, 0.066), (0.115, 0.053),
    (0.14, 0.053), (0.17, 0.061), (0.192, 0.046), (0.2, 0.015),
)  # fmt: skip
_BASS_TOP: Path = (
    (0.0, 0.02), (0.01, 0.075), (0.06, 0.105), (0.12, 0.095), (0.17, 0.07), (0.22, 0.082),
    (0.28, 0.12), (0.355, 0.138), (0.365, 0.115), (0.3, 0.075), (0.265, 0.04), (0.26, 0.01),
)  # fmt: skip
_BASS_BOTTOM: Path = (
    (0.26, -0.015), (0.27, -0.045), (0.32, -0.085), (0.315, -0.108), (0.25, -0.1), (0.19, -0.072),
    (0.14, -0.088), (0.08, -0.122), (0.025, -0.105), (0.0, -0.03),
)  # fmt: skip
_BASS_POINTED: Path = (
    (0.02, 0.0), (-0.01, 0.1), (0.09, 0.09), (0.19, 0.062), (0.37, 0.13), (0.3, 0.03),
    (0.27, 0.0), (0.29, -0.03), (0.34, -0.115), (0.18, -0.065), (0.08, -0.1), (-0.03, -0.125),
)  # fmt: skip
_PEAR_HALF: Path = (
    (0.0, 0.05), (0.012, 0.098), (0.05, 0.13), (0.1, 0.138), (0.16, 0.122), (0.23, 0.088),
    (0.3, 0.057), (0.37, 0.038), (0.44, 0.029), (0.51, 0.025),
)  # fmt: skip


def _mirrored(half: Path, other: Path | None = None) -> Path:
    """A closed outline: the half above the axis and another (or the same) below it."""
    return half + tuple((x, -y) for x, y in reversed(other or half))


@cache
def _guitar_body(shape: float) -> Path:
    if shape == 1.0:
        return _mirrored(_GUITAR_HALF)
    wider = 1.0 if shape == 2.0 else 1.12
    return tuple((x, y * wider) for x, y in _mirrored(_GUITAR_HALF, _CUTAWAY))


@cache
def _ukulele_body(shape: float) -> Path:
    """A small guitar, or (shape 4) a pineapple without a waist."""
    if shape != 4.0:
        return _mirrored(_UKULELE_HALF)
    return oval((0.1, 0.0), 0.102, 0.074, 0.0, 18)


@cache
def _bass_body(shape: float) -> Path:
    if shape == 1.0:
        return smooth(_BASS_TOP, 2) + smooth(_BASS_BOTTOM, 2)
    return _BASS_POINTED


@cache
def _pear(shape: float, share: float) -> Path:
    """The pear of a pipa; `share` below 1 gives the sound board inside its edge."""
    half: list[Point] = [(0.012 / share + x * (0.03 + 0.97 * share), y) for x, y in _PEAR_HALF]
    return _mirrored(tuple((x, y * share * shape) for x, y in half))


INSTRUMENTS: dict[str, Instrument] = {
    "acoustic_guitar": Instrument("acoustic_guitar", True, 0.75, draw_guitar),
    "electric_bass": Instrument("electric_bass", False, 0.9, draw_electric_bass),
    "banjo": Instrument("banjo", True, 0.75, draw_banjo),
    "ukulele": Instrument("ukulele", False, 0.6, draw_ukulele),
    "pipa": Instrument("pipa", True, 0.6, draw_pipa),
    "guzheng": Instrument("guzheng", True, 1.05, draw_guzheng),
}

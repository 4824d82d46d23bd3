"""Keyboards and percussion as vector drawings of our own: five instruments, four variants each.

Piano, xylophone, drum kit and congas stand on the floor in front of the player; the accordion hangs
on the chest. Variant 3 of each differs in shape and colours (the held-out split `test-art`).
"""

from __future__ import annotations

import math

from musicavqa.bandstand.brush import (
    INK,
    WHITE,
    Path,
    Place,
    Style,
    box,
    dot,
    mixed,
    oval,
    pick_style,
    pipe,
    smooth,
)
from musicavqa.bandstand.canvas import Colour, Pen, Point
from musicavqa.bandstand.pose import Hold, Instrument, Look, Motion

SILVER: Colour = (206, 212, 220)
GOLD: Colour = (228, 184, 70)
WOOD: Colour = (206, 156, 92)

PIANOS = (
    Style((34, 32, 36), GOLD, (84, 84, 94), 1.0),
    Style((110, 60, 34), GOLD, (158, 98, 58), 1.0),
    Style((122, 70, 40), (226, 190, 110), (164, 104, 62), 0.0),
    Style((236, 232, 224), (190, 60, 50), (206, 200, 190), 1.25),
)
ACCORDIONS = (
    Style((178, 28, 36), SILVER, (60, 20, 22), 1.0),
    Style((30, 30, 36), GOLD, (150, 32, 40), 1.08),
    Style((28, 74, 140), SILVER, (226, 226, 220), 0.95),
    Style((236, 226, 200), (90, 160, 130), (60, 110, 96), 1.18),
)
XYLOPHONES = (
    Style((150, 82, 42), SILVER, (96, 60, 36), 1.0),
    Style((176, 96, 48), GOLD, (44, 44, 50), 1.0),
    Style((120, 58, 34), (236, 206, 120), (120, 76, 44), 1.0),
    Style((240, 240, 236), (60, 130, 200), (240, 240, 236), 2.0),
)
DRUM_KITS = (
    Style((186, 32, 38), SILVER, (240, 206, 90), 1.0),
    Style((34, 74, 156), SILVER, (236, 198, 84), 1.06),
    Style((44, 44, 50), SILVER, (246, 214, 110), 0.96),
    Style((64, 168, 142), (240, 236, 220), (206, 140, 70), 0.82),
)
CONGAS = (
    Style((176, 96, 44), SILVER, (232, 212, 178), 2.0),
    Style((168, 44, 34), (226, 190, 90), (238, 222, 190), 3.0),
    Style((212, 158, 84), SILVER, (240, 228, 204), 2.0),
    Style((40, 120, 130), (240, 200, 80), (246, 240, 230), 3.0),
)
RAINBOW: tuple[Colour, ...] = (
    (214, 48, 48), (236, 124, 40), (244, 196, 48), (120, 186, 64), (48, 150, 110),
    (48, 140, 200), (60, 84, 180), (132, 74, 170), (210, 70, 140),
)  # fmt: skip


def draw_piano(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A grand (lid up at the viewer's right) or an upright on the floor, its keys to the viewer."""
    style = pick_style(PIANOS, look)
    place = Place(-0.1, 0.0, 0.92 * look.proportion)
    p = place.pen(pen)
    if style.shape:
        _grand_body(p, style)
    else:
        _upright_body(p, style)
    _piano_keys(p, motion)
    box(p, -0.46, 0.325, 0.46, 0.35, mixed(style.main, style.accent, 0.4))
    for x in (-0.46, 0.43):
        box(p, x, 0.325, x + 0.03, 0.43, style.main)
    return _key_hands(motion, place)


def _grand_body(pen: Pen, style: Style) -> None:
    """Case with curved tail, raised lid with its prop, three legs, pedals."""
    high = 0.95 * min(style.shape, 1.12)
    lid: Path = ((0.2, 0.47), (0.27, high), (0.5, high + 0.04), (0.78, high - 0.1), (0.86, 0.53))
    if style.shape != 1:
        lid = ((0.2, 0.47), (0.34, high), (0.92, high - 0.08), (0.88, 0.5))
    pen.polygon(lid, style.main, INK, 0.008)
    pen.line((lid[0], lid[1], lid[2]), style.accent, 0.012)
    pen.line(((0.74, 0.5), (0.66, 0.8)), style.metal, 0.012)
    inside = ((0.16, 0.44), (0.24, 0.51), (0.84, 0.53), (0.88, 0.44))
    pen.polygon(inside, style.metal, INK)
    for i in range(4):
        pen.line(((0.3 + 0.14 * i, 0.45), (0.27 + 0.14 * i, 0.51)), INK, 0.004)
    for x in (-0.42, 0.4, 0.78):
        leg = ((x, 0.3), (x + 0.055, 0.3), (x + 0.04, 0.02), (x + 0.015, 0.02))
        pen.polygon(leg, style.main, INK)
        dot(pen, (x + 0.027, 0.014), 0.012, style.metal)
    pen.line(((-0.02, 0.28), (-0.035, 0.03), (0.035, 0.03), (0.02, 0.28)), style.main, 0.016)
    pen.line(((-0.03, 0.03), (0.03, 0.03)), style.metal, 0.014)
    case = ((-0.46, 0.27), (0.5, 0.27), (0.82, 0.3), (0.9, 0.38), (0.88, 0.46), (0.46, 0.46),
            (0.46, 0.44), (-0.46, 0.44))  # fmt: skip
    pen.polygon(case, style.main, INK, 0.008)
    pen.line(((0.49, 0.32), (0.8, 0.335)), style.accent, 0.012)


def _upright_body(pen: Pen, style: Style) -> None:
    """Closed front panel down to the floor, two pillars, pedals, and a tall case at the side."""
    box(pen, 0.27, 0.03, 0.56, 0.8, style.main)
    box(pen, 0.25, 0.79, 0.58, 0.83, style.accent)
    box(pen, 0.31, 0.5, 0.52, 0.74, style.accent)
    box(pen, 0.33, 0.54, 0.42, 0.67, WHITE)
    box(pen, 0.42, 0.54, 0.51, 0.67, WHITE)
    box(pen, -0.46, 0.03, 0.56, 0.4, style.main)
    box(pen, -0.37, 0.08, 0.37, 0.29, style.accent)
    for x in (-0.45, 0.405):
        box(pen, x, 0.02, x + 0.045, 0.33, style.main)
    for x in (-0.03, 0.03):
        pen.line(((x, 0.04), (x, 0.015)), style.metal, 0.02)


def _piano_keys(pen: Pen, motion: Motion) -> None:
    """The keyboard: white slab, gaps, black keys; keys under the hands go down."""
    box(pen, -0.43, 0.35, 0.43, 0.44, WHITE)
    n = 16
    if motion.strike > 0.1 and motion.energy > 0.1:
        key = int((0.1 + 0.8 * motion.pitch) * n)
        x, step = -0.43 + 0.86 * key / n, 0.86 / n
        pen.polygon(
            ((x, 0.35), (x + step, 0.35), (x + step, 0.44), (x, 0.44)), (190, 196, 214), None
        )
    for i in range(1, n):
        x = -0.43 + 0.86 * i / n
        pen.line(((x, 0.352), (x, 0.44)), (90, 90, 96), 0.005)
        if i % 7 not in (0, 3):
            pen.line(((x, 0.393), (x, 0.432)), (18, 18, 20), 0.026)


def _key_hands(motion: Motion, place: Place) -> Hold:
    """Two hands over the keys that wander with the pitch and press by turns."""
    wander = 0.24 * motion.energy * (motion.pitch - 0.5)
    press = [0.03 * motion.energy * (1 - motion.strike * (motion.side == i)) for i in (0, 1)]
    return Hold(
        place.point(-0.15 + wander, 0.405 + press[0]), place.point(0.25 + wander, 0.405 + press[1])
    )


def draw_accordion(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Pleated bellows between a keyboard box (viewer's left) and a button box."""
    style, size = pick_style(ACCORDIONS, look), look.proportion
    p = pen.at(0.0, 0.6, size)
    pull = 0.05 + 0.06 * motion.energy * motion.bellows
    sway = 0.02 * motion.breath * motion.energy
    p.line(((-0.09, 0.19), (-0.085, 0.1)), INK, 0.03)
    p.line(((0.09, 0.19), (0.1, 0.1)), INK, 0.03)
    half = 0.165 * style.shape
    _bellows(p, -0.07, 0.1 + pull, half * 0.92, 0.12 + 2.6 * pull, style)
    left = p.at(-0.13, 0.0, 1.0, 0.06 + sway)
    box(left, -0.065, -half, 0.075, half, style.main)
    _accordion_keys(left, half, motion)
    for i in range(4):
        y = half * (-0.7 + 0.46 * i)
        left.line(((0.035, y), (0.058, y + 0.03)), style.metal, 0.012)
    right = p.at(0.14 + pull, 0.0, 1.0, -0.12 - 1.6 * pull + sway)
    box(right, -0.045, -half, 0.075, half, style.main)
    button = WHITE if sum(style.main) < 500 else style.accent
    for i in range(6):
        for x in (-0.012, 0.028):
            right.line(((x, half * (0.7 - 0.28 * i)),) * 2, button, 0.021)
    right.line(((0.062, half * 0.85), (0.062, -half * 0.85)), style.metal, 0.014)
    wander = 0.09 * motion.energy * (motion.pitch - 0.5)
    reach = (0.225 + pull) * size, 0.6 - 0.03 * size
    return Hold((-0.225 * size, 0.58 - wander), reach)


def _bellows(pen: Pen, left: float, right: float, half: float, spread: float, style: Style) -> None:
    """A fan of pleats, wider at the top, alternately dark and light."""
    n, top, low = 7, [], []
    for i in range(2 * n + 1):
        share = i / (2 * n)
        x = left + (right - left) * share
        bulge = 0.014 * (i % 2)
        rise = 0.05 * math.sin(math.pi * share) * spread / 0.25
        top.append((x + 0.05 * spread * (share - 0.5), half + rise + bulge))
        low.append((x - 0.05 * spread * (share - 0.5), -half + rise * 0.3 - bulge))
    pen.polygon([*top, *low[::-1]], style.accent, INK, 0.008)
    light = mixed(style.accent, WHITE if sum(style.accent) < 500 else INK, 0.5)
    for i in range(1, 2 * n, 2):
        pen.line((top[i], low[i]), light if i % 4 == 1 else INK, 0.009)


def _accordion_keys(pen: Pen, half: float, motion: Motion) -> None:
    """A column of white and black keys at the outer edge."""
    box(pen, -0.085, -half * 0.94, 0.012, half * 0.94, WHITE)
    n = 10
    down = min(n - 1, int(motion.pitch * n)) if motion.energy > 0.3 else -1
    for i in range(1, n):
        y = half * 0.94 * (1 - 2 * i / n)
        pen.line(((-0.083, y), (0.01, y)), (80, 80, 86), 0.004)
        if i % 7 not in (0, 3):
            pen.line(((-0.035, y), (0.008, y)), (18, 18, 20), 0.015)
        if i == down:
            pen.line(((-0.07, y + 0.014), (-0.045, y + 0.014)), (150, 160, 190), 0.02)


def draw_xylophone(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Bars of decreasing length on a wheeled frame, two mallets."""
    style = pick_style(XYLOPHONES, look)
    p = pen.at(0.0, 0.0, look.proportion)
    for x in (-0.4, 0.36):
        p.line(((x, 0.4), (x + 0.02, 0.06)), INK, 0.05)
        p.line(((x, 0.4), (x + 0.02, 0.06)), style.accent, 0.034)
        pipe(p, ((x - 0.05, 0.05), (x + 0.09, 0.05)), 0.022, style.accent)
        for wheel in (x - 0.04, x + 0.08):
            dot(p, (wheel, 0.02), 0.02, (50, 50, 56), None)
    _resonators(p, style)
    frame = ((-0.5, 0.32), (0.46, 0.38), (0.46, 0.45), (-0.5, 0.51))
    p.polygon(frame, style.accent, INK, 0.008)
    _bars(p, style)
    return _sticks(
        [_bar_top(_place_of(motion), i, look.proportion) for i in (0, 1)],
        motion,
        look.proportion,
        0.016,
    )


def _resonators(pen: Pen, style: Style) -> None:
    """Tubes below the bars, shorter to the viewer's right, on a dark ground."""
    pen.line(((-0.43, 0.15), (0.4, 0.27)), INK, 0.03)
    for i in range(6):
        x = -0.41 + 0.16 * i
        pipe(pen, ((x, 0.36), (x, 0.13 + 0.026 * i)), 0.066, style.metal)


def _bars(pen: Pen, style: Style) -> None:
    """Tone bars: wooden, or one colour each (shape 2)."""
    n = 8 if style.shape == 2 else 9
    step = 0.92 / n
    for i in range(n):
        x, half = -0.48 + step * (i + 0.08), 0.125 - 0.075 * i / n
        colour = RAINBOW[i % 9] if style.shape == 2 else mixed(style.main, WOOD, (i % 2) * 0.3)
        box(pen, x, 0.418 - half, x + step * 0.84, 0.418 + half, colour)
    for sign in (-1, 1):
        pen.line(((-0.47, 0.418 + sign * 0.085), (0.43, 0.418 + sign * 0.035)), INK, 0.008)


def _bar_top(pitch: float, side: int, scale: float) -> Point:
    """Where mallet `side` touches the bars."""
    x = -0.3 + 0.56 * pitch + (-0.07, 0.07)[side]
    return x * scale, 0.43 * scale


def draw_drum(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A drum kit: bass drum, two toms, floor tom, snare, hi-hat and crash cymbals."""
    style = pick_style(DRUM_KITS, look)
    p, hit = pen.at(0.0, 0.0, look.proportion), motion.energy * motion.strike
    for x, foot in ((-0.37, -0.42), (0.37, 0.42)):
        p.line(((x, 0.6 if x < 0 else 0.47), (x, 0.1), (foot, 0.01)), INK, 0.018)
        p.line(((x, 0.1), (2 * x - foot, 0.01)), INK, 0.018)
    _shell(p, -0.285, 0.1, 0.105, 0.22, style)
    _shell(p, 0.27, 0.26, 0.1, 0.09, style)
    p.line(((0.27, 0.26), (0.27, 0.1), (0.21, 0.01)), INK, 0.016)
    p.line(((0.27, 0.1), (0.33, 0.01)), INK, 0.016)
    _bass_drum(p, style)
    _shell(p, -0.105, 0.385, 0.088, 0.085, style)
    _shell(p, 0.105, 0.385, 0.088, 0.085, style)
    wobble = 0.16 * hit
    _cymbal(p, (-0.37, 0.62), 0.145, 0.2 - wobble * (motion.side == 0), style.accent)
    _cymbal(p, (0.37, 0.49), 0.115, wobble * 0.5 * (motion.side == 1), style.accent)
    _cymbal(p, (0.37, 0.465), 0.115, 0.0, style.accent)
    high = _place_of(motion) > 0.5
    targets = [
        ((-0.33, 0.62) if high else (-0.12, 0.485)),
        ((0.33, 0.5) if high else (0.25, 0.37)),
    ]
    scaled = [(x * look.proportion, y * look.proportion) for x, y in targets]
    return _sticks(scaled, motion, look.proportion, 0.0)


def _shell(pen: Pen, x: float, bottom: float, half: float, tall: float, style: Style) -> None:
    """A cylinder drum with a white head and metal hoops."""
    low, top = oval((x, bottom), half, half * 0.24, 0.0, 10), bottom + tall
    pen.polygon((*low[5:], low[0], (x + half, top), (x - half, top)), style.main, INK)
    pen.line(((x - half * 0.4, bottom), (x - half * 0.4, top)), style.metal, 0.014)
    pen.line(((x - half, top - 0.012), (x + half, top - 0.012)), style.metal, 0.03)
    pen.polygon(oval((x, top), half, half * 0.26, 0.0, 12), WHITE, INK, 0.008)


def _bass_drum(pen: Pen, style: Style) -> None:
    """The big drum that faces the viewer."""
    radius = 0.205 * style.shape
    y = 0.02 + radius
    pen.polygon(oval((0.0, y), radius, radius, 0.0, 20), style.main, INK, 0.01)
    pen.polygon(oval((0.0, y), radius * 0.84, radius * 0.84, 0.0, 18), WHITE, INK)
    if style.shape < 0.9:
        dot(pen, (0.0, y), radius * 0.4, style.main)
        return
    dot(pen, (radius * 0.3, y - radius * 0.25), radius * 0.2, (50, 48, 52), None)
    pen.line(((-radius * 0.5, y + 0.06), (radius * 0.5, y + 0.06)), style.main, 0.03)


def _cymbal(pen: Pen, middle: Point, radius: float, tilt: float, colour: Colour) -> None:
    """A thin brass disc with a bell on top."""
    pen.polygon(oval(middle, radius, radius * 0.2, round(tilt, 2)), colour, INK, 0.007)
    dot(pen, (middle[0], middle[1] + 0.012), 0.018, mixed(colour, WHITE, 0.4))


def draw_congas(pen: Pen, look: Look, motion: Motion) -> Hold:
    """Two or three tall barrel drums on the floor, struck with bare hands."""
    style = pick_style(CONGAS, look)
    p = pen.at(0.0, 0.0, look.proportion)
    if style.shape == 3:
        _conga(p, 0.3, 0.44, 0.09, style)
        _conga(p, -0.2, 0.49, 0.12, style)
        _conga(p, 0.07, 0.47, 0.115, style)
        low = _place_of(motion) < 0.6
        middles, tops = ((-0.17, 0.08), (0.49, 0.47)) if low else ((0.03, 0.26), (0.47, 0.44))
    else:
        _conga(p, -0.155, 0.46, 0.135, style)
        _conga(p, 0.155, 0.44, 0.12, style)
        middles, tops = (-0.13, 0.13), (0.46, 0.44)
    lift = [
        0.02 + motion.energy * (0.13 * (1 - motion.strike) if motion.side == i else 0.1)
        for i in (0, 1)
    ]
    hands = [
        (x * look.proportion, (y + up) * look.proportion)
        for x, y, up in zip(middles, tops, lift, strict=True)
    ]
    return Hold(hands[0], hands[1])


def _conga(pen: Pen, x: float, top: float, half: float, style: Style) -> None:
    """A barrel with staves, hoops, lugs and a pale skin."""
    wide, foot = half * 1.14, half * 0.62
    left = smooth(((x - half, top), (x - wide, top * 0.66), (x - foot, 0.02)), 3)
    right = smooth(((x + foot, 0.02), (x + wide, top * 0.66), (x + half, top)), 3)
    pen.polygon(left + right, style.main, INK, 0.008)
    for side in (-0.4 * half, 0.35 * half):
        stave = ((x + side, top), (x + side * 1.2, top * 0.62), (x + side * 0.6, 0.03))
        pen.line(stave, mixed(style.main, INK, 0.45), 0.006)
    pen.line(((x - half * 0.76, 0.12), (x + half * 0.76, 0.12)), style.metal, 0.018)
    for side in (-0.8 * half, -0.05 * half, 0.75 * half):
        pen.line(((x + side, top - 0.02), (x + side * 1.08, top - 0.12)), style.metal, 0.014)
    pen.polygon(oval((x, top), half * 1.04, half * 0.32), style.metal, INK, 0.008)
    pen.polygon(oval((x, top + 0.004), half * 0.9, half * 0.24, 0.0, 12), style.accent)


def _place_of(motion: Motion) -> float:
    """Where along the instrument is played (0 to 1): the middle at rest."""
    return 0.5 + motion.energy * (motion.pitch - 0.5)


def _sticks(targets: list[Point], motion: Motion, scale: float, head: float) -> Hold:
    """Two sticks from the hands to their targets; the striking one is down when strike is 1."""
    hands, tips = [], []
    for i, (x, y) in enumerate(targets):
        sign = (-1, 1)[i]
        up = motion.energy * (1 - motion.strike if motion.side == i else 0.8)
        rest = 0.02 * (1 - motion.energy)
        tips.append((x + sign * 0.03 * up, y + rest + 0.15 * up))
        grip = x * 0.5 + sign * 0.12
        hands.append((grip * scale, (0.53 + 0.05 * up) * scale))

    def over(pen: Pen) -> None:
        for hand, tip in zip(hands, tips, strict=True):
            butt = (hand[0] + 0.25 * (hand[0] - tip[0]), hand[1] + 0.25 * (hand[1] - tip[1]))
            pipe(pen, (butt, tip), 0.013, (238, 208, 150))
            if head:
                dot(pen, tip, head * 1.4, (60, 70, 140))

    return Hold(hands[0], hands[1], over)


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument("piano", True, 1.5, draw_piano),
    "accordion": Instrument("accordion", False, 0.65, draw_accordion),
    "xylophone": Instrument("xylophone", False, 1.0, draw_xylophone),
    "drum": Instrument("drum", True, 1.05, draw_drum),
    "congas": Instrument("congas", False, 0.7, draw_congas),
}

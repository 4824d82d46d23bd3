"""Wind instruments as vector drawings of our own: eight instruments, four variants each.

Every wind is drawn in coordinates of its own with the origin at the player's lips, so that it sways
about the mouth. Variant 3 of each differs in shape and colours (the held-out split `test-art`).
"""

from __future__ import annotations

from musicavqa.bandstand.brush import (
    INK,
    WHITE,
    Path,
    Place,
    Style,
    dot,
    mixed,
    oval,
    pick_style,
    pipe,
    smooth,
    tapered,
)
from musicavqa.bandstand.canvas import Colour, Pen
from musicavqa.bandstand.pose import Hold, Instrument, Look, Motion

SILVER: Colour = (214, 220, 226)
GOLD: Colour = (236, 186, 60)

CLARINETS = (
    Style((38, 38, 42), SILVER, (96, 98, 106), 1.0),
    Style((30, 28, 30), (240, 214, 120), (90, 86, 84), 1.1),
    Style((52, 40, 36), SILVER, (116, 98, 88), 0.95),
    Style((44, 46, 74), (244, 190, 150), (120, 124, 160), 1.45),
)
BASSOONS = (
    Style((122, 44, 24), SILVER, WHITE, 1.0),
    Style((92, 38, 26), (230, 232, 236), WHITE, 1.08),
    Style((146, 66, 30), (226, 214, 170), WHITE, 0.94),
    Style((70, 30, 44), GOLD, (230, 120, 70), 1.2),
)
FLUTES = (
    Style((226, 230, 236), (250, 252, 255), (150, 158, 170), 1.0),
    Style((206, 212, 222), (244, 246, 250), GOLD, 1.1),
    Style((240, 226, 176), (255, 244, 206), (176, 140, 70), 1.0),
    Style((236, 196, 178), (255, 232, 220), (90, 60, 60), 1.35),
)
SAXOPHONES = (
    Style(GOLD, (255, 226, 130), (150, 104, 24), 1.0),
    Style((214, 160, 50), (250, 210, 110), (120, 80, 20), 1.1),
    Style((244, 202, 90), (255, 240, 180), (170, 120, 40), 0.92),
    Style((196, 104, 62), SILVER, (96, 40, 24), 1.25),
)
TRUMPETS = (
    Style(GOLD, (255, 230, 140), (160, 112, 26), 1.0),
    Style((222, 170, 52), (252, 222, 140), (130, 90, 20), 1.12),
    Style((246, 210, 100), (255, 244, 196), (170, 124, 40), 0.92),
    Style((208, 214, 222), GOLD, (100, 106, 116), 1.3),
)
TUBAS = (
    Style((226, 176, 56), (252, 220, 120), (128, 88, 22), 1.0),
    Style((240, 198, 84), (255, 232, 150), (150, 106, 30), 1.1),
    Style((204, 148, 48), (244, 206, 112), (110, 74, 18), 0.92),
    Style((196, 202, 210), (240, 244, 248), (92, 98, 108), 1.22),
)
SUONAS = (
    Style((122, 62, 30), (240, 190, 70), (210, 40, 40), 1.0),
    Style((90, 40, 24), (226, 172, 60), (220, 60, 40), 1.1),
    Style((150, 88, 44), (250, 208, 96), (190, 30, 50), 0.94),
    Style((60, 34, 36), (222, 140, 90), (40, 120, 170), 1.25),
)
BAGPIPES = (
    Style((150, 30, 38), (40, 90, 50), (40, 30, 28), 1.0),
    Style((34, 92, 58), (24, 44, 104), (50, 36, 30), 1.08),
    Style((30, 56, 124), (200, 44, 44), (36, 28, 26), 0.95),
    Style((226, 190, 120), (150, 96, 50), (110, 70, 40), 1.15),
)


def draw_clarinet(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A straight black tube down from the mouth, silver keys, a small bell."""
    style, place = pick_style(CLARINETS, look), _at_lips(look, motion, 0.13, 0.07)
    p, bell = place.pen(pen), 0.092 * style.shape
    outline = tapered(
        ((0.0, 0.012), (0.0, -0.06), (0.0, -0.1), (0.0, -0.39), (0.0, -0.43), (0.0, -0.475)),
        (0.016, 0.038, 0.044, 0.044, 0.056, bell),
        2,
    )
    p.polygon(outline, style.main, INK)
    p.line(((-0.014, -0.1), (-0.014, -0.4)), style.accent, 0.008)
    for y, half in ((-0.055, 0.02), (-0.1, 0.025), (-0.25, 0.025), (-0.4, 0.028)):
        p.line(((-half, y), (half, y)), style.metal, 0.011)
    p.line(((-bell / 2, -0.473), (bell / 2, -0.473)), style.metal, 0.009)
    p.line(((0.024, -0.13), (0.024, -0.23), (0.028, -0.29), (0.028, -0.38)), style.metal, 0.009)
    _keys(p, ((0.003, -0.14), (0.003, -0.28)), 4, 0.034, style.metal, motion)
    shift = _fingering(motion, 0.035)
    return Hold(place.point(-0.034, -0.19 + shift), place.point(0.036, -0.33 + shift))


def draw_bassoon(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A long brown double tube, diagonal from the hip to above the shoulder, with a thin crook."""
    style, place = pick_style(BASSOONS, look), _at_lips(look, motion, 0.0, 0.05)
    p, wide = place.pen(pen), style.shape
    crook = ((-0.005, 0.0), (-0.035, -0.02), (-0.035, -0.075), (0.0, -0.1), (0.035, -0.1))
    pipe(p, ((-0.105, -0.42), (0.16, 0.13)), 0.05 * wide, style.main)
    pipe(p, ((-0.215, -0.6), (-0.105, -0.375)), 0.072 * wide, style.main)
    pipe(p, ((-0.085, -0.43), (0.052, -0.145)), 0.026, mixed(style.main, WHITE, 0.12))
    pipe(p, ((0.147, 0.1), (0.2, 0.21)), 0.037 * wide, style.main)
    pipe(p, ((0.2, 0.21), (0.207, 0.225)), 0.05 * wide, style.accent)
    pipe(p, ((-0.222, -0.615), (-0.212, -0.594)), 0.07 * wide, style.metal)
    for x, y in ((-0.105, -0.4), (0.147, 0.1)):
        p.line(((x - 0.032, y + 0.016), (x + 0.032, y - 0.016)), style.metal, 0.014)
    pipe(p, smooth(crook), 0.01, style.metal)
    p.line(((-0.005, 0.0), (-0.02, -0.01)), (232, 200, 130), 0.016)
    p.line(((-0.135, -0.49), (-0.06, -0.335), (-0.04, -0.33), (0.1, -0.04)), style.metal, 0.009)
    _keys(p, ((0.085, -0.02), (-0.14, -0.5)), 4, 0.042, style.metal, motion, along=(0.43, 0.9))
    shift = _fingering(motion, 0.035)
    return Hold(
        place.point(-0.15 + 0.4 * shift, -0.375 + shift),
        place.point(0.075 + 0.4 * shift, -0.16 + shift),
    )


def draw_flute(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A bright transverse tube from the lips to the viewer's right."""
    style, place = pick_style(FLUTES, look), _at_lips(look, motion, -0.11, 0.09)
    p, wide = place.pen(pen), 0.024 * style.shape
    pipe(p, ((-0.085, -0.004), (0.47, -0.004)), wide, style.main)
    p.line(((-0.08, 0.002), (0.465, 0.002)), style.metal, 0.008)
    for x in (-0.085, 0.1, 0.36, 0.47):
        p.line(((x, -0.021), (x, 0.013)), INK, 0.016)
        p.line(((x, -0.018), (x, 0.01)), style.accent, 0.009)
    p.line(((-0.025, 0.003), (0.03, 0.003)), style.accent, 0.022)
    dot(p, (0.002, 0.006), 0.007, INK, None)
    _keys(p, ((0.14, 0.004), (0.26, 0.004)), 4, 0.028, style.accent, motion, along=(1.0, 0.0))
    shift = _fingering(motion, 0.04)
    return Hold(place.point(0.16 + shift, -0.036), place.point(0.31 + shift, -0.034))


def draw_saxophone(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A golden curved horn: black mouthpiece, neck, body, bow and a big bell."""
    style, place = pick_style(SAXOPHONES, look), _at_lips(look, motion, -0.05, 0.08)
    p, bell = place.pen(pen), 0.165 * style.shape
    pipe(p, smooth(((0.04, 0.004), (0.08, 0.004), (0.1, -0.03), (0.094, -0.08))), 0.02, style.main)
    pipe(p, ((0.0, 0.0), (0.045, 0.004)), 0.016, (34, 32, 34))
    horn = tapered(
        ((0.095, -0.07), (0.07, -0.22), (0.03, -0.38), (0.05, -0.48), (0.13, -0.47),
         (0.175, -0.36), (0.2, -0.26), (0.232, -0.2)),
        (0.03, 0.046, 0.066, 0.082, 0.088, 0.098, 0.115, bell),
    )  # fmt: skip
    p.polygon(horn, style.main, INK, 0.008)
    p.polygon(oval((0.235, -0.197), bell / 2, 0.036, -0.5), style.accent, INK, 0.008)
    p.line(((0.085, -0.1), (0.06, -0.22), (0.025, -0.36)), style.metal, 0.01)
    p.line(((0.155, -0.42), (0.19, -0.27)), style.metal, 0.014)
    pipe(p, ((0.118, -0.12), (0.088, -0.3)), 0.008, style.metal)
    _keys(p, ((0.082, -0.13), (0.055, -0.27)), 4, 0.034, WHITE, motion, along=(-0.18, -1.0))
    dot(p, (0.12, -0.47), 0.022, style.metal)
    shift = _fingering(motion, 0.035)
    return Hold(place.point(0.012, -0.36 + shift), place.point(0.108, -0.17 + shift))


def draw_trumpet(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A golden horn held sideways: a long loop of tube, three valves, a wide bell."""
    style, place = pick_style(TRUMPETS, look), _at_lips(look, motion, -0.1, 0.1)
    p, bell = place.pen(pen), 0.15 * style.shape
    low = -0.075 * style.shape**2
    loop: Path = (
        (0.0, 0.0), (0.3, 0.0), (0.33, 0.2 * low), (0.335, 0.65 * low), (0.3, low), (0.13, low),
        (0.1, 0.75 * low), (0.1, 0.25 * low), (0.13, 0.0),
    )  # fmt: skip
    pipe(p, loop, 0.018, style.main)
    flare = tapered(
        ((0.28, 0.0), (0.36, 0.0), (0.42, 0.0), (0.46, 0.0)), (0.02, 0.032, 0.062, bell), 3
    )
    for i in range(3):
        down = 0.022 * motion.energy * (round(motion.pitch * 11) >> i & 1)
        x = 0.175 + 0.038 * i
        pipe(p, ((x, 0.045 - down), (x, 0.0)), 0.008, style.metal)
        pipe(p, ((x, 0.02), (x, -0.095)), 0.022, style.metal)
        dot(p, (x, 0.05 - down), 0.009, WHITE)
    p.polygon(flare, style.main, INK, 0.008)
    p.polygon(oval((0.462, 0.0), 0.017, bell / 2), style.accent, INK, 0.008)
    p.line(((0.02, 0.004), (0.15, 0.004)), style.metal, 0.006)
    pipe(p, ((0.0, 0.0), (0.022, 0.0)), 0.026, style.metal)
    bob = 0.014 * motion.energy * (round(motion.pitch * 11) & 1)
    return Hold(place.point(0.13, -0.09), place.point(0.275, -0.075 + 2 * bob))


def draw_tuba(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A big golden coil on the lap with its bell upward beside the head."""
    style = pick_style(TUBAS, look)
    place = Place(0.0, 0.44, look.proportion, 0.06 * motion.breath * motion.energy)
    p, bell = place.pen(pen), 0.145 * style.shape
    horn = tapered(
        ((-0.125, 0.1), (-0.12, -0.08), (-0.02, -0.18), (0.11, -0.14), (0.165, 0.0), (0.17, 0.2),
         (0.18, 0.36), (0.205, 0.47)),
        (0.05, 0.075, 0.1, 0.115, 0.12, 0.12, 0.135, 1.7 * bell),
        3,
    )  # fmt: skip
    p.polygon(horn, style.main, INK, 0.008)
    p.polygon(oval((0.206, 0.472), bell, 0.038, -0.2), style.accent, INK, 0.008)
    p.line(((0.19, -0.06), (0.2, 0.2), (0.21, 0.36)), style.metal, 0.018)
    pipe(p, smooth(((-0.125, 0.1), (-0.1, 0.18), (-0.03, 0.19), (0.03, 0.14), (0.035, 0.0),
                    (0.0, -0.09), (-0.06, -0.06), (-0.06, 0.05)), 3), 0.036,
         style.main)  # fmt: skip
    pipe(p, smooth(((0.0, 0.262), (0.045, 0.24), (0.075, 0.16), (0.06, 0.04)), 3), 0.02, style.main)
    pipe(p, ((0.0, 0.264), (0.012, 0.258)), 0.038, style.metal)
    for i in range(3):
        down = 0.025 * motion.energy * (round(motion.pitch * 11) >> i & 1)
        x = -0.02 + 0.042 * i
        pipe(p, ((x, 0.09), (x, -0.05)), 0.028, style.metal)
        pipe(p, ((x, 0.125 - down), (x, 0.1)), 0.014, WHITE)
    bob = _fingering(motion, 0.03)
    return Hold(place.point(-0.13, -0.06), place.point(0.035, 0.125 + bob))


def draw_suona(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A wooden cone with a lip disc and a wide brass bell."""
    style, place = pick_style(SUONAS, look), _at_lips(look, motion, 0.1, 0.16)
    p, bell = place.pen(pen), 0.235 * style.shape
    pipe(p, ((0.0, 0.0), (0.0, -0.06)), 0.012, style.metal)
    p.polygon(tapered(((0.0, -0.055), (0.0, -0.35)), (0.03, 0.078), 1), style.main, INK)
    flare = tapered(
        ((0.0, -0.32), (0.0, -0.37), (0.0, -0.42), (0.0, -0.455)), (0.07, 0.09, 0.145, bell), 3
    )
    p.polygon(flare, style.metal, INK, 0.008)
    p.polygon(oval((0.0, -0.455), bell / 2, 0.036), mixed(style.metal, INK, 0.3), INK, 0.008)
    p.line(((-0.03, -0.35), (-0.055, -0.42)), WHITE, 0.012)
    p.line(((-0.04, -0.022), (0.04, -0.022)), INK, 0.024)
    p.line(((-0.038, -0.022), (0.038, -0.022)), style.metal, 0.012)
    for i in range(6):
        y, half = -0.095 - 0.04 * i, 0.016 + 0.0032 * i
        p.line(((-half, y - 0.018), (half, y - 0.018)), INK, 0.004)
        dot(p, (0.0, y), 0.008, INK if i != _pressed(motion, 6) else style.metal, None)
    for x in (0.06, 0.085):
        p.line(((0.036, -0.33), (x, -0.41)), style.accent, 0.013)
    shift = _fingering(motion, 0.03)
    return Hold(place.point(-0.046, -0.14 + shift), place.point(0.052, -0.275 + shift))


def draw_bagpipe(pen: Pen, look: Look, motion: Motion) -> Hold:
    """A bag under the arm, drones over the shoulder, a chanter and a blowpipe."""
    style = pick_style(BAGPIPES, look)
    p = pen.at(0.0, 0.0, 1.0, 0.03 * motion.breath * motion.energy)
    plain, puff = style.shape > 1.1, 1 + 0.1 * motion.energy * motion.bellows
    for foot, top in ((0.13, 1.17), (0.185, 1.07), (0.235, 0.99))[: 2 if plain else 3]:
        height = (top - 0.7) * look.proportion * style.shape
        _drone(p, foot, height, style)
    pipe(p, ((0.0, 0.876), (0.06, 0.74)), 0.018, style.accent)
    p.line(((0.0, 0.876), (0.012, 0.85)), WHITE, 0.016)
    bag = ((-0.03, 0.62), (0.03, 0.735), (0.14, 0.75), (0.26, 0.7), (0.295, 0.58), (0.23, 0.47),
           (0.08, 0.53), (-0.03, 0.62))  # fmt: skip
    around = p.at(0.13, 0.62, puff)
    around.polygon([(x - 0.13, y - 0.62) for x, y in smooth(bag)], style.main, INK, 0.008)
    _fringe(p, style) if plain else _tartan(p, style)
    pipe(p, ((-0.01, 0.63), (-0.07, 0.36)), 0.024, style.accent)
    p.line(((-0.09, 0.365), (-0.05, 0.355)), WHITE, 0.022)
    _keys(p, ((-0.022, 0.57), (-0.05, 0.45)), 3, 0.03, WHITE, motion, along=(-0.22, -1.0))
    reach = _fingering(motion, 0.03)
    return Hold((-0.075, 0.46 + reach), (0.005, 0.555 + reach))


def _drone(pen: Pen, foot: float, height: float, style: Style) -> None:
    """One bagpipe drone over the shoulder with two white joints."""
    pipe(pen, ((foot - 0.025, 0.7), (foot + 0.09, 0.7 + height)), 0.024, style.accent)
    for share in (0.5, 1.0):
        x, y = foot - 0.025 + 0.115 * share, 0.7 + height * share
        for colour, half, width in ((INK, 0.02, 0.038), (WHITE, 0.017, 0.023)):
            pen.line(((x - half, y + 0.005), (x + half, y - 0.005)), colour, width)


def _tartan(pen: Pen, style: Style) -> None:
    """Crossing stripes on the bag."""
    for x in (0.06, 0.13, 0.2):
        pen.line(((x, 0.56), (x + 0.02, 0.72)), style.metal, 0.022)
    for y in (0.6, 0.67):
        pen.line(((0.02, y), (0.265, y)), style.metal, 0.022)
        pen.line(((0.02, y + 0.028), (0.265, y + 0.028)), WHITE, 0.007)


def _fringe(pen: Pen, style: Style) -> None:
    """Tassels at the lower edge of a plain bag."""
    for i in range(6):
        x, y = 0.05 + 0.038 * i, 0.56 - 0.012 * i
        pen.line(((x, y), (x + 0.01, y - 0.09)), style.metal, 0.018)


def _at_lips(look: Look, motion: Motion, angle: float, lift: float) -> Place:
    """The place of a standing player's wind: raised by `lift` radians while it plays."""
    turn = angle + motion.energy * (lift + 0.06 * motion.breath)
    return Place(0.0, 0.878, look.proportion, turn)


def _fingering(motion: Motion, reach: float) -> float:
    """How far the hands stand from the middle of the tube, in local units."""
    return reach * motion.energy * (motion.pitch - 0.5) * 2


def _pressed(motion: Motion, n: int) -> int:
    """Which of `n` keys is down (-1: none)."""
    return min(n - 1, int(motion.pitch * n)) if motion.energy > 0.3 else -1


def _keys(
    pen: Pen,
    starts: Path,
    n: int,
    step: float,
    colour: Colour,
    motion: Motion,
    along: tuple[float, float] = (0.0, -1.0),
) -> None:
    """A row of `n` round keys from each start; the pressed one is darker."""
    pressed = _pressed(motion, n * len(starts))
    for row, (x, y) in enumerate(starts):
        for i in range(n):
            key = (x + along[0] * step * i, y + along[1] * step * i)
            shade = mixed(colour, INK, 0.6) if row * n + i == pressed else colour
            dot(pen, key, 0.008, shade)


INSTRUMENTS: dict[str, Instrument] = {
    "clarinet": Instrument("clarinet", False, 0.45, draw_clarinet),
    "bassoon": Instrument("bassoon", False, 0.6, draw_bassoon),
    "flute": Instrument("flute", False, 0.75, draw_flute),
    "saxophone": Instrument("saxophone", False, 0.6, draw_saxophone),
    "trumpet": Instrument("trumpet", False, 0.75, draw_trumpet),
    "tuba": Instrument("tuba", True, 0.65, draw_tuba),
    "suona": Instrument("suona", False, 0.5, draw_suona),
    "bagpipe": Instrument("bagpipe", False, 0.6, draw_bagpipe),
}

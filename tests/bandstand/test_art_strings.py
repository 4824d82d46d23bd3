"""Drawings of the string instruments and of their players."""

import math
from dataclasses import replace

import numpy as np
import pytest

from musicavqa.bandstand import art_plucked, art_strings, players
from musicavqa.bandstand.canvas import Canvas, Pen
from musicavqa.bandstand.pose import Look, Motion

INSTRUMENTS = {**art_strings.INSTRUMENTS, **art_plucked.INSTRUMENTS}
PERSON = {
    "skin": 1, "hair": 2, "hair_style": 0, "top": [60, 90, 120], "bottom": [40, 40, 60],
    "face": 0, "height": 1.0,
}  # fmt: skip
PLAYING = Motion(energy=1.0, bow=0.4, pitch=0.6, breath=0.5)
MOTIONS = [
    Motion(energy=1.0, bow=bow, pitch=pitch, breath=breath)
    for bow in (-1.0, 0.0, 1.0)
    for pitch in (0.0, 0.5, 1.0)
    for breath in (-1.0, 1.0)
]
every_instrument = pytest.mark.parametrize("name", sorted(INSTRUMENTS))
every_variant = pytest.mark.parametrize("variant", range(4))


def picture(name, look=None, motion=PLAYING, mirror=False, person=PERSON, alone=False):
    """A frame of 241 x 200 pixels with one player of 120 pixels in its middle."""
    canvas = Canvas(241, 200)
    canvas.pixels[:] = 90
    # 240.5 fine pixels: the middle between the centres of the first and the last fine pixel.
    pen = Pen(canvas, 120.25, 180.0, 120.0, mirror=mirror)
    instrument, look = INSTRUMENTS[name], look or Look()
    if alone:
        hold = instrument.draw(pen, look, motion)
        if hold.over is not None:
            hold.over(pen)
    else:
        players.draw_player(pen, person, instrument, look, motion)
    return canvas.finish().astype(int)


def changed_pixels(first, second):
    """How many pixels differ clearly."""
    return int((np.abs(first - second).max(axis=2) > 25).sum())


@every_instrument
@every_variant
def test_every_variant_draws_an_instrument(name, variant):
    alone = picture(name, Look(variant), alone=True)
    assert changed_pixels(alone, np.full_like(alone, 90)) > 400


@every_instrument
def test_the_four_variants_look_different(name):
    frames = [picture(name, Look(variant), alone=True) for variant in range(4)]
    for i in range(4):
        for j in range(i):
            assert changed_pixels(frames[i], frames[j]) > 100


@every_instrument
@every_variant
@pytest.mark.parametrize("proportion", [0.9, 1.0, 1.1])
def test_hands_are_within_reach_of_the_shoulders(name, variant, proportion):
    instrument = INSTRUMENTS[name]
    build = players.SEATED if instrument.seated else players.STANDING
    pen = Pen(Canvas(40, 40), 20, 30, 20)
    for motion in MOTIONS:
        hold = instrument.draw(pen, Look(variant, 0.0, proportion), motion)
        for side, hand in ((-1, hold.left), (1, hold.right)):
            reach = math.dist((side * players.SHOULDER_X, build.shoulders), hand)
            assert reach <= players.ARM_REACH, (motion, side, reach)


@every_instrument
def test_mirrored_player_is_the_mirrored_picture(name):
    plain, mirrored = picture(name), picture(name, mirror=True)
    # Antialiasing is not symmetric: allow a few edge pixels.
    assert changed_pixels(plain, mirrored[:, ::-1]) < 0.35 * changed_pixels(plain, mirrored)


@every_instrument
def test_playing_moves_the_hands(name):
    left, right = (picture(name, motion=replace(PLAYING, bow=bow)) for bow in (-0.8, 0.8))
    low, high = (picture(name, motion=replace(PLAYING, pitch=pitch)) for pitch in (0.1, 0.9))
    assert changed_pixels(left, right) > 60
    assert changed_pixels(low, high) > 60


@every_instrument
def test_nothing_bows_or_plucks_without_energy(name):
    left, right = (picture(name, motion=Motion(bow=bow)) for bow in (-1.0, 1.0))
    assert np.array_equal(left, right)


@every_instrument
def test_equal_arguments_give_equal_pictures(name):
    assert np.array_equal(picture(name), picture(name))


@every_instrument
def test_tint_and_proportion_change_the_instrument(name):
    plain = picture(name, alone=True)
    assert np.abs(plain - picture(name, Look(0, 1.0, 1.0), alone=True)).sum() > 1000
    assert changed_pixels(plain, picture(name, Look(0, 0.0, 1.1), alone=True)) > 60


@every_instrument
@every_variant
def test_player_and_instrument_fit_their_width(name, variant):
    frame = picture(name, Look(variant), motion=replace(PLAYING, bow=0.0))
    columns = np.flatnonzero((frame != 90).any(axis=(0, 2)))
    assert columns[-1] - columns[0] <= INSTRUMENTS[name].width * 120 + 2


def test_every_person_can_be_drawn_and_looks_different():
    plain = picture("violin")
    options = {
        "skin": players.N_SKINS, "hair": players.N_HAIRS,
        "hair_style": players.N_HAIR_STYLES, "face": players.N_FACES,
    }  # fmt: skip
    for key, n in options.items():
        for value in range(n):
            frame = picture("violin", person={**PERSON, key: value})
            assert value == PERSON[key] or not np.array_equal(frame, plain)


def test_a_taller_person_is_drawn_taller():
    rows = [
        np.flatnonzero((picture("guzheng", person={**PERSON, "height": h}) != 90).any(axis=(1, 2)))
        for h in (0.9, 1.1)
    ]
    assert rows[1][0] < rows[0][0] - 10


def test_the_elbow_never_jumps_between_two_frames():
    shoulder = (players.SHOULDER_X, 0.6)
    turns = np.linspace(0.0, 2 * np.pi, 400)
    hands = [(shoulder[0] + 0.2 * np.cos(t), 0.6 + 0.2 * np.sin(t)) for t in turns]
    elbows = np.array([players.bend(shoulder, hand, 1.0)[0] for hand in hands])
    assert np.linalg.norm(np.diff(elbows, axis=0), axis=1).max() < 0.02


def test_a_bent_arm_keeps_its_bones_equal_and_never_overstretches():
    shoulder = (players.SHOULDER_X, 0.79)
    for hand in ((0.3, 0.7), (0.1, 0.78), (0.9, 0.9)):
        elbow, wrist = players.bend(shoulder, hand, 1.0)
        assert math.dist(shoulder, wrist) <= players.ARM_REACH + 1e-9
        assert math.dist(shoulder, elbow) == pytest.approx(math.dist(elbow, wrist))

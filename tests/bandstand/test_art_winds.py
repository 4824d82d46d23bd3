"""Winds, keyboards, percussion, the stage and the camera of bandstand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from musicavqa.bandstand import art_keys, art_winds
from musicavqa.bandstand.camera import degrade, move_camera
from musicavqa.bandstand.canvas import Canvas, Pen
from musicavqa.bandstand.pose import Hold, Look, Motion
from musicavqa.bandstand.scene import floor_y, player_scale
from musicavqa.bandstand.stage import OCCLUDERS, SCENES, paint_occluder, paint_stage

INSTRUMENTS = {**art_winds.INSTRUMENTS, **art_keys.INSTRUMENTS}
CASES = [(name, variant) for name in INSTRUMENTS for variant in range(4)]
REST = Motion()
PLAYS = Motion(energy=1.0, strike=0.2, side=1, pitch=0.9, breath=0.6, bellows=0.8)
GESTURES = [
    replace(PLAYS, pitch=pitch, side=side, strike=strike, breath=breath)
    for pitch in (0.0, 0.5, 1.0)
    for side in (0, 1)
    for strike in (0.0, 1.0)
    for breath in (-1.0, 1.0)
]
STAGE = {"seed": 5, "light": 1.0, "warmth": 0.0, "occluder": None}
REACH = 0.40


def picture(name: str, look: Look, motion: Motion, mirror: bool = False) -> np.ndarray:
    canvas = Canvas(240, 160)
    canvas.pixels[:] = 128
    # 119.75: the middle between two pixel centres of the oversampled picture.
    pen = Pen(canvas, 119.75, 150, 90, mirror=mirror)
    hold = INSTRUMENTS[name].draw(pen, look, motion)
    if hold.over is not None:
        hold.over(pen)
    return canvas.finish().astype(int)


def held(name: str, look: Look, motion: Motion) -> Hold:
    return INSTRUMENTS[name].draw(Pen(Canvas(240, 160), 120, 150, 90), look, motion)


def painted(stage: dict, place: str) -> np.ndarray:
    canvas = Canvas(320, 240)
    paint_stage(canvas, stage, place)
    return canvas.finish()


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_instrument_draws_the_same_picture_twice(name: str, variant: int) -> None:
    first = picture(name, Look(variant, 0.4), PLAYS)
    assert np.array_equal(first, picture(name, Look(variant, 0.4), PLAYS))
    assert (first != 128).any(-1).sum() > 250  # the thin flute covers 320 pixels


@pytest.mark.parametrize(("name", "variant"), CASES)
@pytest.mark.parametrize("proportion", [0.9, 1.1])
def test_hands_are_within_reach_of_the_shoulders(
    name: str, variant: int, proportion: float
) -> None:
    height = 0.60 if INSTRUMENTS[name].seated else 0.79
    for motion in [REST, *GESTURES]:
        hold = held(name, Look(variant, 0.0, proportion), motion)
        assert math.dist(hold.left, (-0.105, height)) <= REACH
        assert math.dist(hold.right, (0.105, height)) <= REACH


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_instrument_stays_within_its_width_and_above_the_floor(name: str, variant: int) -> None:
    changed = (picture(name, Look(variant), REST) != 128).any(-1)
    columns = np.flatnonzero(changed.any(0))
    assert max(120 - columns[0], columns[-1] - 119) <= 90 * INSTRUMENTS[name].width
    assert np.flatnonzero(changed.any(1))[-1] <= 151


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_mirrored_pen_gives_the_mirrored_picture(name: str) -> None:
    plain, mirrored = picture(name, Look(1), PLAYS), picture(name, Look(1), PLAYS, mirror=True)
    # OpenCV rounds thick lines to one side, so a few border pixels differ.
    error, change = np.abs(plain[:, ::-1] - mirrored).mean(), np.abs(plain - mirrored).mean()
    assert error < 0.02 * change


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_playing_moves_pixels_and_resting_does_not(name: str) -> None:
    rest = picture(name, Look(), REST)
    playing = picture(name, Look(), PLAYS)
    if name != "congas":  # only the bare hands move, which the player draws
        assert (rest != playing).any(-1).sum() > 10
    hands = [held(name, Look(), motion) for motion in (REST, PLAYS)]
    assert (
        math.dist(hands[0].left, hands[1].left) + math.dist(hands[0].right, hands[1].right) > 0.02
    )
    idle = replace(PLAYS, energy=0.0)
    assert np.array_equal(rest, picture(name, Look(), idle))
    assert held(name, Look(), idle).left == held(name, Look(), REST).left


@pytest.mark.parametrize("name", ["drum", "xylophone", "congas", "piano"])
@pytest.mark.parametrize("side", [0, 1])
def test_striking_hand_comes_down(name: str, side: int) -> None:
    up, down = (
        held(name, Look(), replace(PLAYS, side=side, strike=strike)) for strike in (0.0, 1.0)
    )
    hands = [(hold.left, hold.right)[side] for hold in (up, down)]
    assert hands[1][1] < hands[0][1]


@pytest.mark.parametrize("name", INSTRUMENTS)
def test_variants_and_tints_look_different(name: str) -> None:
    pictures = [picture(name, Look(variant), REST) for variant in range(4)]
    pictures.append(picture(name, Look(0, 1.0), REST))
    for i, first in enumerate(pictures):
        assert all((first != second).any() for second in pictures[i + 1 :])


@pytest.mark.parametrize("place", SCENES)
def test_equal_seeds_paint_equal_stages(place: str) -> None:
    assert np.array_equal(painted(STAGE, place), painted(STAGE, place))
    assert not np.array_equal(painted(STAGE, place), painted({**STAGE, "seed": 6}, place))
    assert len(SCENES[place]) >= 3


def test_indoor_differs_from_outdoor_and_unknown_places_are_refused() -> None:
    indoor, outdoor = (painted(STAGE, place).astype(int) for place in ("indoor", "outdoor"))
    assert np.abs(indoor - outdoor).mean() > 10
    with pytest.raises(ValueError, match="underwater"):
        painted(STAGE, "underwater")


def test_light_darkens_and_warmth_reddens_the_stage() -> None:
    plain = painted(STAGE, "outdoor")
    assert painted({**STAGE, "light": 0.7}, "outdoor").mean() < plain.mean()
    warm = painted({**STAGE, "warmth": 0.8}, "outdoor")
    assert warm[..., 2].mean() < plain[..., 2].mean()


@pytest.mark.parametrize("occluder", OCCLUDERS)
@pytest.mark.parametrize("seed", range(5))
def test_occluder_covers_at_most_the_lower_eighth(occluder: str, seed: int) -> None:
    canvas = Canvas(320, 240)
    paint_occluder(canvas, {"seed": seed, "occluder": occluder})
    rows = np.flatnonzero(canvas.finish().any((1, 2)))
    assert len(rows) > 5
    assert rows[0] >= 240 * 0.88 - 1


def test_absent_occluder_paints_nothing_and_an_unknown_one_is_refused() -> None:
    canvas = Canvas(64, 48)
    paint_occluder(canvas, STAGE)
    assert not canvas.pixels.any()
    with pytest.raises(ValueError, match="elephant"):
        paint_occluder(canvas, {"seed": 1, "occluder": "elephant"})


def test_players_in_the_back_are_smaller_and_stand_higher() -> None:
    assert floor_y(0.0) == pytest.approx(0.95)
    assert floor_y(1.0) == pytest.approx(0.78)
    assert player_scale(0.0) == pytest.approx(0.62)
    assert player_scale(1.0) == pytest.approx(0.42)


def test_camera_without_movement_is_the_identity() -> None:
    frame = painted(STAGE, "indoor")
    still = {"seed": 3, "sway": 0.0, "zoom": 0.0, "shake": 0.0}
    assert np.array_equal(move_camera(frame, still, 4.2), frame)


def test_camera_moves_smoothly_and_keeps_shape_and_type() -> None:
    frame = painted(STAGE, "outdoor")
    camera = {"seed": 3, "sway": 0.02, "zoom": 0.1, "shake": 0.002}
    now, next_frame, later = (move_camera(frame, camera, t) for t in (2.0, 2.1, 9.0))
    assert now.shape == frame.shape
    assert now.dtype == np.uint8
    assert np.array_equal(now, move_camera(frame, camera, 2.0))
    step, way = (np.abs(now.astype(int) - other).mean() for other in (next_frame, later))
    assert 0 < step < way


def test_grain_has_the_asked_standard_deviation_and_blur_smooths() -> None:
    grey, rng = np.full((240, 320, 3), 128, np.uint8), np.random.default_rng(0)
    noisy = degrade(grey, {"blur": 0.0, "grain": 6.0}, rng)
    assert noisy.dtype == np.uint8
    assert noisy.std() == pytest.approx(6.0, rel=0.05)
    assert not np.array_equal(noisy, degrade(grey, {"blur": 0.0, "grain": 6.0}, rng))
    assert degrade(noisy, {"blur": 1.5, "grain": 0.0}, rng).std() < 3
    assert np.array_equal(degrade(grey, {"blur": 0.0, "grain": 0.0}, rng), grey)

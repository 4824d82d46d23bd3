"""Single pictures of scenes, and who stands where in them: what an eye can learn from.

A still is a picture of a rendered clip without the clip: no sound, no other pictures, no coding, so
that hundreds are made in the time of one clip. `jittered` makes up for the coding.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from musicavqa.bandstand.camera import degrade, move_camera, view
from musicavqa.bandstand.canvas import Canvas
from musicavqa.bandstand.render import cast
from musicavqa.bandstand.scene import floor_y, player_scale
from musicavqa.bandstand.stage import paint_occluder, paint_stage
from musicavqa.bandstand.truth import MIDDLE
from musicavqa.questions import INSTRUMENTS

Scene = dict[str, Any]
Performer = tuple[int, float, float, float]
"""Instrument, x and y of the middle, height; the last three as shares of the picture."""


def still(scene: Scene, time_s: float) -> np.ndarray:
    """The picture at this time, uint8 (height, width, 3) RGB."""
    video = scene["video"]
    canvas = Canvas(video["width"], video["height"])
    paint_stage(canvas, scene["stage"], scene["place"])
    for member in cast(canvas, scene):
        member.draw(time_s)
    paint_occluder(canvas, scene["stage"])
    picture = move_camera(canvas.finish(), scene["camera"], time_s)
    return degrade(picture, video, np.random.default_rng(scene["seed"] + int(1000 * time_s)))


def performers(scene: Scene, time_s: float) -> list[Performer]:
    """Who is seen where by the camera at this time, in the order of the scene's players."""
    width, height = scene["video"]["width"], scene["video"]["height"]
    shown = view(scene["camera"], (width, height), time_s)
    found = []
    for player in scene["players"]:
        if player["visible"]:
            tall = player_scale(player["depth"]) * player["person"]["height"]
            middle = floor_y(player["depth"]) - MIDDLE * tall
            x, y = shown @ np.array([player["x"] * width, middle * height, 1.0])
            name = INSTRUMENTS.index(player["instrument"])
            found.append((name, float(x / width), float(y / height), float(tall)))
    return found


def jittered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with other colours, another gamma, and as coarsely coded as videos are."""
    if rng.random() < 0.5:
        colours = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV).astype(np.int16)
        colours[..., 0] = (colours[..., 0] + rng.integers(-12, 13)) % 180
        colours[..., 1] = np.clip(colours[..., 1] * rng.uniform(0.5, 1.4), 0, 255)
        picture = cv2.cvtColor(colours.astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.5:
        levels = 255 * (np.arange(256) / 255) ** rng.uniform(0.7, 1.4)
        picture = np.asarray(cv2.LUT(picture, levels.astype(np.uint8)))
    if rng.random() < 0.8:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 80))]
        coded = cv2.imencode(".jpg", picture, quality)[1]
        picture = np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))
    return picture


def letterboxed(
    picture: np.ndarray, seen: list[Performer], size: tuple[int, int]
) -> tuple[np.ndarray, list[Performer]]:
    """The picture in `size` (height, width) with black bars, and where performers are in it.

    Heights of performers stay shares of the picture without bars.
    """
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    high, wide = round(height * scale), round(width * scale)
    top, left = (size[0] - high) // 2, (size[1] - wide) // 2
    whole = np.zeros((*size, 3), np.uint8)
    fitted = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_LINEAR)
    whole[top : top + high, left : left + wide] = fitted
    moved = [
        (name, (x * wide + left) / size[1], (y * high + top) / size[0], tall)
        for name, x, y, tall in seen
    ]
    return whole, moved

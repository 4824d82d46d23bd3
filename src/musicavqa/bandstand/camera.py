"""The camera: a moving view, blur and grain; every effect is smooth or drawn from a seed."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

_MARGIN = 64  # a noise tile is this much larger than the frame, so that it can be moved about
_CLIP_S = 10.0  # `zoom` is reached after this time


def move_camera(frame: np.ndarray, camera: dict, time_s: float) -> np.ndarray:
    """The frame seen by a swaying, zooming, shaking camera; same shape and type.

    `sway` and `shake` are shares of the picture width, `zoom` is the growth over ten seconds
    (negative: away, down to the full frame). All zero gives the frame itself.
    """
    sway, zoom, shake = camera["sway"], camera["zoom"], camera["shake"]
    if not (sway or zoom or shake):
        return frame
    height, width = frame.shape[:2]
    matrix = view(camera, (width, height), time_s)
    return cv2.warpAffine(
        frame, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def view(camera: dict, size: tuple[int, int], time_s: float) -> np.ndarray:
    """Where the camera shows what stands on the stage: (2, 3), in pixels of (width, height)."""
    width, height = size
    sway, zoom, shake = camera["sway"], camera["zoom"], camera["shake"]
    waves = _waves(int(camera["seed"]))
    across, up, turn = (
        sway * _wander(waves[i], time_s, 1.0) + shake * _wander(waves[i + 3], time_s, 7.0)
        for i in range(3)
    )
    matrix = cv2.getRotationMatrix2D(
        (width / 2, height / 2), math.degrees(0.5 * turn), _zoom_at(zoom, time_s)
    )
    matrix[:, 2] += across * width, 0.5 * up * width
    return matrix


def degrade(frame: np.ndarray, video: dict, rng: np.random.Generator) -> np.ndarray:
    """Blur the frame (`video["blur"]`, sigma in pixels) and add grain (`video["grain"]`)."""
    if video["blur"] > 0:
        frame = cv2.GaussianBlur(frame, (0, 0), float(video["blur"]))
    if video["grain"] > 0:
        height, width = frame.shape[:2]
        tile = _noise_tile(height + _MARGIN, width + _MARGIN, float(video["grain"]))
        top, left = rng.integers(_MARGIN, size=2)
        noise = tile[top : top + height, left : left + width]
        frame = cv2.add(frame, noise, dtype=cv2.CV_8U)
    return frame


def _zoom_at(zoom: float, time_s: float) -> float:
    """Magnification, never below 1, so that the border does not show."""
    share = min(1.0, time_s / _CLIP_S)
    return 1 + zoom * share if zoom >= 0 else 1 - zoom * (1 - share)


def _wander(wave: np.ndarray, time_s: float, speed: float) -> float:
    """A smooth path within -1 to 1: three sines; `wave` holds (rate in Hz, phase) rows."""
    angles = 2 * math.pi * (speed * wave[:, 0] * time_s + wave[:, 1])
    return float(np.sin(angles).mean())


@lru_cache(maxsize=64)
def _waves(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rates, phases = rng.uniform(0.06, 0.3, (6, 3)), rng.uniform(0, 1, (6, 3))
    return np.stack([rates, phases], -1)


@lru_cache(maxsize=4)
def _noise_tile(height: int, width: int, grain: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal((height, width, 3), np.float32)
    return np.round(noise * grain).astype(np.int16)

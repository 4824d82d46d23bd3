"""Pictures and sound as the networks of each family want them, without torchvision.

Pictures are resized as whole numbers, which the official processors do too: resized as fractions
they would differ by up to 0.3 of a standard deviation. Then two of them at a time are cut into
patches, four neighbours behind each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Looking:
    """How pictures become patches."""

    patch: int = 14
    merge: int = 2
    pair: int = 2
    """Pictures in a patch."""
    least_pixels: int = 128 * 28 * 28
    most_pixels: int = 768 * 28 * 28
    mean: tuple[float, ...] = CLIP_MEAN
    std: tuple[float, ...] = CLIP_STD


def fitted(height: int, width: int, looking: Looking) -> tuple[int, int]:
    """(height, width) that patches fill, of about the same shape, with pixels within the bounds.

    ValueError for a shape of more than 200 to 1.
    """
    unit = looking.patch * looking.merge
    if max(height, width) > 200 * min(height, width):
        raise ValueError(f"A picture of {width} x {height} is too narrow to be looked at.")
    tall, wide = (max(unit, round(side / unit) * unit) for side in (height, width))
    if tall * wide > looking.most_pixels:
        shrink = math.sqrt(height * width / looking.most_pixels)
        tall, wide = (max(unit, int(s / shrink // unit) * unit) for s in (height, width))
    elif tall * wide < looking.least_pixels:
        grow = math.sqrt(looking.least_pixels / (height * width))
        tall, wide = (math.ceil(s * grow / unit) * unit for s in (height, width))
    return tall, wide


def patches(pictures: np.ndarray, looking: Looking) -> tuple[torch.Tensor, tuple[int, int, int]]:
    """uint8 (n, H, W, 3) as (patches, values) and the grid (pairs, rows, columns) of patches.

    Where the number of pictures is odd, the last is taken twice.
    """
    import torch
    from torch.nn.functional import interpolate

    stack = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)  # (n, 3, H, W)
    size = fitted(stack.shape[2], stack.shape[3], looking)
    if tuple(stack.shape[2:]) != size:
        stack = interpolate(stack, size, mode="bicubic", antialias=True)
    values = stack.to(torch.float32) / 255
    mean, std = (torch.tensor(v)[:, None, None] for v in (looking.mean, looking.std))
    values = (values - mean) / std
    if missing := -len(values) % looking.pair:
        values = torch.cat([values, values[-1:].expand(missing, -1, -1, -1)])
    side, merge = looking.patch, looking.merge
    grid = (len(values) // looking.pair, size[0] // side, size[1] // side)
    blocks = values.reshape(
        grid[0], looking.pair, 3, grid[1] // merge, merge, side, grid[2] // merge, merge, side
    )
    ordered = blocks.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return ordered.reshape(math.prod(grid), -1), grid


def tokens_25(frames: int) -> int:
    """Tokens of so many frames of 10 ms in encoders that halve them twice: 25 a second."""
    return ((frames - 1) // 2 + 1 - 2) // 2 + 1


def tokens_13(frames: int, window: int = 50) -> int:
    """Tokens of encoders that halve blocks of 2 x `window` frames three times: 13 a second."""
    whole, rest = divmod(frames, 2 * window)
    for _ in range(3):
        rest = (rest - 1) // 2 + 1
    return 13 * whole + rest


def in_chunks(picture_times: np.ndarray, n_sound: int, per_chunk: int) -> list[tuple[str, int]]:
    """Runs of ('picture' or 'sound', length): chunks of both in turn.

    `picture_times` (P,) is the position of each token of the pictures; those of sound are counted.
    A chunk ends where its next position is reached, one chunk for each such place, as these models
    count: pictures that lie further apart than a chunk take one chunk each.
    """
    seen = _lengths(picture_times, per_chunk)
    heard = _lengths(np.arange(n_sound), per_chunk)
    runs = []
    for chunk in range(max(len(seen), len(heard))):
        runs += [("picture", n) for n in seen[chunk : chunk + 1]]
        runs += [("sound", n) for n in heard[chunk : chunk + 1]]
    return [(sense, length) for sense, length in runs if length]


def _lengths(times: np.ndarray, per_chunk: int) -> list[int]:
    bounds = [0]
    for place, time in enumerate(times):
        if time >= len(bounds) * per_chunk:
            bounds.append(place)
    return np.diff([*bounds, len(times)]).tolist()


def in_time(picture_times: np.ndarray, n_sound: int) -> list[tuple[str, int]]:
    """Runs of ('picture' or 'sound', length), by time; a picture before the sound of its moment."""
    order = [("picture", float(at), 0) for at in picture_times]
    order += [("sound", float(at), 1) for at in range(n_sound)]
    runs: list[tuple[str, int]] = []
    for sense, _, _ in sorted(order, key=lambda item: item[1:]):
        last = runs[-1] if runs else ("", 0)
        if last[0] == sense:
            runs[-1] = (sense, last[1] + 1)
        else:
            runs.append((sense, 1))
    return runs

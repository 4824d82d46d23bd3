"""Movement of performers: what moves is seen, what only the camera does is not."""

import numpy as np
import pytest

from musicavqa.features.encoders.visual_movement import COLUMNS, ROWS, SPEC, WANTED, load
from musicavqa.media import Media

HEIGHT, WIDTH = WANTED.size


def texture(seed=0, height=HEIGHT + 80, width=WIDTH + 80):
    """Smooth spots of many sizes, larger than the picture."""
    rng = np.random.default_rng(seed)
    picture = np.zeros((height, width))
    for size in (8, 20, 50):
        coarse = rng.random((height // size + 2, width // size + 2))
        y, x = np.arange(height) / size, np.arange(width) / size
        rows, columns = y.astype(int), x.astype(int)
        down, right = (y - rows)[:, None], (x - columns)[None]
        corner = [coarse[rows + i][:, columns + j] for i in (0, 1) for j in (0, 1)]
        top = corner[0] * (1 - right) + corner[1] * right
        picture += top * (1 - down) + (corner[2] * (1 - right) + corner[3] * right) * down
    return 255 * picture / picture.max()


def seen_through(picture, right=0.0, down=0.0, zoom=1.0):
    """The middle of the picture through a camera that has moved, as uint8 (240, 320)."""
    height, width = picture.shape
    y = height / 2 + down + (np.arange(HEIGHT) - HEIGHT / 2) * zoom
    x = width / 2 + right + (np.arange(WIDTH) - WIDTH / 2) * zoom
    rows, columns = y.astype(int), x.astype(int)
    low, near = (y - rows)[:, None], (x - columns)[None]
    upper = picture[rows][:, columns] * (1 - near) + picture[rows][:, columns + 1] * near
    lower = picture[rows + 1][:, columns] * (1 - near) + picture[rows + 1][:, columns + 1] * near
    return np.round(upper * (1 - low) + lower * low).astype(np.uint8)


def encoded(pictures):
    """(n, 24, 32) of n pictures, ten a second."""
    kept = np.stack(pictures)
    rows = load().encode(Media({WANTED: kept}, len(kept) / 10, True, False))
    assert rows.shape[1:] == SPEC.shape
    return rows.reshape(-1, ROWS, COLUMNS).astype(np.float32)


def plain_change(pictures):
    """Mean difference of pictures as they are."""
    kept = np.stack(pictures).astype(float)
    return np.abs(np.diff(kept, axis=0)).mean()


@pytest.mark.parametrize(
    "moved",
    [{"right": 1.5}, {"down": 1.0}, {"zoom": 0.004}, {"right": -1.0, "down": 0.5, "zoom": -0.003}],
)
def test_a_camera_that_shifts_and_zooms_moves_nobody(moved):
    picture = texture()
    pictures = [
        seen_through(
            picture,
            right=i * moved.get("right", 0),
            down=i * moved.get("down", 0),
            zoom=1 + i * moved.get("zoom", 0),
        )
        for i in range(10)
    ]
    inside = encoded(pictures)[:, 2:-2, 2:-2]
    assert plain_change(pictures) > 1.0
    assert np.abs(inside).mean() < 0.25 * plain_change(pictures)


@pytest.mark.parametrize("right", [0.0, 1.0])
def test_a_patch_that_moves_is_seen_where_it_is_also_through_a_moving_camera(right):
    picture, patch = texture(), texture(1, 60, 60)
    pictures = []
    for i in range(10):
        frame = picture.copy()
        left = 220 + 6 * (i % 2)  # to and fro
        frame[140:200, left : left + 60] = patch
        pictures.append(seen_through(frame, right=i * right))
    found = encoded(pictures)[1:].mean(0)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert 10 <= row * 10 + 5 - 100 + 10 <= 80  # rows 100 to 160 of the picture
    assert 170 <= column * 10 + 5 <= 260
    away = found[2:-2, 2:12]
    assert found.max() > 5 * max(np.abs(away).mean(), 0.2)


def test_pictures_that_stand_still_have_no_movement_and_none_has_zeros():
    assert np.abs(encoded([seen_through(texture())] * 10)).max() < 1e-3
    rows = load().encode(Media({WANTED: None}, 2.0, False, True))
    assert rows.shape == (2, *SPEC.shape)
    assert not rows.any()


def test_pictures_that_are_held_move_nobody_and_change_nothing_else():
    picture = texture()
    shown = [seen_through(picture, right=shift) for shift in (0.0, 3.0, 0.0)]
    held = encoded([shown[0], shown[0], shown[1], shown[1], shown[1], shown[2]])
    assert not held[[0, 1, 3, 4]].any()
    alone = encoded(shown)
    assert held[[2, 5]] == pytest.approx(alone[[1, 2]], abs=1e-3)

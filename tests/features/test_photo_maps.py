"""Photo maps: shares of groups around cells, within the picture and not in its bars."""

import numpy as np
import pytest
import torch

from musicavqa.features.encoders import visual_keyframes
from musicavqa.features.encoders.photo_maps import photo_maps, picture_area
from musicavqa.features.encoders.visual_effnet import Lite0
from musicavqa.rules.photographs import FLOOR, GROUPS, SOURCES

CELL, SIZE = 32, (160, 192)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Lite0().eval()


def barred(top, left):
    picture = np.zeros((*SIZE, 3), np.uint8)
    inner = picture[top : SIZE[0] - top, left : SIZE[1] - left]
    inner[:] = np.random.default_rng(0).integers(0, 256, inner.shape)
    return picture


@pytest.mark.parametrize(
    ("top", "left", "area"),
    [
        (0, 0, (slice(0, 5), slice(0, 6))),
        (32, 0, (slice(1, 4), slice(0, 6))),
        (0, 60, (slice(0, 5), slice(2, 4))),
        (10, 10, (slice(0, 5), slice(0, 6))),
        (78, 0, (slice(2, 3), slice(0, 6))),
    ],
)
def test_bars_are_no_picture(top, left, area):
    assert picture_area(barred(top, left), CELL) == area


def test_a_black_picture_is_all_picture():
    assert picture_area(np.zeros((*SIZE, 3), np.uint8), CELL) == (slice(0, 5), slice(0, 6))


def test_maps_have_shares_inside_and_none_in_the_bars(network):
    last = torch.randn(1, 320, 5, 6)
    maps = photo_maps(network, last, barred(32, 0))
    assert maps.shape == (1, len(GROUPS), 5, 6)
    assert (maps[:, :-1, [0, 4]] == FLOOR).all()
    assert (maps[:, :-1, 1:4] > FLOOR).all()
    assert maps[:, : len(SOURCES)].exp().sum(1).max() <= 1
    assert (maps[:, -1, 1:4] > 0.1).all()
    assert (maps[:, -1, [0, 4]] == 0).all()


def test_windows_do_not_look_into_the_bars(network):
    last = torch.randn(1, 320, 5, 6)
    other = last.clone()
    other[:, :, [0, 4]] = 5.0
    picture = barred(32, 0)
    first, second = (photo_maps(network, maps, picture) for maps in (last, other))
    np.testing.assert_array_equal(first, second)


def test_a_grey_picture_has_no_contrast(network):
    grey = np.full((*SIZE, 3), 128, np.uint8)
    assert photo_maps(network, torch.zeros(1, 320, 5, 6), grey)[:, -1].max() == 0


def test_the_classifier_is_read_by_its_own_classes(network):
    with torch.no_grad():
        network.classifier.bias[402] = 50  # acoustic guitar
        shares = photo_maps(network, torch.zeros(1, 320, 5, 6), barred(0, 0)).exp()
        network.classifier.bias[402] = 0
    assert shares[:, GROUPS.index("acoustic guitar")].min() > 0.99


def test_key_frames_end_with_the_photo_map_of_their_picture():
    frames = visual_keyframes.load()
    picture = np.zeros((352, 448, 3), np.uint8)
    picture[64:288] = np.random.default_rng(0).integers(0, 256, (224, 448, 3))
    (row,) = frames.row(picture)
    assert row.shape == visual_keyframes.SPEC.shape
    maps = torch.from_numpy(row[None, -len(GROUPS) :]).float()
    last = torch.from_numpy(row[None, :320])
    expected = photo_maps(frames.network, last, picture)
    np.testing.assert_allclose(maps, expected, atol=0.05, rtol=0.01)
    assert (maps[:, -1, :2] == 0).all()
    assert (maps[:, -1, 2:9] > 0.1).all()

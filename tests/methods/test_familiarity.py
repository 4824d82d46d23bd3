"""Strangeness: what lies where nothing was learned from is told apart; the rest is not."""

import numpy as np
import pytest

from musicavqa.methods.layers.familiarity import learn, picture_rows

RNG = np.random.default_rng(0)
DIRECTIONS = RNG.normal(size=(3, 20))


def usual_rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ DIRECTIONS + 0.1 * rng.normal(size=(n, 20))


def test_new_rows_of_the_same_kind_are_familiar_and_others_are_not():
    known = learn(usual_rows(300, 1), 3, usual=0.5)
    assert abs(np.median(known.strangeness(usual_rows(50, 2)))) < 0.3
    assert known.share(usual_rows(9, 3)) > 0.95
    beside = usual_rows(9, 4) + RNG.normal(size=20)
    assert known.share(beside) < 0.05


def test_one_strange_row_does_not_make_a_strange_clip():
    rows = usual_rows(9, 5)
    rows[4] += 10
    assert learn(usual_rows(300, 1), 3, usual=0.5).share(rows) > 0.9


def test_too_few_rows_are_named():
    with pytest.raises(ValueError, match="3 rows are too few for 3 directions"):
        learn(usual_rows(3, 1), 3, usual=0.5)


def test_rows_of_pictures_know_nothing_of_their_bars():
    maps = RNG.normal(size=(2, 4, 6, 5))
    inside = np.zeros((6, 5), bool)
    inside[1:5] = True
    barred = maps.copy()
    barred[:, :, ~inside] = 99
    rows = picture_rows(maps, inside)
    assert rows.shape == (2, 8)
    np.testing.assert_array_equal(rows, picture_rows(barred, inside))

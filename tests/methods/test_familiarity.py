"""Strangeness: what lies where nothing was learned from is told apart; the rest is not."""

import math

import numpy as np
import pytest
import torch

from musicavqa.methods.layers import familiarity
from musicavqa.methods.layers.familiarity import Familiarity

RNG = np.random.default_rng(0)
DIRECTIONS = RNG.normal(size=(3, 20))


def usual_rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ DIRECTIONS + 0.1 * rng.normal(size=(n, 20))


def learned(rows):
    known = Familiarity(20, 3, steepness=12.0)
    known.learn(torch.from_numpy(rows), 0.5)
    return known


def test_new_rows_of_the_same_kind_are_familiar_and_others_are_not():
    known = learned(usual_rows(300, 1))
    assert abs(float(known.strangeness(torch.from_numpy(usual_rows(50, 2))).median())) < 0.3
    assert known.odds(torch.from_numpy(usual_rows(9, 3))) > 3
    beside = usual_rows(9, 4) + RNG.normal(size=20)
    assert known.odds(torch.from_numpy(beside)) < -3


def test_one_strange_row_does_not_make_a_strange_clip():
    rows = usual_rows(9, 5)
    rows[4] += 10
    assert learned(usual_rows(300, 1)).odds(torch.from_numpy(rows)) > 2


def test_everything_is_familiar_before_anything_is_learned():
    assert Familiarity(20, 3, steepness=12.0).odds(torch.full((1, 20), 99.0)) == math.inf


def test_hours_of_rows_are_compared_block_by_block_as_if_at_once(monkeypatch):
    known, rows = learned(usual_rows(300, 1)), torch.from_numpy(usual_rows(50, 2))
    whole = known.strangeness(rows)
    monkeypatch.setattr(familiarity, "BLOCK", 7)
    assert torch.allclose(known.strangeness(rows), whole, rtol=0, atol=1e-12)


def test_too_few_rows_are_named():
    with pytest.raises(ValueError, match="3 rows are too few for 3 directions"):
        learned(usual_rows(3, 1))

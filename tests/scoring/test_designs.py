"""Methods grouped by the survey's design marks."""

import numpy as np
import pytest

from musicavqa.methods.registry import list_methods, load_method
from musicavqa.metrics.bootstrap import paired_difference
from musicavqa.scoring.designs import MARKS, by_design, marks_of

CLIPS = np.repeat(np.arange(20), 3)
RNG = np.random.default_rng(0)
CORRECT = {name: (RNG.random(60) < 0.5).astype(float) for name in ("a", "b", "c", "other")}


def marks(**chosen):
    return {name: mark in chosen.get("having", ()) for name, mark in zip(MARKS, MARKS, strict=True)}


def test_those_with_a_mark_are_compared_with_those_without():
    given = {
        "a": marks(having=("spatial_temporal",)),
        "b": marks(having=("spatial_temporal", "music_specific")),
        "c": marks(),
        "other": None,
    }
    found = {design.mark: design for design in by_design(CORRECT, given, CLIPS)}
    design = found["spatial_temporal"]
    assert (design.marked, design.others) == (("a", "b"), ("c",))
    both = (CORRECT["a"] + CORRECT["b"]) / 2
    assert design.accuracies == pytest.approx((100 * both.mean(), 100 * CORRECT["c"].mean()))
    assert design.difference == paired_difference(both, CORRECT["c"], CLIPS)
    assert found["music_specific"].marked == ("b",)
    assert found["specialised_input"].marked == ()
    assert found["specialised_input"].difference is None


def test_marks_are_those_of_the_card():
    card = load_method("amuse").card
    assert marks_of("amuse") == {mark: getattr(card, mark) for mark in MARKS}
    assert marks_of("amuse")["music_specific"]
    assert marks_of("my_method.py") is None
    assert marks_of(None) is None
    assert all(set(marks_of(name)) == set(MARKS) for name in list_methods())

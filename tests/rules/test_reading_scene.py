"""The bench that holds readings against truth: exact ones score full marks, spoiled ones less."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_readings import exact_reading
from musicavqa.bandstand.scene import sample_scene

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import reading_scene

SCENES = [sample_scene("val", index) for index in range(12)]
ERRORS = {"place, median error (widths)", "entry, median error (s)"}


def values(readings):
    pieces = [
        reading_scene.measured(reading, scene)
        for reading, scene in zip(readings, SCENES, strict=True)
    ]
    return {row.fact: row for row in reading_scene.table(pieces, resamples=3)}


@pytest.fixture(scope="module")
def exact():
    return [exact_reading(scene) for scene in SCENES]


@pytest.fixture(scope="module")
def best(exact):
    return values(exact)


def test_exact_readings_have_full_marks(best):
    for fact, row in best.items():
        if fact.startswith(("activity per tick", "ticks of", "dubbed")):
            assert row.value > 0.95  # truth counts a tick that is half played
        elif fact in ERRORS:
            assert row.value <= 0.1  # a tick
        elif row.n:
            assert row.value == pytest.approx(1), fact


@pytest.mark.parametrize(
    ("spoil", "fact"),
    [
        (lambda r: replace(r, activity=0 * r.activity), "entry within 0.5 s"),
        (lambda r: replace(r, heard=1 - r.heard), "exact set of heard instruments"),
        (lambda r: replace(r, seen=()), "performers, AP"),
        (lambda r: replace(r, seen=r.seen[1:]), "number of performers right"),
        (lambda r: replace(r, level_db=-r.level_db), "louder of two, 3.9 dB apart or more"),
        (lambda r: replace(r, onset_rate=-r.onset_rate), "faster of two, 1.4 times or more"),
        (lambda r: replace(r, voiceover=1 - r.voiceover), "voice-over"),
        (lambda r: replace(r, outdoor=1 - r.outdoor), "outdoors"),
        (
            lambda r: replace(r, seen=tuple(replace(s, times=1 - s.times) for s in r.seen)),
            "ticks of a performer who sounds, AUC",
        ),
        (
            lambda r: replace(r, seen=tuple(replace(s, in_step=-s.in_step) for s in r.seen)),
            "who plays or pretends, of those who move, AUC",
        ),
        (
            lambda r: replace(r, seen=tuple(replace(s, moves=1 - s.moves) for s in r.seen)),
            "moves or stands still, AUC",
        ),
        (
            lambda r: replace(r, seen=tuple(replace(s, sounds=1 - s.sounds) for s in r.seen)),
            "which of two equal instruments sounds",
        ),
    ],
)
def test_a_spoiled_fact_is_seen_in_its_measure(exact, best, spoil, fact):
    spoiled = values([spoil(reading) for reading in exact])
    if not best[fact].n:
        pytest.skip("these scenes have no such pair")
    assert spoiled[fact].value < 0.5 * best[fact].value


def test_average_precision_takes_ties_together_and_counts_what_was_never_said():
    said, true = np.array([0.9, 0.8, 0.8, 0.1]), np.array([1, 1, 0, 0])
    assert reading_scene.average_precision(said, true) == pytest.approx((1 + 2 / 3) / 2)
    assert reading_scene.average_precision(said, true, n_true=4) == pytest.approx((1 + 2 / 3) / 4)


def test_the_area_counts_ties_half():
    assert reading_scene.auc(np.array([0.5, 0.5]), np.array([1, 0])) == 0.5
    assert reading_scene.auc(np.array([0.9, 0.1]), np.array([1, 0])) == 1.0
    assert np.isnan(reading_scene.auc(np.array([0.9]), np.array([1])))

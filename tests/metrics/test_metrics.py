"""Scores against small hand counts, intervals against theory, calibration against a known truth."""

import numpy as np
import pytest

from musicavqa.metrics.accuracy import KeyMismatchError, group_members, score
from musicavqa.metrics.bootstrap import clustered_interval, paired_difference
from musicavqa.metrics.calibration import (
    expected_calibration_error,
    fit_temperature,
    probabilities,
)
from musicavqa.questions import CELLS
from musicavqa.records import Prediction, Question


def question(number, cell, answer="yes"):
    return Question(f"s/t/{number}", f"clip-{number // 2}", "", 1, (), cell, answer)


ASKED = [
    question(0, "A-Counting"),
    question(1, "A-Counting"),
    question(2, "V-Location"),
    question(3, "AV-Temporal"),
    question(4, "AV-Temporal"),
]
GIVEN = [
    Prediction("s/t/4", None, "no media"),
    Prediction("s/t/0", "yes"),
    Prediction("s/t/1", "no"),
    Prediction("s/t/2", None, "unreadable"),
    Prediction("s/t/3", "yes"),
]


def test_every_question_is_counted_by_hand():
    report = score(ASKED, GIVEN)
    counts = {name: (c.asked, c.answered, c.correct) for name, c in report.groups.items()}
    assert counts["A-Counting"] == counts["A"] == (2, 2, 1)
    assert counts["V"] == (1, 0, 0)
    assert counts["AV"] == counts["AV-Temporal"] == (2, 1, 1)
    assert counts["overall"] == (5, 3, 2)
    assert (report["overall"].unreadable, report["overall"].no_media) == (1, 1)
    assert report["overall"].accuracy == 40.0
    assert report.as_dict()["V-Counting"]["accuracy"] is None


def test_a_v_and_av_do_not_swallow_each_other():
    members = group_members(CELLS)
    assert [int(members[name].sum()) for name in ("A", "V", "AV", "overall")] == [2, 2, 5, 9]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (GIVEN[1:], "1 predictions missing"),
        ([*GIVEN, GIVEN[1]], "1 keys predicted more than once"),
        ([*GIVEN, Prediction("s/t/9", "no")], "1 predictions for unknown keys"),
    ],
)
def test_missing_double_and_unknown_keys_raise_with_counts(given, text):
    with pytest.raises(KeyMismatchError, match=text):
        score(ASKED, given)


def test_an_unknown_answer_cannot_be_scored():
    with pytest.raises(ValueError, match="1 questions have no answer"):
        score([question(0, "A-Counting", None)], GIVEN[1:2])


def test_clips_of_one_question_give_the_binomial_interval():
    correct = np.arange(400) < 280
    interval = clustered_interval(correct, np.arange(400), resamples=4000)
    half = 100 * 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert interval.mean == pytest.approx(70.0)
    assert interval.low == pytest.approx(70 - half, abs=0.6)
    assert interval.high == pytest.approx(70 + half, abs=0.6)


def test_equal_answers_within_a_clip_widen_the_interval():
    correct = np.repeat(np.arange(40) < 28, 10)
    clustered = clustered_interval(correct, np.repeat(np.arange(40), 10))
    naive = clustered_interval(correct, np.arange(400))
    ratio = (clustered.high - clustered.low) / (naive.high - naive.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.15)
    assert (clustered.n_clips, clustered.n_rows) == (40, 400)


def test_a_pair_is_compared_on_the_same_clips():
    rng = np.random.default_rng(0)
    clips = np.repeat(np.arange(100), 5)
    first = rng.random(500) < 0.6
    second = first.copy()
    second[np.flatnonzero(first)[:60]] = False
    better = paired_difference(first, second, clips)
    assert better.mean == pytest.approx(12.0)
    assert better.low > 0
    assert better.p_value < 0.01
    same = paired_difference(first, first, clips)
    assert (same.mean, same.p_value) == (0.0, 1.0)


def test_equal_seeds_give_equal_intervals():
    correct, clips = np.arange(50) % 3 == 0, np.arange(50) // 2
    assert clustered_interval(correct, clips, seed=5) == clustered_interval(correct, clips, seed=5)


def test_the_temperature_that_made_the_answers_is_found():
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((20000, 5)) * 2
    answers = (probabilities(truth).cumsum(1) > rng.random((20000, 1))).argmax(1)
    assert fit_temperature(truth * 3.0, answers) == pytest.approx(3.0, rel=0.05)


def test_calibration_error_by_hand():
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5])
    correct = np.array([1, 1, 1, 0, 1, 0], dtype=bool)
    assert expected_calibration_error(confidence, correct) == pytest.approx(10.0)
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([False, True])) == 0.0

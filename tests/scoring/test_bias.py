"""Confidence, rare answers, wordings: counted by hand, and bounds that always hold."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicavqa.metrics.calibration import (
    adaptive_bins,
    brier_score,
    equal_bins,
    expected_calibration_error,
)
from musicavqa.metrics.consistency import (
    answer_recall,
    balanced_accuracy,
    flips,
    rephrase_consistency,
)
from musicavqa.metrics.priors import fit
from musicavqa.metrics.selective import risk_coverage
from musicavqa.records import Prediction, Question
from musicavqa.scoring.bias import bias_report

graded = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


@given(rows=graded)
@settings(deadline=None)
def test_calibration_errors_lie_between_the_overall_gap_and_100(rows):
    confidence, correct = map(np.array, zip(*rows, strict=True))
    overall = 100 * abs(confidence.mean() - correct.mean())
    for bins in (equal_bins(confidence, correct), adaptive_bins(confidence, correct)):
        assert overall - 1e-6 <= bins.error <= 100
        assert bins.n_rows.sum() == len(rows)
    assert 0 <= brier_score(confidence, correct) <= 1
    assert expected_calibration_error(confidence, correct, n_bins=1) == pytest.approx(overall)


def test_adaptive_bins_hold_equally_many_rows():
    confidence = np.linspace(0.9, 0.99, 150)
    assert (adaptive_bins(confidence, confidence > 0.92).n_rows == 10).all()
    assert len(adaptive_bins(np.full(30, 0.5), np.ones(30)).n_rows) == 1


def test_brier_by_hand():
    assert brier_score([0.8, 0.4], [True, False]) == pytest.approx((0.04 + 0.16) / 2)


@given(rows=graded)
@settings(deadline=None)
def test_risk_ends_at_the_error_rate_and_no_order_beats_the_best(rows):
    confidence, correct = map(np.array, zip(*rows, strict=True))
    curve = risk_coverage(confidence, correct)
    assert curve.coverage[-1] == 100
    assert curve.risk[-1] == pytest.approx(100 * (1 - correct.mean()))
    assert (np.diff(curve.coverage) > 0).all()
    assert curve.best_area - 1e-9 <= curve.area <= 100
    assert curve.coverage_at(100) == 100


def test_risk_and_coverage_by_hand():
    curve = risk_coverage([0.9, 0.8, 0.8, 0.1], [True, True, False, False])
    assert curve.coverage.tolist() == [25, 75, 100]
    assert curve.risk == pytest.approx([0, 100 / 3, 50])
    assert curve.area == pytest.approx((0 + 100 / 3 * 2 + 50) / 4)
    assert curve.best_area == pytest.approx((0 + 0 + 100 / 3 + 50) / 4)
    assert (curve.coverage_at(10), curve.coverage_at(40)) == (25, 75)
    assert risk_coverage([0.9, 0.8], [False, True]).coverage_at(10) == 0


def test_a_rare_answer_counts_as_much_as_a_frequent_one():
    recall = answer_recall(["yes"] * 8 + ["tuba"] * 2, [1] * 8 + [0, 1])
    assert list(recall) == ["yes", "tuba"]
    assert (recall["tuba"].asked, recall["tuba"].percent) == (2, 50)
    assert balanced_accuracy(recall) == 75


def test_wordings_are_judged_by_their_worst():
    groups = ["a", "a", "b", "b", "b", "c", "d", "d"]
    given_ = ["yes", "yes", "no", "no", "yes", "no", None, None]
    found = rephrase_consistency(groups, given_, [1, 1, 1, 1, 0, 1, 0, 0])
    assert (found.n_groups, found.n_rows) == (3, 7)
    assert found.same_answer == pytest.approx(100 / 3)  # two missing answers are not the same
    assert found.all_right == pytest.approx(100 / 3)
    assert found.any_right == pytest.approx(200 / 3)
    assert found.mean_right == pytest.approx(100 * (1 + 2 / 3) / 3)
    assert rephrase_consistency(["a", "b"], ["yes", "no"], [1, 0]) is None


def test_flips_are_counted_right_or_wrong():
    assert flips(["yes", None, "no"], ["no", None, "no"]).tolist() == [True, False, False]


def question(number, template, answer, part=None, rephrases=None):
    key, clip = f"s/t/{number}", f"clip-{number // 2}"
    return Question(key, clip, "", template, (), "A-Counting", answer, "real", part, rephrases)


ASKED = [
    question(0, 1, "yes", "head"),
    question(1, 1, "yes", "head"),
    question(2, 1, "no", "tail"),
    question(3, 2, "two", "head", "s/t/2"),
]
GIVEN = [
    Prediction("s/t/0", "yes", confidence=0.9),
    Prediction("s/t/1", "yes", confidence=0.8),
    Prediction("s/t/2", "yes", confidence=0.6),
    Prediction("s/t/3", None, "unreadable"),
]


def test_the_report_of_a_file_by_hand():
    report = bias_report(
        ASKED, GIVEN[::-1], [p.answer for p in fit("template", ASKED)(ASKED)], GIVEN
    )
    assert (report.counts.asked, report.counts.unreadable) == (4, 1)
    assert (report.head.mean, report.tail.mean) == (pytest.approx(200 / 3), 0)
    assert report.head_minus_tail.mean == pytest.approx(200 / 3)
    assert report.prior_gap.mean == -25  # the prior also gets 'two' right
    assert report.question_only_gap.mean == 0
    assert report.balanced_accuracy == pytest.approx(100 / 3)
    assert (report.consistency.n_groups, report.consistency.same_answer) == (1, 0)
    assert report.confidence.curve.risk[-1] == 50  # the unreadable one is asked, and last
    assert report.as_dict()["recall"]["no"] == {"asked": 1, "correct": 0}


def test_what_the_questions_do_not_say_is_none_and_not_zero():
    plain = [dataclasses.replace(q, part=None, rephrases=None) for q in ASKED]
    silent = [dataclasses.replace(p, confidence=None) for p in GIVEN]
    report = bias_report(plain, silent)
    absent = ("head", "tail", "head_minus_tail", "prior_gap", "question_only_gap")
    assert all(getattr(report, name) is None for name in (*absent, "consistency", "confidence"))

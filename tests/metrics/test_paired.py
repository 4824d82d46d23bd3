"""Pairs of systems: exact McNemar, Holm, what a test set can detect, several seeds."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from musicavqa.metrics.paired import holm, mcnemar
from musicavqa.metrics.power import minimal_detectable_difference
from musicavqa.metrics.seeds import seed_report, seeds_difference

answers = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=300)


@given(rows=answers)
@settings(deadline=None)
def test_mcnemar_is_scipys_binomial_test_and_the_same_both_ways(rows):
    first, second = np.array(rows).T
    found, back = mcnemar(first, second), mcnemar(second, first)
    n = found.only_first + found.only_second
    expected = stats.binomtest(found.only_first, n).pvalue if n else 1.0
    assert found.p_value == pytest.approx(expected)
    assert found.p_value == back.p_value
    assert (found.only_first, found.only_second) == (back.only_second, back.only_first)


def test_mcnemar_stays_exact_for_many_rows():
    first = np.arange(211_572) < 30_500
    second = np.arange(211_572) >= 181_572
    expected = stats.binomtest(30_500, 60_500).pvalue
    assert mcnemar(first, second).p_value == pytest.approx(expected, rel=1e-6)


@given(p_values=st.lists(st.floats(0, 1), max_size=12))
@settings(deadline=None)
def test_holm_keeps_the_order_and_never_makes_a_p_value_smaller(p_values):
    adjusted = holm(p_values)
    assert all(a >= p and a <= 1 for a, p in zip(adjusted, p_values, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
    if len(p_values):
        smallest = min(p_values)
        assert adjusted[order[0]] == pytest.approx(min(1, smallest * len(p_values)))


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, None])


@pytest.mark.parametrize(("n", "discordance"), [(9185, 0.2), (1000, 0.3), (200, 0.5)])
def test_the_detectable_difference_is_found_with_the_power_it_names(n, discordance):
    points = minimal_detectable_difference(n, discordance)
    rng = np.random.default_rng(0)
    better = (discordance + points / 100) / 2
    table = rng.multinomial(n, [better, discordance - better, 1 - discordance], 4000)
    n_discordant = table[:, 0] + table[:, 1]
    scores = (table[:, 0] - table[:, 1]) / np.sqrt(n_discordant)
    assert (np.abs(scores) > 1.96).mean() == pytest.approx(0.8, abs=0.02)


def test_wordings_of_one_clip_add_less_than_new_clips():
    alone = minimal_detectable_difference(9000, 0.2)
    clustered = minimal_detectable_difference(9000, 0.2, design_effect=4.0)
    assert clustered == pytest.approx(2 * alone, rel=0.02)


def test_a_set_too_small_for_any_difference_says_so():
    assert math.isnan(minimal_detectable_difference(20, 0.1))
    assert math.isnan(minimal_detectable_difference(1, 0.5))
    assert math.isnan(minimal_detectable_difference(100, 0.0))
    with pytest.raises(ValueError, match="discordance from 0 to 1"):
        minimal_detectable_difference(100, 20.0)


def tables(n_seeds, n_clips, deviation, seed=0):
    rng = np.random.default_rng(seed)
    chance = 0.7 + deviation * rng.standard_normal((n_seeds, 1))
    return rng.random((n_seeds, n_clips)) < chance, np.arange(n_clips)


def test_the_deviation_of_seeds_is_recovered():
    found = [seed_report(*tables(5, 3000, 0.04, seed)).seed_deviation for seed in range(40)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(4.0, rel=0.15)


def test_equal_seeds_leave_the_interval_to_the_clips():
    one, clips = tables(1, 400, 0.0)
    report = seed_report(np.repeat(one, 3, axis=0), clips)
    assert (report.spread, report.seed_deviation) == pytest.approx((0, 0), abs=1e-9)
    p = one.mean()
    half = 100 * stats.t.ppf(0.975, 399) * np.sqrt(p * (1 - p) / 399)
    assert report.mean.high - report.mean.low == pytest.approx(2 * half, rel=0.01)


def test_one_seed_each_is_the_clustered_t_test():
    rng = np.random.default_rng(1)
    first, second = rng.random(300) < 0.75, rng.random(300) < 0.65
    found = seeds_difference(first, second, np.arange(300))
    assert found.p_value == pytest.approx(
        stats.ttest_rel(first + 0.0, second + 0.0).pvalue, rel=1e-3
    )


def test_seeds_that_scatter_make_a_difference_less_sure():
    rng = np.random.default_rng(2)
    clips = np.arange(2000)
    quiet = rng.random((3, 2000)) < np.array([[0.70], [0.70], [0.70]])
    wild = rng.random((3, 2000)) < np.array([[0.60], [0.70], [0.80]])
    other = rng.random((3, 2000)) < 0.74
    sure, unsure = seeds_difference(other, quiet, clips), seeds_difference(other, wild, clips)
    assert sure.p_value < 0.01
    assert unsure.p_value > 0.2


def test_one_seed_has_no_spread():
    with pytest.raises(ValueError, match="One seed has no spread"):
        seed_report(np.ones((1, 5)), np.arange(5))

"""Intervals hold what they promise: coverage on simulated clustered answers with a known truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from musicavqa.metrics.bootstrap import clustered_interval, group_gap, paired_difference
from musicavqa.metrics.clusters import clip_sums, clustered_variance, design_effect
from musicavqa.metrics.distributions import student_cdf, student_quantile
from musicavqa.metrics.paired import mcnemar
from musicavqa.metrics.seeds import seed_report, seeds_difference
from simulation import Design, pair, seeds

DESIGNS = [
    Design(25, "few", 0.7, 0.2),
    Design(50, "few", 0.9, 0.2),
    Design(50, "uneven", 0.8, 0.1),
    Design(100, "many", 0.6, 0.2),
    Design(100, "few", 0.5, 0.4),
    Design(400, "few", 0.75, 0.2),
    Design(400, "many", 0.9, 0.1),
]


def percentile(correct, clips, resamples):
    """The plain percentile interval, for comparison with ours in the slow table."""
    sums, sizes = clip_sums(correct, clips)
    drawn = np.random.default_rng(0).integers(0, len(sizes), (resamples, len(sizes)))
    means = 100 * sums[drawn].sum(1) / sizes[drawn].sum(1)
    return np.quantile(means, [0.025, 0.975])


def coverage(design, repetitions, resamples):
    """Percent of simulated test sets of which the interval holds the truth: ours, percentile."""
    rng = np.random.default_rng(1)
    held = np.zeros(2)
    for _ in range(repetitions):
        clips = design.clips(rng)
        correct = design.correct(rng, clips)
        interval = clustered_interval(correct, clips, resamples)
        low, high = percentile(correct, clips, resamples)
        truth = 100 * design.accuracy
        held += [interval.low <= truth <= interval.high, low <= truth <= high]
    return 100 * held / repetitions


def false_alarms(design, repetitions, resamples, changed):
    """Percent of equal pairs called different at 5 %: clustered bootstrap, McNemar."""
    rng = np.random.default_rng(2)
    called = np.zeros(2)
    for _ in range(repetitions):
        clips = design.clips(rng)
        first, second = pair(rng, design, clips, changed)
        difference = paired_difference(first, second, clips, resamples)
        called += [difference.p_value < 0.05, mcnemar(first, second).p_value < 0.05]
    return 100 * called / repetitions


def seed_coverage(design, repetitions, n_seeds, deviation):
    """Percent held: interval of the mean, interval of the difference of two equal methods."""
    rng = np.random.default_rng(3)
    held = np.zeros(2)
    for _ in range(repetitions):
        clips = design.clips(rng)
        both = seeds(rng, design, clips, 2 * n_seeds, deviation)
        mean = seed_report(both[:n_seeds], clips).mean
        difference = seeds_difference(both[:n_seeds], both[n_seeds:], clips)
        held += [
            mean.low <= 100 * design.accuracy <= mean.high,
            difference.low <= 0 <= difference.high,
        ]
    return 100 * held / repetitions


def test_the_interval_covers_the_truth_as_often_as_it_says():
    ours, _ = coverage(Design(60, "few", 0.8, 0.2), repetitions=500, resamples=400)
    assert 93 <= ours <= 97


def test_equal_systems_are_called_different_in_one_of_twenty():
    clustered, _ = false_alarms(Design(60, "few", 0.7, 0.2), 500, 400, changed=0.5)
    assert 3 <= clustered <= 7


def test_wordings_of_one_clip_fool_mcnemar_but_not_the_clustered_test():
    clustered, mcnemars = false_alarms(Design(60, "many", 0.7, 0.2), 200, 300, changed=0.5)
    assert clustered <= 8
    assert mcnemars > 25


def test_seeds_and_clips_are_both_in_the_interval_of_the_mean():
    mean, difference = seed_coverage(Design(80, "few", 0.7, 0.1), 500, 3, 0.02)
    assert 93 <= mean <= 97
    assert 93 <= difference <= 98


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_coverage_over_many_test_sets(design, capsys):
    ours, percentiles = coverage(design, 1500 if design.n_clips <= 100 else 600, 500)
    with capsys.disabled():
        print(f"\n{design}: covered {ours:.1f} %, plain percentile {percentiles:.1f} %")
    assert 93 <= ours <= 97


@pytest.mark.slow
@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_false_alarms_over_many_pairs(design, capsys):
    clustered, mcnemars = false_alarms(design, 600, 500, changed=0.5)
    with capsys.disabled():
        print(f"\n{design}: clustered {clustered:.1f} %, McNemar {mcnemars:.1f} %")
    assert (3 if design.n_clips >= 100 else 2) <= clustered <= 7  # few changes: cautious


@pytest.mark.slow
@pytest.mark.parametrize("n_seeds", [2, 3, 5])
@pytest.mark.parametrize("deviation", [0.0, 0.01, 0.03])
def test_seed_coverage_over_many_studies(n_seeds, deviation, capsys):
    mean, difference = seed_coverage(Design(150, "few", 0.7, 0.1), 800, n_seeds, deviation)
    with capsys.disabled():
        print(f"\n{n_seeds} seeds, deviation {deviation}: {mean:.1f} %, pairs {difference:.1f} %")
    assert 93 <= mean <= 98
    assert 93 <= difference <= 99.5  # cautious where seeds do not differ


@pytest.mark.parametrize("freedom", [1, 1.7, 2, 5, 30.5, 1000, 40000])
def test_students_t_is_that_of_scipy(freedom):
    for t in (-40, -3.2, -1, 0, 0.3, 2.5, 12):
        assert student_cdf(t, freedom) == pytest.approx(stats.t.cdf(t, freedom), abs=1e-5)
    for level in (0.0003, 0.025, 0.5, 0.9, 0.975):
        assert student_quantile(level, freedom) == pytest.approx(
            stats.t.ppf(level, freedom), rel=1e-3, abs=1e-9
        )


def test_the_resamples_give_the_standard_error_that_scipys_give():
    values = np.random.default_rng(0).random(200) < 0.8
    interval = clustered_interval(values, np.arange(200), resamples=20000)
    reference = stats.bootstrap((values.astype(float),), np.mean, n_resamples=20000, rng=0)
    p, error = values.mean(), np.sqrt(200 / 199) * reference.standard_error
    trials = p * (1 - p) / error**2
    z = stats.t.ppf(0.975, 199)
    half = z * np.sqrt(p * (1 - p) / trials + (z / trials / 2) ** 2)
    ends = (p + z**2 / trials / 2 + np.array([-half, half])) / (1 + z**2 / trials)
    assert [interval.low, interval.high] == pytest.approx(100 * ends, abs=0.15)


def test_the_p_value_is_one_minus_the_level_at_which_the_interval_touches_zero():
    rng = np.random.default_rng(4)
    first, second, clips = rng.random(300) < 0.75, rng.random(300) < 0.7, np.arange(300) // 2
    p = paired_difference(first, second, clips).p_value
    touching = paired_difference(first, second, clips, level=1 - p)
    assert min(abs(touching.low), abs(touching.high)) == pytest.approx(0, abs=1e-6)


def test_a_pair_of_independent_questions_is_scipys_paired_t_test():
    rng = np.random.default_rng(5)
    first, second = rng.random(400) < 0.75, rng.random(400) < 0.68
    p = paired_difference(first, second, np.arange(400), resamples=20000).p_value
    assert p == pytest.approx(stats.ttest_rel(first + 0.0, second + 0.0).pvalue, rel=0.1)


@given(
    rows=st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 5)), min_size=2),
)
@settings(deadline=None, max_examples=60)
def test_a_difference_the_other_way_round_is_the_negative(rows):
    first, second, clips = map(np.array, zip(*rows, strict=True))
    there = paired_difference(first, second, clips, resamples=200)
    back = paired_difference(second, first, clips, resamples=200)
    assert there.mean == pytest.approx(-back.mean)
    assert there.p_value == pytest.approx(back.p_value, rel=1e-6)
    assert there.low == pytest.approx(-back.high, abs=1e-6)
    assert there.low <= there.mean + 1e-9 <= there.high + 2e-9


def test_where_all_clips_agree_the_bound_is_the_exact_binomial_one():
    interval = clustered_interval(np.ones(12), np.arange(12))
    exact = stats.binomtest(12, 12).proportion_ci(method="exact")
    assert (interval.mean, interval.high) == (100, 100)
    assert interval.low == pytest.approx(100 * exact.low)


def test_one_clip_says_next_to_nothing_about_others():
    interval = clustered_interval([1, 0, 1], ["a", "a", "a"])
    assert interval.high - interval.low > 95


def test_the_gap_of_two_groups_is_their_difference_with_its_interval():
    rng = np.random.default_rng(5)
    clips = np.repeat(np.arange(200), 3)
    inside = rng.random(600) < 0.3
    correct = rng.random(600) < np.where(inside, 0.5, 0.8)
    gap = group_gap(correct, inside, clips)
    assert gap.mean == pytest.approx(100 * (correct[inside].mean() - correct[~inside].mean()))
    assert gap.low < -30 < gap.high < 0
    assert gap.p_value < 0.01
    with pytest.raises(ValueError, match="rows on both sides"):
        group_gap(correct, np.ones(600), clips)


def test_the_clustered_variance_of_single_rows_is_the_plain_one():
    values = np.random.default_rng(0).random(50)
    assert clustered_variance(values, np.arange(50)) == pytest.approx(values.var(ddof=1) / 50)
    assert design_effect(values, np.arange(50)) == pytest.approx(1.0)
    assert design_effect(np.repeat(values, 4), np.repeat(np.arange(50), 4)) == pytest.approx(
        4.0, rel=0.03
    )


def test_memory_and_time_stay_bounded_for_many_clips():
    import tracemalloc

    clips = np.repeat(np.arange(40_000), 2)
    correct = np.random.default_rng(0).random(80_000) < 0.7
    tracemalloc.start()
    clustered_interval(correct, clips, resamples=200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6

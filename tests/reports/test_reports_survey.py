"""The survey's figures and claims: golden means, a model checked by scipy and by simulation."""

from dataclasses import replace

import numpy as np
import pytest

from musicavqa.catalog import load
from musicavqa.catalog.schema import Method, Result
from musicavqa.reports import audit, survey, wording

CATALOGUE = load()
# Means of paper.md section 7, decoded from the vector data of the survey's radar charts.
CHARTED = {
    "a_count": (79.98, 69.30), "a_avg": (75.58, 64.38), "v_count": (79.43, 65.28),
    "v_loc": (80.60, 63.43), "v_avg": (79.78, 65.52), "av_loc": (71.44, 60.77),
    "av_comp": (68.56, 51.20), "av_temp": (69.98, 52.51), "av_avg": (72.37, 61.02),
}  # fmt: skip
FROM_SOURCES = {"a_comp": (68.29, 56.07), "av_exist": (80.47, 71.84)}
NOT_REPRODUCED = {("av_count", True), ("avg", False)}


@pytest.mark.parametrize("column", CHARTED)
def test_means_over_the_published_bars_are_the_published_means(column):
    bars = survey.published_bars(CATALOGUE)
    for marked, golden in zip((True, False), CHARTED[column], strict=True):
        value, n = survey.mean(bars, column, marked)
        assert value == pytest.approx(golden, abs=0.1)
        assert n >= 10


@pytest.mark.parametrize("column", FROM_SOURCES)
def test_axes_without_a_chart_follow_from_the_sources_of_the_bars(column):
    axes = {axis.marked: axis for axis in survey.reproduction(CATALOGUE)
            if axis.benchmark == "music-avqa" and axis.column == column}  # fmt: skip
    for marked, golden in zip((True, False), FROM_SOURCES[column], strict=True):
        assert axes[marked].how == "sources of the bars"
        assert axes[marked].recomputed == pytest.approx(golden, abs=0.1)


def test_what_cannot_be_reproduced_is_said():
    axes = [axis for axis in survey.reproduction(CATALOGUE) if axis.benchmark == "music-avqa"]
    assert {(axis.column, axis.marked) for axis in axes if not axis.agrees} == NOT_REPRODUCED
    robust = [axis for axis in survey.reproduction(CATALOGUE) if axis.benchmark == "music-avqa-r"]
    assert all(axis.recomputed is None and not axis.agrees for axis in robust)


def test_the_published_variant_repeats_the_mistakes_and_the_audited_one_does_not():
    drawn = {bar.label: bar for bar in survey.published_bars(CATALOGUE)}
    audited = {bar.label: bar for bar in survey.audited_bars(CATALOGUE)}
    assert drawn["Amuse"].row.scores["v_count"] == 87.41
    assert audited["Amuse"].row.scores["v_count"] == 87.14
    assert drawn["LSTTA"].row.scores["av_loc"] == audited["LSTTA"].row.scores["av_count"]
    assert survey.doubted(CATALOGUE, drawn["LSTTA"], "av_loc")
    assert not survey.doubted(CATALOGUE, drawn["LSTTA"], "av_temp")
    assert drawn["VAST"].row.scores["av_avg"] == 69.54
    assert "av_avg" not in audited["VAST"].row.scores


def test_the_audit_keeps_to_one_protocol():
    bars = survey.comparable(CATALOGUE)
    names = {bar.label for bar in bars}
    assert not names & {"GPT-4o", "VITA", "Qwen2.5-VL", "MAVEN", "ChatBridge", "OneLLM",
                        "Qwen-MusicAVQA-7B", "Audio Flamingo", "LAST-Att", "Meerkat"}  # fmt: skip
    assert len(names) == len(bars)
    assert all(bar.row.training == "supervised" for bar in bars)


def test_recent_methods_reverse_the_published_gap_on_averages():
    bars = [b for b in survey.audited_bars(CATALOGUE) if b.method.year >= survey.RECENT]
    for column in ("a_avg", "v_avg", "av_avg"):
        (with_mark, _), (without, _) = (
            survey.mean(bars, column, marked) for marked in (1 == 1, 1 == 0)
        )
        assert with_mark < without, column


def test_head_and_tail_join_to_the_published_overall_score():
    joined = {bar.label: bar.row.scores["avg"] for bar in survey.robustness_bars(CATALOGUE)}
    for row in CATALOGUE.anchors("fortisavqa"):
        if row.method in joined:
            assert joined[row.method] == pytest.approx(row.scores["avg"], abs=0.1)
    assert len(joined) == 8


def bars_of(values, marks, years, backbones):
    """Bars of made-up methods."""
    made = []
    for i, (value, mark, year, backbone) in enumerate(
        zip(values, marks, years, backbones, strict=True)
    ):
        method = Method(f"m{i}", "survey", int(year), "other", "stated", str(backbone), bool(mark),
                        False, "own", survey_spatial_temporal=bool(mark))  # fmt: skip
        row = Result("music-avqa", f"m{i}", "", "overall", {"avg": float(value)}, 2, 9129,
                     "supervised", "own", True, "a test", (), "", i)  # fmt: skip
        made.append(survey.Bar(method, row, bool(mark)))
    return made


def world(rng, effect, n=40):
    """A world where later methods are better and more often carry the mark."""
    years = rng.integers(2015, 2026, n)
    marks = rng.random(n) < (years - 2014) / 12
    backbones = np.where(years < 2021, "classic", rng.choice(["classic", "transformer"], n))
    values = 60 + 1.5 * (years - 2015) + 4 * (backbones == "transformer") + effect * marks
    return bars_of(values + rng.normal(0, 1.5, n), marks, years, backbones)


def test_a_confounded_mark_has_no_effect_and_a_real_one_is_found():
    confounded = audit.effect(world(np.random.default_rng(1), 0.0), "spatial-temporal", "avg", 999)
    assert confounded.raw > 4
    assert confounded.estimate.low < 0 < confounded.estimate.high
    real = audit.effect(world(np.random.default_rng(1), 8.0), "spatial-temporal", "avg", 999)
    assert real.estimate.low > 4
    assert real.estimate.p_value < 0.01


def test_the_coefficient_is_that_of_ordinary_least_squares():
    bars = world(np.random.default_rng(3), 5.0)
    found = audit.effect(bars, "spatial-temporal", "avg", 99).estimate
    marks = np.array([bar.marked for bar in bars], dtype=float)
    whole = np.column_stack([audit.design(bars), marks])
    values = np.array([bar.row.scores["avg"] for bar in bars])
    assert found.points == pytest.approx(np.linalg.lstsq(whole, values, rcond=None)[0][-1])
    assert found.least[0] <= found.points <= found.most[0]


def test_the_permutation_test_keeps_its_level():
    """Without an effect p is at most 0.1 in a tenth of 400 worlds (3.5 standard errors)."""
    rng = np.random.default_rng(0)
    bars = world(rng, 0.0, 25)
    marks, covariates = np.array([bar.marked for bar in bars], dtype=float), audit.design(bars)
    low = 0
    for _ in range(400):
        values = covariates[:, 1] * 2 + rng.standard_t(4, len(bars))
        low += audit.freedman_lane(values, marks, covariates, 99, rng) <= 0.1
    assert abs(low / 400 - 0.1) < 3.5 * np.sqrt(0.09 / 400)


def test_the_p_value_agrees_with_the_t_test_under_normal_errors():
    from scipy import stats

    bars = world(np.random.default_rng(7), 1.0, 60)
    found = audit.effect(bars, "spatial-temporal", "avg", 4999).estimate
    marks = np.array([bar.marked for bar in bars], dtype=float)
    whole = np.column_stack([audit.design(bars), marks])
    values = np.array([bar.row.scores["avg"] for bar in bars])
    solution, *_ = np.linalg.lstsq(whole, values, rcond=None)
    freedom = len(values) - whole.shape[1]
    variance = ((values - whole @ solution) ** 2).sum() / freedom
    error = np.sqrt(variance * np.linalg.inv(whole.T @ whole)[-1, -1])
    assert found.p_value == pytest.approx(
        2 * stats.t.sf(abs(solution[-1] / error), freedom), abs=0.03
    )


def test_what_cannot_be_tested_says_why():
    lonely = bars_of(
        [70, 71, 72, 73, 74, 75], [1, 0, 0, 0, 0, 0], range(2016, 2022), ["classic"] * 6
    )
    assert audit.effect(lonely, "music-specific", "avg").reason == (
        "only 1 of 6 methods carry the mark"
    )
    together = bars_of(range(60, 70), [0] * 5 + [1] * 5, range(2015, 2025),
                       ["classic"] * 5 + ["transformer"] * 5)  # fmt: skip
    assert "cannot be told" in audit.effect(together, "spatial-temporal", "avg").reason


def test_equal_seeds_give_equal_effects():
    bars = world(np.random.default_rng(2), 2.0)
    one, two = (audit.table(bars, outcomes=("avg",), permutations=99, seed=4) for _ in range(2))
    assert one == two


def grade(low, high, p_holm):
    estimate = audit.Estimate(2.0, low, high, 0.01, 0, (1.0, "a"), (3.0, "b"), p_holm)
    return audit.Effect("music-specific", "avg", 4, 30, 5.0, estimate)


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "start"),
    [
        (1.0, 3.0, 0.01, "Associated with higher scores: "),
        (1.0, 3.0, 0.20, "Unclear: "),
        (-1.0, 3.0, 0.01, "Unclear: "),
        (-1.0, 3.0, 0.20, "Not shown: "),
    ],
)
def test_the_wording_follows_the_numbers(low, high, p_holm, start):
    sentence = wording.verdict(grade(low, high, p_holm))
    assert sentence.startswith(start)
    assert f"{low:+.1f} to {high:+.1f}" in sentence
    assert "4 with, 30 without" in sentence


def test_a_sign_that_hangs_on_one_method_is_told():
    shaky = grade(1.0, 3.0, 0.01)
    shaky = replace(shaky, estimate=replace(shaky.estimate, least=(-0.5, "Amuse")))
    assert wording.verdict(shaky).endswith("Without Amuse the sign turns.")


def test_an_association_that_vanishes_in_a_subset_is_told():
    lines = wording.contrast([grade(1, 3, 0.01)], [grade(-1, 3, 0.3)], "Without unreproduced rows")
    assert lines == ["Without unreproduced rows: music-specific modelling: none of 1 test sees an "
                     "effect; intervals are up to 4 points wide."]  # fmt: skip

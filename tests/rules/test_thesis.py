"""The bench of the 2 x 2 x 2 design: known effects are found, and what a cell lacks cannot leak."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from musicavqa.bandstand.asked import questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.bandstand.truth import read_truth
from musicavqa.records import Question
from musicavqa.rules.answerer import answer
from musicavqa.rules.facts import Facts, Player

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
from ablation import answering, effects, eyes, perceived, report, weighing
from ablation.design import CELLS, READS_MUSIC, READS_PLACE_OR_TIME, Cell
from ablation.facts import facts
from ablation.frequencies import Frequencies

PERFORMANCES = [read_truth(sample_scene("train", index)) for index in range(150)]
FREQUENCIES = Frequencies(PERFORMANCES)
SCENES = [sample_scene("val", index) for index in range(12)]
FULL, NOTHING = CELLS[-1], CELLS[0]
shares = st.floats(0, 1)


def of(**changed):
    return Cell(**{**dict.fromkeys(("input", "place_time", "music"), True), **changed})


# The design.


def test_eight_cells_share_four_eyes_and_four_ears():
    assert len({cell.name for cell in CELLS}) == 8
    assert len({cell.eye for cell in CELLS}) == len({cell.ear for cell in CELLS}) == 4
    assert of(music=False).eye == FULL.eye
    assert of(place_time=False).ear == FULL.ear
    assert NOTHING.name == "none"


@pytest.mark.parametrize(
    ("templates", "taken"),
    [(READS_PLACE_OR_TIME, FREQUENCIES.places), (READS_PLACE_OR_TIME, FREQUENCIES.times),
     (READS_MUSIC, FREQUENCIES.music)],
)  # fmt: skip
def test_only_the_templates_that_read_a_fact_answer_otherwise_without_it(templates, taken):
    rng = np.random.default_rng(0)
    for scene in SCENES:
        truth = read_truth(scene)
        for template, slots, said in questions(scene):
            if template not in templates:
                assert answer(taken(truth, rng), template, slots) == said


# Effects.


@given(base=shares, gains=st.tuples(shares, shares, shares))
def test_gains_that_add_up_are_main_effects_without_interaction(base, gains):
    table = np.array(
        [base + np.dot(gains, [cell.input, cell.place_time, cell.music]) for cell in CELLS]
    )
    found = {name: float(weights @ table) for name, weights in effects.contrasts().items()}
    for name, gain in zip(("input", "place_time", "music"), gains, strict=True):
        assert found[name] == pytest.approx(gain)
        assert found[f"full, without {name}"] == pytest.approx(gain)
        assert found[f"{name} alone"] == pytest.approx(gain)
    assert [v for name, v in found.items() if " x " in name] == pytest.approx([0] * 4, abs=1e-9)


@given(gain=shares)
def test_what_comes_only_with_both_is_an_interaction(gain):
    table = np.array([gain * (cell.input and cell.music) for cell in CELLS])
    found = {name: float(weights @ table) for name, weights in effects.contrasts().items()}
    assert found["input x music"] == pytest.approx(gain)
    assert found["input"] == found["music"] == pytest.approx(gain / 2)
    assert found["place_time"] == pytest.approx(0)
    assert found["input x place_time x music"] == pytest.approx(0)


def test_intervals_hold_the_true_effect_about_as_often_as_they_promise():
    rng = np.random.default_rng(0)
    weights, clips = effects.contrasts()["music"], np.repeat(np.arange(40), 5)
    held = 0
    for _ in range(200):
        ease = rng.normal(0, 0.15, (1, 1, 40)) + rng.normal(0, 0.05, (8, 3, 1))
        ease = ease + 0.2 * np.array([cell.music for cell in CELLS])[:, None, None]
        right = rng.random((8, 3, 200)) < np.clip(0.5 + np.repeat(ease, 5, 2), 0, 1)
        found = effects.estimate(right, clips, weights)
        held += found.low <= 20 <= found.high
    assert 180 <= held <= 200


def test_cells_that_agree_on_everything_have_no_effect_and_no_spread():
    right = np.ones((8, 3, 10))
    found = effects.estimate(right, np.arange(10), effects.contrasts()["input"])
    assert (found.mean, found.low, found.high) == (0, 0, 0)
    assert not found.apart


def test_more_seeds_that_differ_widen_the_interval_over_clips_alone():
    rng = np.random.default_rng(1)
    clips, weights = np.arange(50), effects.contrasts()["input"]
    same = np.repeat((rng.random((8, 1, 50)) < 0.5), 4, 1).astype(float)
    moved = same.copy()
    moved[4:, ::2] = 1.0
    narrow, wide = (effects.estimate(x, clips, weights) for x in (same, moved))
    assert wide.high - wide.low > narrow.high - narrow.low


# Facts that are lacking.


def player(x, **changed):
    return Player("violin", True, True, x=x, region="left", level_db=0.0, first_onset_s=1.0,
                  last_offset_s=2.0, intervals=((1.0, 2.0),), playing_s=1.0, onset_rate=2.0,
                  **changed)  # fmt: skip


def table_of(*players):
    return Facts(10.0, "indoor", False, False, players)


@pytest.mark.parametrize("take", ["places", "times", "music"])
@given(seed=st.integers(0, 1000), n=st.integers(1, 12))
def test_what_is_drawn_does_not_depend_on_what_was_there(take, seed, n):
    change = {
        "places": {"x": 0.9, "region": "right"},
        "times": {"first_onset_s": 7.0, "last_offset_s": 9.0, "intervals": ((7.0, 9.0),),
                  "playing_s": 2.0},
        "music": {"level_db": -12.0, "onset_rate": 9.0},
    }[take]  # fmt: skip
    one = [player(0.1) for _ in range(n)]
    other = [replace(p, **change) for p in one]
    draw = getattr(FREQUENCIES, take)
    first, second = (draw(table_of(*p), np.random.default_rng(seed)) for p in (one, other))
    assert first == second


@given(seed=st.integers(0, 1000))
def test_drawn_facts_are_those_of_one_performance_with_as_many_players(seed):
    drawn = FREQUENCIES.places(table_of(*[player(0.5)] * 3), np.random.default_rng(seed))
    places = sorted(p.x for p in drawn.players)
    assert places in [sorted(p.x for p in f.seen) for f in PERFORMANCES if len(f.seen) == 3]


def test_shares_of_frequencies_are_those_of_the_performances():
    facts = table_of(player(0.1), replace(player(0.5), heard=False))
    known = Frequencies([facts])
    assert (known.usual, known.if_seen, known.if_unseen) == (1 / 22, 1.0, 0.0)
    assert known.equal_sounds == 0.5
    with pytest.raises(ValueError, match="at least one"):
        Frequencies([])


def answered(cell, scene, change=lambda reading: reading):
    reading = change(answering.exact_reading(cell, scene, FREQUENCIES))
    beliefs = answering.beliefs_of(FREQUENCIES, cell.music, weighing.Spreads())
    tables = answering.tables_of(cell, reading, beliefs, FREQUENCIES, np.random.default_rng(0))
    return [repr(table.facts) for table in tables]


def test_a_cell_without_place_and_time_gives_the_same_tables_wherever_all_stand_and_whenever():
    def elsewhere(reading):
        seen = tuple(replace(one, x=0.97 - one.x / 10) for one in reading.seen)
        return replace(reading, seen=seen)

    for scene in SCENES:
        assert answered(of(place_time=False), scene) == answered(
            of(place_time=False), scene, elsewhere
        )
        assert np.all(answering.exact_reading(NOTHING, scene, FREQUENCIES).activity == 1)


def test_a_cell_without_music_gives_the_same_tables_however_loud_and_fast():
    def louder(reading):
        return replace(reading, level_db=reading.level_db * -3, onset_rate=reading.onset_rate + 5)

    for scene in SCENES:
        assert answered(of(music=False), scene) == answered(of(music=False), scene, louder)
        assert answered(FULL, scene) != answered(FULL, scene, louder) or not any(
            p["notes"] for p in scene["players"]
        )


# Parts.


def test_shares_of_counts_are_those_of_independent_slots():
    logits = torch.tensor([[0.3, -1.0, 2.0] + [-40.0] * (eyes.MOST - 3)])
    p = torch.sigmoid(logits[0, :3]).tolist()
    wanted = np.convolve(np.convolve([1 - p[0], p[0]], [1 - p[1], p[1]]), [1 - p[2], p[2]])
    found = eyes.count_shares(logits)[0]
    assert found[:4].tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    assert float(found.sum()) == pytest.approx(1)


@pytest.mark.parametrize("special", [True, False])
def test_an_eye_says_places_or_counts_of_both_inputs(special):
    rows = torch.randn(2, *((1408, 11, 14) if special else (1280, 7, 7)))
    sight = eyes.Eye(special, place=True)(rows)
    assert sight.instrument.shape == (2, 22, 22, 28)
    slots, outdoor = eyes.Eye(special, place=False)(rows)
    assert (slots.shape, outdoor.shape) == ((2, 22, eyes.MOST), (2,))


def test_weights_learn_how_sure_to_be():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 2))
    share = 1 / (1 + np.exp(-(2 * x[:, 0] - 1)))
    weights = weighing.fit_weights(x, (rng.random(4000) < share).astype(float))
    assert np.abs(weights.shares(x) - share).max() < 0.06
    with pytest.raises(ValueError, match="0 of 3"):
        weighing.fit_weights(np.ones((3, 1)), np.zeros(3))


def test_exact_readings_perceive_everything():
    readings = [answering.exact_reading(FULL, scene, FREQUENCIES) for scene in SCENES]
    found = facts(FULL, readings, SCENES)
    assert found.pop("activity per tick, AP") > 95  # a tick that is half played counts
    assert {round(value) for value in found.values() if not np.isnan(value)} == {100}


def test_a_report_shows_every_cell_and_effect_of_every_split():
    questions = [
        Question(f"x/test/{i}", f"clip-{i // 3}", "", 1 + i % 33, (), f"{kind}-Counting", "one")
        for i, kind in enumerate(["A", "V", "AV"] * 22)
    ]
    rng = np.random.default_rng(0)
    cells = {cell.name: rng.random((3, 66)) < 0.5 for cell in CELLS}
    without = {cell.name: cells[cell.name] for cell in CELLS if not cell.music}
    exact = {name: np.ones((1, 66), bool) for name in cells}
    ways = {"cells": cells, "joined": without, "exact": exact}
    splits = {
        "test": report.Scored(questions, ways),
        "test-art": report.Scored(questions, {"cells": cells}),
    }
    about = {"perception": {"split": "test", "cells": {cell.name: {"x": 1.0} for cell in CELLS}}}
    found = report.results(about, splits)
    assert found["splits"]["test"]["joined"] == found["splits"]["test"]["effects"]
    assert found["splits"]["test"]["exact_cells"]["none"]["all"][0] == 100
    assert "joined" not in found["splits"]["test-art"]
    assert found["splits"]["test"]["n_of"]["AV"] == 22
    shown = report.page(found)
    assert all(report._named(cell.name) in shown for cell in CELLS)
    assert shown.count("input x space and time x music") == 3


def test_a_true_performer_stands_for_the_surest_peak_alone():
    there = np.array([[-2.0, 0, 0], [3.0, 0, 0], [1.0, 0, 0]])
    seen = perceived.Seen(0.0, there, np.zeros((3, 22)), np.array([0.51, 0.5, 0.9]),
                          np.zeros((3, 100)), np.zeros((22, 8)))  # fmt: skip
    violin = np.array([3, 0.5, 0.6, 0.6, 1, 1])
    found = weighing.matched(seen, violin[None])
    assert found[1] is not None
    assert found[0] is found[2] is None
    assert weighing.matched(seen, np.zeros((0, 6))) == {0: None, 1: None, 2: None}


def test_a_faint_ear_still_says_when_something_plays():
    activity = np.zeros((100, 22))
    activity[20:50, 0] = 0.3
    heard = perceived.Heard(activity, activity, activity, activity, np.zeros(100))
    times = answering._times(heard)
    assert times[20:50, 0].min() == 1.0
    assert times.sum() == 30

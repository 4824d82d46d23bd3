"""Tables drawn from readings: exact ones answer as the truth, unsure ones join sight and sound."""

from dataclasses import replace

import numpy as np
import pytest

from made_readings import CERTAIN, exact_reading, made_reading, seen_at
from musicavqa.answers import ANSWERS, index
from musicavqa.bandstand.asked import questions
from musicavqa.bandstand.scene import sample_scene
from musicavqa.questions import INSTRUMENTS
from musicavqa.rules.tables import FOOTAGE, RENDERED, draw_tables, intervals, tables_of
from musicavqa.rules.votes import votes

WHOLE = [(0.0, 10.0)]
NEAR_A_MARGIN = {4, 5, 6, 15, 24, 25, 26, 27, 28, 29}
"""Templates that compare a number with a margin, which a tenth of a second may cross."""


def drawn(reading, n=200, beliefs=None, seed=0):
    return draw_tables(reading, n, np.random.default_rng(seed), beliefs)


def share(tables, holds):
    return sum(table.weight for table in tables if holds(table.facts))


def exact_enough(scene):
    """Equal instruments have one lane of activity in a reading: their times are not told apart."""
    names = [player["instrument"] for player in scene["players"]]
    return len(set(names)) == len(names)


SCENES = [scene for i in range(40) if exact_enough(scene := sample_scene("val", i))][:12]


@pytest.mark.parametrize("scene", SCENES, ids=[scene["id"] for scene in SCENES])
def test_exact_readings_give_the_answers_of_the_truth(scene):
    tables = drawn(exact_reading(scene), 25, CERTAIN)
    asked = questions(scene)
    said = {(n, slots): votes(tables, n, slots) for n, slots, _ in asked}
    for number, slots, truth in asked:
        found = said[number, slots]
        if number not in NEAR_A_MARGIN:
            assert ANSWERS[int(found.argmax())] == truth, (number, slots)
        assert not found.any() or found[index(truth)] > 0.3 * found.sum(), (number, slots)


def test_tables_of_the_last_reading_are_kept_and_those_of_others_are_their_own():
    one, other = (made_reading([seen_at(x)], heard=None) for x in (0.2, 0.8))
    first = tables_of(one, 20)
    assert tables_of(one, 20) is first
    places = [np.mean([t.facts.players[0].x for t in tables_of(r, 20)]) for r in (other, one)]
    assert places == pytest.approx([0.8, 0.2], abs=0.05)
    assert len(tables_of(one, 30)) == 30


def test_of_equals_movements_tell_the_rate_and_who_sits_still_may_have_any():
    slow, fast, still = (
        replace(seen_at(x, tuba=1.0), onset_rate=rate, moves=moves)
        for x, rate, moves in ((0.1, 1.0, 1.0), (0.5, 3.0, 1.0), (0.9, 0.01, 0.0))
    )
    reading = made_reading([slow, fast, still], heard={"tuba": (1.0, WHOLE)})
    tables = drawn(reading, beliefs=CERTAIN)
    rates = np.array([[player.onset_rate for player in t.facts.players] for t in tables])
    logs = np.log(rates)
    assert logs.mean(0) == pytest.approx(np.log([1.0, 3.0, 2.0]), abs=0.15)
    assert logs.std(0) == pytest.approx([0.35, 0.35, 0.5], abs=0.1)
    shares = votes(tables, 29, ("middle", "left"))
    assert shares[index("yes")] > 10 * shares[index("no")]
    unknown = made_reading(
        [replace(one, onset_rate=None) for one in reading.seen], heard={"tuba": (1.0, WHOLE)}
    )
    assert votes(drawn(unknown), 29, ("middle", "left")).sum() == 0


def test_the_rate_of_the_only_one_is_what_is_heard():
    one = replace(seen_at(0.3, cello=1.0), onset_rate=9.0)
    reading = made_reading([one], heard={"cello": (1.0, WHOLE)})
    rates = [t.facts.players[0].onset_rate for t in drawn(reading, beliefs=CERTAIN)]
    assert rates == pytest.approx([2.0] * len(rates))


@pytest.mark.parametrize("beliefs", [RENDERED, FOOTAGE])
@pytest.mark.parametrize("seed", range(5))
def test_weights_sum_to_one_whatever_is_read(beliefs, seed):
    rng = np.random.default_rng(seed)
    seen = [
        replace(seen_at(x), share=rng.random(), instruments=rng.dirichlet(np.ones(22)))
        for x in rng.random(seed)
    ]
    activity = rng.random((100, 22))
    tables = drawn(made_reading(seen, heard=None, activity=activity), 50, beliefs)
    weights = np.array([table.weight for table in tables])
    assert len(tables) == 50
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0


def test_the_same_generator_draws_the_same_tables():
    reading = made_reading([seen_at(0.5, violin=0.5, erhu=0.5)], {"violin": (0.5, WHOLE)})
    one, other = ([t.facts for t in drawn(reading, seed=3)] for _ in range(2))
    assert str(one) == str(other)


@pytest.mark.parametrize(("heard", "other"), [("violin", "erhu"), ("erhu", "violin")])
def test_who_may_be_seen_under_two_names_is_what_is_heard(heard, other):
    reading = made_reading(
        [seen_at(0.5, **{heard: 0.4, other: 0.6})],
        {heard: (0.98, WHOLE), other: (0.01, WHOLE)},
    )
    tables = drawn(reading)
    assert share(tables, lambda f: [p.instrument for p in f.seen] == [heard]) > 0.8
    silent = replace(reading, has_sound=False)
    assert share(drawn(silent), lambda f: [p.instrument for p in f.seen] == [heard]) < 0.55


def test_an_instrument_that_is_seen_is_heard_more_often_than_one_that_is_not():
    heard = {"violin": (0.4, WHOLE), "tuba": (0.4, WHOLE)}
    tables = drawn(made_reading([seen_at(0.5, violin=1.0)], heard))
    assert share(tables, lambda f: any(p.instrument == "violin" for p in f.heard)) > 0.7
    assert share(tables, lambda f: any(p.instrument == "tuba" for p in f.heard)) < 0.3


@pytest.mark.parametrize("sounds", [0.0, 0.02, 0.5, 1.0])
def test_of_equal_instruments_at_least_one_sounds(sounds):
    pair = [seen_at(0.2, sounds=sounds, violin=1.0), seen_at(0.8, sounds=0.02, violin=1.0)]
    tables = drawn(made_reading(pair, {"violin": (1.0, WHOLE)}))
    assert all(table.facts.sounding for table in tables)
    if sounds > 0.9:
        left = share(tables, lambda f: [p.region for p in f.sounding] == ["left"])
        assert left > 0.9


def test_equal_instruments_sound_when_each_moves():
    half = np.where(np.arange(100) < 50, 1.0, 0.0)
    pair = [
        replace(seen_at(0.2, violin=1.0), plays=half),
        replace(seen_at(0.8, violin=1.0), plays=1 - half),
    ]
    tables = drawn(made_reading(pair, {"violin": (1.0, WHOLE)}))
    found = votes(tables, 32, ("violin", "first"))
    assert ANSWERS[int(found.argmax())] == "left"


def test_without_sound_nobody_sounds_and_without_picture_nobody_is_seen():
    reading = made_reading([seen_at(0.5, violin=1.0)], {"violin": (1.0, WHOLE)})
    deaf = drawn(replace(reading, has_sound=False))
    assert not any(table.facts.heard for table in deaf)
    assert not any(table.facts.dubbed for table in deaf)
    blind = drawn(replace(reading, seen=(), has_picture=False))
    assert not any(table.facts.seen for table in blind)
    assert share(blind, lambda f: [p.instrument for p in f.heard] == ["violin"]) > 0.9


def test_fewer_are_expected_of_a_recording_without_a_picture():
    reading = made_reading([], {"violin": (0.9, WHOLE), "accordion": (0.7, WHOLE)})
    blind = replace(reading, has_picture=False)
    few, usual = (
        share(
            draw_tables(blind, 1000, np.random.default_rng(0), beliefs), lambda f: len(f.heard) == 1
        )
        for beliefs in (FOOTAGE, replace(FOOTAGE, unpictured=FOOTAGE.usual))
    )
    assert few > usual + 0.1


def test_shares_of_place_and_voice_are_those_of_the_reading():
    tables = drawn(made_reading(outdoor=0.3, voiceover=0.8), 2000)
    assert share(tables, lambda f: f.place == "outdoor") == pytest.approx(0.3, abs=0.05)
    assert share(tables, lambda f: f.voiceover) == pytest.approx(0.8, abs=0.05)


def test_stretches_leave_out_noise_and_bridge_short_rests():
    sure = np.zeros(100)
    sure[[3]] = sure[10:30] = sure[35:50] = sure[70:100] = 0.9
    reading = made_reading(duration_s=9.7)
    found = intervals(sure, 0.5, reading)
    np.testing.assert_allclose(found, [(1.0, 5.0), (7.0, 9.7)])
    assert intervals(sure, 0.95, reading) == ()


def test_levels_and_rates_are_those_of_the_reading():
    reading = made_reading(
        [seen_at(0.2, violin=1.0), seen_at(0.8, cello=1.0)],
        {"violin": (1.0, WHOLE), "cello": (1.0, WHOLE)},
        level_db=np.where([name == "cello" for name in INSTRUMENTS], -9.0, 0.0),
        onset_rate=np.where([name == "cello" for name in INSTRUMENTS], 6.0, 2.0),
    )
    tables = drawn(reading)
    assert votes(tables, 4, ("violin", "cello"))[index("yes")] > 0.95
    assert votes(tables, 5, ("violin", "cello"))[index("no")] > 0.95


@pytest.mark.parametrize(("share", "sure"), [(0.1, 0.095), (0.4, 0.38), (0.9, 0.85), (0.9, 0.2)])
def test_who_sounds_after_all_has_his_times(share, sure):
    """An ear that is unsure whether is no less sure when; nobody sounds and never does."""
    reading = made_reading([seen_at(0.5, banjo=1.0)], heard={"banjo": (share, [(2.0, 6.0)])})
    reading = replace(reading, activity=sure * reading.activity)
    tables = drawn(reading)
    found = [player for table in tables for player in table.facts.heard]
    assert found
    assert all(p.first_onset_s == pytest.approx(2.0) for p in found)
    assert all(p.playing_s == pytest.approx(4.0) for p in found)
    assert len(found) == sum(int(table.choices.heard.sum()) for table in tables)


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_an_ear_beside_an_eye_decides_less_alone(share):
    """What is hardly heard of a player who is seen may be a sound that the ear does not know."""
    reading = made_reading([seen_at(0.5, banjo=1.0)], heard={"banjo": (share, WHOLE)})
    taken_at_its_word = replace(RENDERED, ear_sureness=1.0, ear_misses=0.0)
    less, more = (share_heard(reading, beliefs) for beliefs in (taken_at_its_word, RENDERED))
    assert less < more < 1
    blind = replace(reading, seen=(), has_picture=False)
    assert share == pytest.approx(share_heard(blind), abs=0.04)


def share_heard(reading, beliefs=None):
    tables = drawn(reading, 2000, beliefs)
    return sum(bool(table.choices.heard.any()) * table.weight for table in tables)


def test_where_few_performances_fit_more_are_drawn_and_all_weigh_the_same():
    """Eye and ear disagree: hardly any of what is drawn by eye goes with what is heard."""
    names = dict.fromkeys(INSTRUMENTS, 0.998 / (len(INSTRUMENTS) - 1)) | {"erhu": 0.002}
    reading = made_reading(
        [seen_at(x, **names) for x in (0.2, 0.8)],
        {"erhu": (1 - 1e-9, WHOLE)},
    )
    tables = drawn(reading)
    assert len(tables) == 200
    assert {table.weight for table in tables} == {1 / 200}
    agreed = share(tables, lambda f: any(p.instrument == "erhu" for p in f.seen))
    exact = share(
        drawn(reading, 20_000, seed=1), lambda f: any(p.instrument == "erhu" for p in f.seen)
    )
    assert agreed == pytest.approx(exact, abs=0.12)


def test_who_moves_while_he_plays_sounds_when_both_say():
    """The ear hears a violin all the time; its player moves in the first four seconds only."""
    times = np.where(np.arange(100) < 40, 0.999, 0.001)
    player = replace(seen_at(0.3, violin=1.0), times=times)
    for ear in (0.6, 1.0):
        activity = np.full((100, 22), 1e-6)
        activity[:, INSTRUMENTS.index("violin")] = ear
        reading = made_reading([player], {"violin": (1.0, WHOLE)}, activity=activity)
        table = drawn(reading, 1, replace(CERTAIN, threshold_spread=0.0))[0]
        # an ear that is certain is believed less than movement and ear together
        assert table.facts.players[0].intervals[-1][1] == pytest.approx(4.0)


def test_two_with_one_instrument_have_times_of_their_own():
    early = np.where(np.arange(100) < 40, 0.999, 0.001)
    seen = [
        replace(seen_at(0.2, violin=1.0), times=early),
        replace(seen_at(0.8, violin=1.0), times=early[::-1].copy()),
    ]
    reading = made_reading(seen, {"violin": (1.0, WHOLE)})
    first, second = drawn(reading, 1, CERTAIN)[0].facts.players
    assert first.intervals[0] == pytest.approx((0.0, 4.0))
    assert second.intervals[0] == pytest.approx((6.0, 10.0))


@pytest.mark.parametrize("in_step", [-2.0, 0.0, 2.0])
def test_who_is_in_step_with_the_sound_is_heard_more_often(in_step):
    """His odds are those without movement, times what movement says for him."""
    player = replace(seen_at(0.5, cello=1.0), in_step=in_step)
    heard = {"cello": (RENDERED.usual, [])}  # by ear nothing can be told
    reading = made_reading([player], heard, activity=np.full((100, 22), RENDERED.usual))
    beliefs = replace(RENDERED, ear_misses=0.0, in_step=1.0)
    sounds = share(drawn(reading, 4000, beliefs), lambda facts: any(p.heard for p in facts.seen))
    odds = np.exp(in_step) * beliefs.if_seen / (1 - beliefs.if_seen)
    assert sounds == pytest.approx(odds / (1 + odds), abs=0.03)

"""Facts in words: those of whom a question and its answer speak, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from made_readings import made_reading, seen_at
from musicavqa.ask.telling import heard_names, seen_names, told
from musicavqa.questions import INSTRUMENTS

DUO = made_reading(
    [seen_at(0.2, violin=0.9, erhu=0.1), seen_at(0.8, cello=1.0)],
    {"violin": (0.9, [(2.4, 8.0)]), "cello": (0.8, [(5.1, 10.0)])},
    level_db=np.where([name == "cello" for name in INSTRUMENTS], -6.0, 0.0),
    onset_rate=np.where([name == "cello" for name in INSTRUMENTS], 1.5, 3.0),
    voiceover=0.25,
    outdoor=0.75,
)


def test_who_is_seen_and_heard_is_named_with_shares():
    assert seen_names(DUO) == "violin (left, 90%), cello (right, 100%)"
    assert heard_names(DUO) == "violin 90%, cello 80%"


def test_an_answer_about_order_names_when_each_enters():
    facts = told(DUO, 30, ("first",), "violin")
    assert len(facts) == 1
    assert facts[0].startswith("violin (left, 90%) enters at 2.4 s, sounds for 5.6 s")


@pytest.mark.parametrize(("number", "shown"), [(26, "level -6 dB"), (27, "1.5 notes a second")])
def test_comparisons_tell_what_they_compare(number, shown):
    facts = told(DUO, number, ("violin", "left", "cello", "right"), "yes")
    assert len(facts) == 2
    assert shown in facts[1]


def test_questions_by_eye_tell_nothing_of_sound_and_those_by_ear_nothing_of_places():
    by_eye = told(DUO, 9, (), "two")
    assert by_eye == ("violin (left, 90%)", "cello (right, 100%)")
    by_ear = told(DUO, 2, (), "two")
    assert len(by_ear) == 2
    assert not any("left" in fact or "right" in fact for fact in by_ear)


def test_what_is_asked_for_and_not_there_is_said_not_to_be_heard():
    assert told(DUO, 3, ("tuba",), "no") == ("tuba is not heard (100%)",)


def test_who_is_silent_is_said_to_be():
    reading = made_reading([seen_at(0.5, tuba=1.0)], {"violin": (1.0, [(0.0, 10.0)])})
    facts = told(reading, 18, (), "zero")
    assert "tuba (middle, 100%) is silent (100%)" in facts
    assert any(fact.startswith("violin (100%) enters at 0.0 s") for fact in facts)


def test_of_equal_instruments_each_has_his_own_times():
    early, late = np.zeros(100), np.zeros(100)
    early[:50], late[50:] = 1.0, 1.0
    pair = [
        replace(seen_at(0.2, violin=1.0), plays=early),
        replace(seen_at(0.8, violin=1.0), plays=late),
    ]
    reading = made_reading(pair, {"violin": (1.0, [(0.0, 10.0)])})
    facts = told(reading, 32, ("violin", "first"), "left")
    assert "enters at 0.0 s" in facts[0]
    assert "enters at 5.0 s" in facts[1]


@pytest.mark.parametrize(("number", "fact"), [(14, "outdoors 75%"), (16, "somebody speaks 25%")])
def test_questions_about_the_whole_clip_tell_that_share(number, fact):
    assert fact in told(DUO, number, (), "yes")

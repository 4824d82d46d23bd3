"""Facts in words: those of whom a question and its answer speak, and no others."""

from dataclasses import replace

import numpy as np
import pytest

from made_readings import made_reading, seen_at
from musicavqa.ask.lanes import score_of
from musicavqa.ask.telling import heard_names, lacking, seen_names, told
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
    score = score_of(DUO)
    left, right = score.lanes
    assert seen_names(score) == f"violin (left, {left.names[0][1]:.0%}), cello (right, 100%)"
    assert heard_names(score) == f"cello {right.sounds:.0%}, violin {left.sounds:.0%}"
    assert min(left.sounds, right.sounds) > 0.9  # seen, too


def test_an_answer_about_order_names_when_each_enters():
    facts = told(score_of(DUO), 30, ("first",), "violin")
    assert [fact.split(" (")[0] for fact in facts] == ["violin", "cello"]
    assert facts[0].endswith(" enters at 2.4 s, sounds for 5.6 s")
    late = replace(DUO, activity=DUO.activity[::-1])
    facts = told(score_of(late), 33, ("before", "violin"), "cello")
    assert [fact.split(" (")[0] for fact in facts] == ["cello", "violin"]


@pytest.mark.parametrize(
    ("number", "slots", "answer", "fact"),
    [
        (23, ("right", "first"), "cello", "first to sound: violin (left) at 2.4 s"),
        (23, ("left", "last"), "violin", "last to sound: cello (right) at 5.1 s"),
        (31, ("last",), "right", "last to sound: cello (right) at 5.1 s"),
        (22, ("first", "right"), "no", "first to sound: violin (left) at 2.4 s"),
    ],
)
def test_who_is_spoken_of_without_his_name_is_named(number, slots, answer, fact):
    said = told(score_of(DUO), number, slots, answer)[0]
    assert said.startswith(fact)
    assert int(said.split("(")[-1].rstrip("%)")) > 80


def test_that_nobody_is_clearly_the_first_is_said():
    both = made_reading(
        [seen_at(0.2, violin=1.0), seen_at(0.8, cello=1.0)],
        {"violin": (1.0, [(2.0, 8.0)]), "cello": (1.0, [(2.1, 8.0)])},
    )
    facts = told(score_of(both), 31, ("first",), "left")
    assert facts[0] == "nobody in the picture is clearly first to sound"


def test_facts_are_those_of_the_lanes():
    """By ear alone the cello is hardly heard; as it is seen, it is likelier to sound."""
    score = score_of(replace(DUO, heard=np.where(DUO.heard == 0.8, 0.3, DUO.heard)))
    cello = score.lanes[1]
    assert cello.sounds > 0.8
    facts = told(score, 20, ("cello",), "one")
    told_of = f"cello (right, 100%) enters at {cello.enters_s:.1f} s, sounds for 4.9 s"
    assert facts == (f"{told_of}, if at all ({cello.sounds:.0%})",)


@pytest.mark.parametrize(
    ("number", "slots", "answer", "told_of"),
    [
        (28, ("left", "right"), "yes", ["tuba", "cello"]),
        (32, ("cello", "first"), "right", ["cello"]),
        (26, ("cello", "right", "tuba", "left"), "yes", ["tuba", "cello"]),
        (24, ("loudest",), "middle", ["violin", "tuba", "cello"]),
        (33, ("before", "tuba"), "violin", ["violin", "tuba", "cello"]),
    ],
)
def test_nobody_is_told_of_of_whom_the_question_does_not_speak(number, slots, answer, told_of):
    trio = made_reading(
        [seen_at(0.1, tuba=1.0), seen_at(0.5, violin=1.0), seen_at(0.9, cello=1.0)],
        {name: (1.0, [(start, 9.0)]) for name, start in (("violin", 1), ("tuba", 3), ("cello", 6))},
        level_db=np.array([{"violin": 0.0, "tuba": -8.0}.get(n, -16.0) for n in INSTRUMENTS]),
    )
    facts = told(score_of(trio), number, slots, answer)
    assert [fact.split(" (")[0] for fact in facts] == told_of


@pytest.mark.parametrize(
    ("number", "without", "why"),
    [
        (14, "has_picture", "there is no picture"),
        (9, "has_picture", "there is no picture"),
        (18, "has_picture", "there is no picture"),
        (18, "has_sound", "there is no sound"),
        (3, "has_sound", "there is no sound"),
        (16, "has_sound", "there is no sound"),
        (16, "has_picture", None),
        (3, "has_picture", None),
        (14, "has_sound", None),
    ],
)
def test_what_a_question_needs_and_a_file_has_not_is_said(number, without, why):
    assert lacking(replace(DUO, **{without: False}), number) == why


def test_who_is_named_and_nowhere_is_said_not_to_be_there():
    assert told(score_of(DUO), 10, ("tuba",), "no") == ("no tuba is seen (100%)",)
    assert told(score_of(DUO), 15, ("tuba",), "no") == ("no tuba is seen or heard (100%)",)


@pytest.mark.parametrize(("number", "shown"), [(26, "level -6 dB"), (27, "1.5 notes a second")])
def test_comparisons_tell_what_they_compare(number, shown):
    facts = told(score_of(DUO), number, ("violin", "left", "cello", "right"), "yes")
    assert len(facts) == 2
    assert shown in facts[1]


def test_questions_by_eye_tell_nothing_of_sound_and_those_by_ear_nothing_of_places():
    by_eye = told(score_of(DUO), 9, (), "two")
    assert by_eye[0].startswith("violin (left, ")
    assert by_eye[1] == "cello (right, 100%)"
    by_ear = told(score_of(DUO), 2, (), "two")
    assert len(by_ear) == 2
    assert not any("left" in fact or "right" in fact for fact in by_ear)


def test_what_is_asked_for_and_not_there_is_said_not_to_be_heard():
    assert told(score_of(DUO), 3, ("tuba",), "no") == ("tuba is not heard (100%)",)


def test_who_is_silent_is_said_to_be():
    reading = made_reading([seen_at(0.5, tuba=1.0)], {"violin": (1.0, [(0.0, 10.0)])})
    facts = told(score_of(reading), 18, (), "zero")
    assert "tuba (middle, 100%) is silent (100%)" in facts
    assert any(fact.startswith("violin (unseen, 100%) enters at 0.0 s") for fact in facts)


def test_of_equal_instruments_each_has_his_own_times():
    early, late = np.zeros(100), np.zeros(100)
    early[:50], late[50:] = 1.0, 1.0
    pair = [
        replace(seen_at(0.2, violin=1.0), plays=early),
        replace(seen_at(0.8, violin=1.0), plays=late),
    ]
    reading = made_reading(pair, {"violin": (1.0, [(0.0, 10.0)])})
    facts = told(score_of(reading), 32, ("violin", "first"), "left")
    assert "enters at 0.0 s" in facts[0]
    assert "enters at 5.0 s" in facts[1]


@pytest.mark.parametrize(("number", "fact"), [(14, "outdoors 75%"), (16, "somebody speaks 25%")])
def test_questions_about_the_whole_clip_tell_that_share(number, fact):
    assert told(score_of(DUO), number, (), "yes") == (fact,)

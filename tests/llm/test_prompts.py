"""Prompts say all that is meant and nothing that is not, and every change of a word is another."""

from dataclasses import replace

import pytest

from fixtures import make_clips, make_questions
from musicavqa.answers import ANSWERS
from musicavqa.answers.kinds import KINDS, kind_asked
from musicavqa.answers.scorers import read_answer
from musicavqa.llm.prompts import PRESETS, build, preset

QUESTIONS = make_questions(make_clips(11))


@pytest.mark.parametrize("name", PRESETS)
def test_every_template_makes_a_prompt_that_ends_in_no_blank_and_has_no_slot(name):
    for question in QUESTIONS:
        prompt = build(question, preset(name))
        assert prompt.text.startswith(question.text.strip())
        assert prompt.text == prompt.text.strip()
        assert "{" not in prompt.text
        assert len(prompt.candidates) == len(prompt.answers) >= 2


def test_an_unfilled_slot_is_an_error_that_names_it():
    raw = replace(QUESTIONS[0], text="How many <Object> are in the entire video?")
    with pytest.raises(ValueError, match="unfilled slot <Object>"):
        build(raw, preset("short"))


def test_candidates_of_all_presets_but_options_are_read_as_the_answers_they_stand_for():
    for name in ("bare", "short", "vocab", "typed"):
        for question in QUESTIONS:
            prompt = build(question, preset(name))
            for candidate, answer in zip(prompt.candidates, prompt.answers, strict=True):
                assert read_answer(candidate, question).answer == answer


def test_vocab_lists_all_answers_and_typed_only_those_of_the_kind():
    question = next(q for q in QUESTIONS if kind_asked(q.template) == "yes/no")
    assert set(build(question, preset("vocab")).answers) == set(ANSWERS)
    assert build(question, preset("typed")).answers == KINDS["yes/no"]
    assert "tells the kind" in preset("typed").label


def test_options_hold_the_answer_once_at_places_that_change_and_are_drawn_alike_again():
    counted = [
        replace(q, answer="three", key=f"{q.key}-{n}")
        for q in QUESTIONS
        if kind_asked(q.template) == "count"
        for n in range(20)
    ]
    places = []
    for question in counted:
        prompt = build(question, preset("mcq4"))
        assert prompt == build(question, preset("mcq4"))
        assert len(set(prompt.options)) == 4
        assert prompt.answers.count("three") == 1
        assert read_answer("A", question, "mcq", prompt.options).answer == prompt.answers[0]
        places.append(prompt.answers.index("three"))
    assert {places.count(place) > len(places) / 8 for place in range(4)} == {True}


def test_options_of_a_question_without_an_answer_are_refused():
    with pytest.raises(ValueError, match="no known answer"):
        build(replace(QUESTIONS[0], answer=None), preset("mcq4"))


def test_the_mark_of_a_prompt_changes_with_every_word():
    question = QUESTIONS[0]
    marks = {build(question, preset(name)).mark() for name in PRESETS}
    other = build(replace(question, text="Is there a quite other sound?"), preset("short"))
    assert len(marks | {other.mark()}) == len(PRESETS) + 1
    with pytest.raises(ValueError, match="no prompt preset 'shrt'"):
        preset("shrt")

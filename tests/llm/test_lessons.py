"""A data set as lessons, and the verbs that teach."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from llm.made_adapters import make_set
from llm.own_models import adapter, tokenizer
from musicavqa import catalog
from musicavqa.llm.contract import Opening
from musicavqa.llm.lessons import lessons_of
from musicavqa.llm.opening import open_model
from musicavqa.llm.own import save_model
from musicavqa.llm.prompts import preset, spoken
from musicavqa.llm.sampling import parse_policy
from musicavqa.llm.systems import systems, table
from musicavqa.llm.teaching import LoraRecipe, merged, teach
from musicavqa.methods.systems import LANGUAGE_MODEL, METHODS_ALL_THE_SAME

POLICY = parse_policy("frames=2 side=64 sound=whole")


def test_a_lesson_is_what_a_run_would_put(tmp_path):
    clips, questions = make_set(tmp_path)
    lessons = lessons_of("made train", questions, clips, preset("bare"), POLICY)
    asked, answer = lessons[0]
    assert (asked.text, answer) == (questions[0].text, spoken(questions[0].answer))
    assert asked.material.pictures.shape[0] == 2
    assert asked.material.sound is not None
    other = lessons_of("made train", questions[1:], clips, preset("bare"), POLICY)
    assert lessons.mark() != other.mark()
    assert lessons.mark().startswith(f"made train, {len(questions)} questions (")


def test_questions_without_clip_or_answer_are_left_out_and_counted(tmp_path):
    clips, questions = make_set(tmp_path)
    gone = [dataclasses.replace(clips[0], path=tmp_path / "nowhere.mp4"), clips[1]]
    blank = dataclasses.replace(questions[-1], answer=None)
    lessons = lessons_of("made", [*questions[:-1], blank], gone, preset("bare"), POLICY)
    assert all(question.clip == clips[1].id for question in lessons.questions)
    assert lessons.n_left_out == len(questions) - len(lessons)
    with pytest.raises(ValueError, match="None of the 1 questions"):
        lessons_of("made", [blank], clips, preset("bare"), POLICY)
    with pytest.raises(ValueError, match="not as letters"):
        lessons_of("made", questions, clips, preset("mcq4"), POLICY)


def test_a_taught_model_is_opened_like_any_other(tmp_path):
    clips, questions = make_set(tmp_path, per_clip=2)
    save_model(tmp_path / "model", "vita", adapter("vita").network, tokenizer(), "nothing")
    lessons = lessons_of("made train", questions, clips, preset("bare"), POLICY)
    model = open_model(str(tmp_path / "model"), Opening())
    teach(model, lessons, LoraRecipe(rank=2, batch=2), tmp_path / "lesson")
    again = open_model(str(tmp_path / "model"), Opening())
    merged(again, tmp_path / "lesson", tmp_path / "taught")
    told = json.loads((tmp_path / "taught" / "model.json").read_text())
    assert told["trained_on"].startswith("taught made train, 4 questions (")
    asked, answer = lessons[0]
    asked = dataclasses.replace(asked, candidates=("yes", answer))
    taught = open_model(str(tmp_path / "taught"), Opening()).score(asked).scores
    assert taught.tolist() == pytest.approx(model.score(asked).scores.tolist(), abs=1e-3)


def test_every_language_model_of_the_survey_is_in_the_table():
    entries = catalog.load().methods.values()
    wanted = {
        entry.name
        for entry in entries
        if entry.scope == "survey"
        and entry.family == LANGUAGE_MODEL
        and entry.name not in METHODS_ALL_THE_SAME
    }
    assert {system.name for system in systems()} == wanted


def test_the_page_holds_the_table():
    page = Path(__file__).parents[2] / "docs" / "llm_models.md"
    assert table() in page.read_text(), (
        "docs/llm_models.md is stale; put in what this prints: "
        "python -c 'from musicavqa.llm.systems import table; print(table())'"
    )

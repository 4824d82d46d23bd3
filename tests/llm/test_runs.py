"""A run is the same however often it was broken off, and its number says what it is made of."""

import json
import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace

import pytest

from conftest import grey_frames, sine, write_media
from made_adapters import Listener, make_set
from musicavqa.llm import runs
from musicavqa.llm.contract import Ability, Generation
from musicavqa.llm.prompts import preset
from musicavqa.llm.reporting import lines
from musicavqa.llm.running import Setting
from musicavqa.llm.sampling import parse_policy
from musicavqa.scoring import evaluation
from musicavqa.training.runs import load_predictions

POLICY = parse_policy("frames=2 side=64")


def errand(clips, questions, way="generate", **more):
    setting = Setting(way, preset(more.pop("prompt", "short")), more.pop("policy", POLICY))
    more.setdefault("baselines", False)
    return runs.Errand("synthetic", "train", clips, questions, setting, **more)


def run(tmp_path, *args, adapter=None, **more):
    adapter = adapter or Listener()
    folder = runs.run_llm(errand(*args, **more), adapter, tmp_path / "runs")
    return folder, runs.llm_report(folder, "train"), adapter


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    return make_set(tmp_path_factory.mktemp("set"))


@pytest.mark.parametrize("way", ["generate", "score", "choose"])
@pytest.mark.parametrize("prompt", ["short", "typed", "mcq4"])
def test_a_run_gives_one_prediction_per_question_that_is_scored_like_any(
    small_set, tmp_path, way, prompt
):
    clips, questions = small_set
    folder, told, _ = run(tmp_path, clips, questions, way=way, prompt=prompt)
    predictions = load_predictions(folder / "predictions.train.jsonl")
    assert [p.key for p in predictions] == [q.key for q in questions]
    scored = evaluation.evaluate(questions, predictions)
    assert told["score"]["groups"]["overall"]["accuracy"] == scored.scores["overall"].accuracy
    assert (predictions[0].confidence is not None) == (way == "score")


def test_the_same_command_asks_nothing_again_and_another_prompt_is_another_run(small_set, tmp_path):
    clips, questions = small_set
    folder, told, first = run(tmp_path, clips, questions)
    assert len(first.asked) == len(questions)
    again, told_again, second = run(tmp_path, clips, questions)
    assert (again, told_again, second.asked) == (folder, told, [])
    other, _, third = run(tmp_path, clips, questions, prompt="vocab")
    assert other != folder
    assert len(third.asked) == len(questions)


def test_changed_bytes_of_a_clip_make_its_answers_old_and_only_those(tmp_path):
    clips, questions = make_set(tmp_path)
    _, before, _ = run(tmp_path, clips, questions)
    write_media(clips[1].path, grey_frames(20)[5:], wave=sine(330, 2.0))
    _, after, adapter = run(tmp_path, clips, questions)
    assert len(adapter.asked) == sum(q.clip == "clip-1" for q in questions)
    assert after["records"] != before["records"]


def test_an_error_is_kept_asked_again_and_never_scored(small_set, tmp_path):
    clips, questions = small_set
    failing = questions[3].text.strip()
    folder, told, _ = run(tmp_path, clips, questions, adapter=Listener(fails=(failing,)))
    n_failing = sum(failing in q.text for q in questions)
    assert told["errors"] == {"server": n_failing}
    assert told["score"]["groups"]["overall"]["asked"] == len(questions) - n_failing
    assert "not scored" in told["withheld"]
    assert "withheld" in lines(told)
    made = {p.key: p for p in load_predictions(folder / "predictions.train.jsonl")}
    assert made[questions[3].key].outcome == "error"
    assert evaluation.evaluate(questions, list(made.values())).withheld
    _, told, adapter = run(tmp_path, clips, questions)
    assert len(adapter.asked) == n_failing
    assert told["errors"] == {}
    assert told["withheld"] is None


def test_nothing_but_errors_stops_the_run_and_keeps_what_there_is(tmp_path):
    clips, questions = make_set(tmp_path, 2, 15)
    with pytest.raises(ChildProcessError, match="20 errors in a row"):
        run(tmp_path, clips, questions, adapter=Listener(fails=("",)))


def test_a_lost_clip_is_no_media_and_the_others_are_answered(tmp_path):
    clips, questions = make_set(tmp_path)
    clips[0].path.write_bytes(b"no video at all")
    _, told, adapter = run(tmp_path, clips, questions)
    assert len(adapter.asked) == sum(q.clip == "clip-1" for q in questions)
    assert told["score"]["groups"]["overall"]["no_media"] == sum(
        q.clip == "clip-0" for q in questions
    )


def test_a_refusal_is_wrong_and_counted_as_such(small_set, tmp_path):
    clips, questions = small_set
    adapter = Listener(says="I'm sorry, I can't listen to this audio.")
    _, told, _ = run(tmp_path, clips, questions, adapter=adapter)
    assert told["score"]["outcomes"] == {"refusal": len(questions)}
    assert told["score"]["groups"]["overall"]["accuracy"] == 0


def test_a_model_that_cannot_hear_is_refused_left_out_or_labelled(small_set, tmp_path):
    clips, questions = small_set
    deaf = Listener(ability=Ability("V", ("generate",)))
    reached = [q for q in questions if q.cell.startswith("V")]
    with pytest.raises(ValueError, match="sees but does not hear"):
        run(tmp_path, clips, questions, adapter=deaf)
    folder, told, _ = run(tmp_path, clips, questions, adapter=deaf, beyond="leave")
    assert told["counts"]["left out: beyond its senses"] == len(questions) - len(reached)
    kept = (folder / "reached.train.txt").read_text().split()
    assert sorted(kept) == sorted(q.key for q in reached)
    _, told, _ = run(tmp_path, clips, questions, adapter=deaf, beyond="label")
    assert told["counts"]["asked beyond its senses"] == len(questions) - len(reached)


def test_long_sound_that_was_not_heard_is_reported(tmp_path):
    clips, questions = make_set(tmp_path, 1)
    hard_of_hearing = Listener(ability=Ability("AV", ("generate",), longest_sound_s=0.5))
    _, told, _ = run(tmp_path, clips, questions, adapter=hard_of_hearing)
    assert told["receipt"]["seconds_heard"]["most"] == 0.5
    assert told["coverage"]["clips not heard whole"] == 1
    assert told["coverage"]["seconds not heard"] == pytest.approx(1.5, abs=0.1)
    assert "clips not heard whole 1" in lines(told)


def test_baselines_stand_beside_the_number(small_set, tmp_path):
    clips, questions = small_set
    more = {"baselines": True, "prior_from": questions}
    _, told, adapter = run(tmp_path, clips, questions, **more)
    assert len(adapter.asked) == 3 * len(questions)
    names = {name.partition(" (")[0] for name in told["baselines"]}
    assert {"template prior", "the question alone", "one picture, no sound"} < names
    assert len(names) == 5
    ceiling = told["baselines"]["the commonest answer of each template (chosen on these questions)"]
    assert told["baselines"]["template prior (from training questions)"] == ceiling
    assert "the question alone" in lines(told)


def test_requests_in_parallel_give_the_report_of_one_after_another(small_set, tmp_path):
    clips, questions = small_set
    _, alone, _ = run(tmp_path / "alone", clips, questions)
    _, many, adapter = run(tmp_path / "many", clips, questions, adapter=Listener(parallel=4))
    assert many == alone
    assert len(adapter.asked) == len(questions)


def test_generation_arguments_and_the_model_are_in_the_name_of_the_run(small_set, tmp_path):
    clips, questions = small_set
    asked = errand(clips, questions)
    longer = replace(asked, setting=replace(asked.setting, generation=Generation(max_tokens=8)))
    folders = {
        runs.run_folder(tmp_path, asked, Listener()),
        runs.run_folder(tmp_path, longer, Listener()),
        runs.run_folder(tmp_path, asked, Listener(model="Other-2.5")),
    }
    assert len(folders) == 3
    assert {folder.parent.name for folder in folders} == {"listener", "Other-2-5"}


@pytest.mark.slow
def test_fifty_kills_in_mid_run_end_in_the_report_of_a_run_that_was_let_alone(tmp_path):
    clips, questions = make_set(tmp_path, 3, 33)
    whole, _, _ = run(tmp_path / "whole", clips, questions, baselines=True)
    draw, fork, kills = random.Random(0), multiprocessing.get_context("fork"), 0

    def once():
        adapter = Listener(pause_s=0.01)
        run(tmp_path / "broken", clips, questions, adapter=adapter, baselines=True)

    while kills < 50:
        process = fork.Process(target=once)
        process.start()
        time.sleep(draw.uniform(0.05, 0.75))
        if not process.is_alive():
            break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
    broken, _, _ = run(tmp_path / "broken", clips, questions, baselines=True)
    for name in ("report.train.json", "predictions.train.jsonl", "marks.train.json", "run.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    assert kills == 50, f"the run ended after {kills} kills: make it longer"
    marks = [
        json.loads(line)["mark"] for line in (broken / "records.jsonl").read_text().splitlines()
    ]
    assert len(marks) == len(set(marks))

"""From renderings to a checkpoint that answers, at tiny sizes; killed on the way, it goes on."""

import dataclasses
import inspect
import json
import shutil
import sys

import numpy as np
import pytest
import torch
import typer

from musicavqa.bandstand.exports import make_questions
from musicavqa.bandstand.fonts import Fonts
from musicavqa.bandstand.scene import sample_scene
from musicavqa.cli import app, teaching
from musicavqa.methods.bandleader import Model, Options
from musicavqa.methods.registry import load_checkpoint
from musicavqa.records import Clip
from musicavqa.training.batches import make_batches
from musicavqa.training.lessons import Course, Lessons, Rehearsal, calibration, check_course, teach

N_CLIPS, N_SECONDS = 22, 10
SHAPES = {
    "audio_logmel": (2, 50, 64),
    "audio_yamnet": (1545,),
    "visual_keyframes": (1438, 11, 14),
    "visual_movement": (10, 24, 32),
}
TINY = Lessons(
    stills=3,
    eye_passes=2,
    stem_scenes=2,
    speeches=2,
    ear_short_steps=2,
    ear_steps=1,
    ear_fine_steps=2,
    fit_scenes=1,
    fit_passes=8,
    takes=2,
    gesture_steps=2,
    time_steps=2,
    in_step_steps=2,
    clips=N_CLIPS,
    options=Options(eye_width=8, eye_blocks=1, ear_width=8, fit_width=8),
)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def rehearsal():
    """True scenes with questions, but streams of noise: nothing is rendered."""
    scenes = [sample_scene("train", index) for index in range(N_CLIPS)]
    clips = [Clip(scene["id"], None, float(N_SECONDS), scene) for scene in scenes]
    rng = np.random.default_rng(0)
    streams = {}
    for name, shape in SHAPES.items():
        rows = rng.standard_normal((N_CLIPS, 3, *shape), np.float32).astype(np.float16)
        streams[name] = {
            clip.id: np.repeat(row, 4, 0)[:N_SECONDS] for clip, row in zip(clips, rows, strict=True)
        }
    return Rehearsal(clips, make_questions(scenes, "train", per_template=6), streams)


@pytest.fixture
def few_rounds(monkeypatch):
    monkeypatch.setattr(calibration, "N_ROUNDS", 2)


def course(folder, tell=lambda done, total, remark: None):
    return Course(folder, Fonts({}), tell=tell)


def test_a_killed_course_goes_on_to_a_run_folder_that_answers(tmp_path, rehearsal, few_rounds):
    def kill_in_the_ear(done, total, remark):
        if remark == "ear":
            raise Killed

    check_course(course(tmp_path), TINY)
    with pytest.raises(Killed):
        teach(course(tmp_path, kill_in_the_ear), TINY, rehearsal)
    assert (tmp_path / "lessons" / "ear-whole.safetensors").exists()
    assert not (tmp_path / "checkpoint.safetensors").exists()
    stages = []
    check_course(course(tmp_path), TINY)
    folder = teach(course(tmp_path, lambda d, t, remark: stages.append(remark)), TINY, rehearsal)
    gestures = {"takes", "gestures", "times", "in_step"}
    assert set(stages) == {"ear", "scenes", "fit", "looking", "weighing"} | gestures
    _is_a_run(folder, rehearsal)
    shutil.rmtree(tmp_path / "lessons")  # a finished course needs it no more
    check_course(course(tmp_path), TINY)
    assert teach(course(tmp_path, kill_in_the_ear), TINY, rehearsal) == folder


def _is_a_run(folder, rehearsal):
    about = json.loads((folder / "run.json").read_text())
    assert about["data"]["name"] == "bandstand"
    assert about["lessons"]["fonts"] == ["timgm6mb"]
    assert about["options"]["ear_width"] == 8
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    stages = [row["stage"] for row in log]
    assert list(dict.fromkeys(stages)) == [
        "eye",
        "ear-short",
        "ear-whole",
        "ear",
        "fit",
        "gestures",
        "times",
        "in_step",
        "calibration",
    ]
    checkpoint = load_checkpoint(folder)
    learned = checkpoint.model.state_dict()
    torch.manual_seed(TINY.seed)
    newborn = Model(TINY.options).state_dict()
    judged = ("fitting", "gestures", "times", "in_step", "there", "audible")
    for part in ("eye.", "ear.", *(f"judge.{name}." for name in judged), "prior"):
        names = [name for name in learned if name.startswith(part)]
        assert any(not torch.equal(learned[name], newborn[name]) for name in names), part
    assert not checkpoint.model.pictures.usual.isinf()
    assert not checkpoint.model.sounds.usual.isinf()
    questions = rehearsal.questions[:3]
    batch = next(make_batches(rehearsal.clips, questions, rehearsal.streams, 1))
    with torch.inference_mode():
        assert checkpoint.model(batch).logits.isfinite().all()


def test_the_prior_counts_answers_of_each_template(rehearsal):
    from musicavqa.answers import index

    model = Model(TINY.options)
    calibration.learn_prior(model, rehearsal.questions)
    shares = model.prior.detach().exp()
    assert shares.sum(1).tolist() == pytest.approx([1.0] * 34, abs=1e-4)
    asked = [q for q in rehearsal.questions if q.template == rehearsal.questions[0].template]
    answer = asked[0].answer
    n = sum(question.answer == answer for question in asked)
    share = float(shares[asked[0].template - 1, index(answer)])
    assert share == pytest.approx((n + 0.01) / (len(asked) + 0.42), rel=1e-3)


def test_too_few_clips_are_told_with_their_number(rehearsal, few_rounds):
    asked = [q for q in rehearsal.questions if q.clip == rehearsal.questions[0].clip]
    few = Rehearsal(rehearsal.clips, asked, rehearsal.streams)
    with pytest.raises(ValueError, match="3 rows are too few for 64 directions"):
        calibration.calibrate(Model(TINY.options), few, torch.zeros(0, 640), lambda *_: None)


def test_the_command_does_by_default_what_python_does():
    options = inspect.signature(teaching.teach).parameters
    ours = {item.name: item.default for item in dataclasses.fields(Lessons)}
    assert {name: options[name].default for name in ours.keys() - {"options"}} == {
        name: value for name, value in ours.items() if name != "options"
    }


def test_a_folder_of_other_lessons_is_not_taken(tmp_path):
    check_course(course(tmp_path), Lessons())
    check_course(course(tmp_path), Lessons())
    with pytest.raises(ValueError, match=f"was begun with stills {Lessons().stills}, not 7"):
        check_course(course(tmp_path), Lessons(stills=7))


@pytest.mark.parametrize("name", ["stills", "clips", "ear_steps"])
def test_lessons_of_nothing_are_told(name):
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least"):
        Lessons(**{name: 0})


def test_the_options_of_the_command_are_the_defaults_of_the_lessons():
    command = typer.main.get_command(app).commands["teach"]
    given = {option.name: option.default for option in command.params}
    for field in dataclasses.fields(Lessons):
        if field.name != "options":
            assert given[field.name] == field.default, field.name


def test_the_command_says_which_soundfonts_are_not_here(tmp_path, command_line, monkeypatch):
    from musicavqa import workflow

    monkeypatch.setattr(workflow, "teach", lambda out, lessons, **rest: out)
    monkeypatch.setattr(sys.modules["musicavqa.bandstand.fonts"], "SYSTEM", tmp_path / "none")
    (tmp_path / "FluidR3_GM.sf2").write_bytes(b"another font")
    code, out, err = command_line("teach", tmp_path / "run", "--fonts", tmp_path)
    assert code == 0
    assert out.strip() == str(tmp_path / "run")
    assert len(err.splitlines()) == 1
    for name in ("FluidR3_GM.sf2 (fluid-soundfont-gm)", "sf_GMbank.sf2 (csound-soundfont)"):
        assert name in err
    code, _, err = command_line("teach", tmp_path / "run", "--fonts", tmp_path / "nowhere")
    assert code == 1
    assert "There is no folder of soundfonts" in err


@pytest.mark.slow
def test_the_command_teaches_from_nothing(tmp_path, command_line, few_rounds):
    sizes = {
        "stills": 56, "eye-passes": 1, "stem-scenes": 3, "speeches": 1, "ear-short-steps": 1,
        "ear-steps": 1, "ear-fine-steps": 1, "fit-scenes": 1, "fit-passes": 8, "clips": 5,
        "takes": 1, "gesture-steps": 1, "time-steps": 1, "in-step-steps": 1,
    }  # fmt: skip
    given = [part for name, size in sizes.items() for part in (f"--{name}", size)]
    code, out, err = command_line("teach", tmp_path / "run", *given)
    assert code == 0, err
    run = tmp_path / "run"
    assert out.strip() == str(run)
    assert {path.name for path in run.iterdir()} >= {
        "run.json", "log.jsonl", "checkpoint.safetensors", "trained_on.jsonl",
    }  # fmt: skip
    assert load_checkpoint(run).model.options.fit_width == 64
    assert command_line("teach", run, *given)[:2] == (0, out)

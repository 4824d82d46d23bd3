"""How bandleader is taught: each sense by what it is made for, then all on rendered clips.

Stills for the eye, mixes of stems for the ear, scenes with equal instruments for fit: each is
rendered alone, which is some twenty times cheaper than whole clips. Every stage leaves a finished
file; a killed run does what is missing (docs/teaching.md).
"""

from __future__ import annotations

import dataclasses
import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import musicavqa
from musicavqa.bandstand.fonts import Fonts
from musicavqa.files import parse_json, read_json, write_json, write_text
from musicavqa.methods.bandleader import Model, Options
from musicavqa.methods.registry import load_method, save_checkpoint
from musicavqa.training.lessons import gestures
from musicavqa.training.lessons.calibration import Rehearsal, calibrate
from musicavqa.training.lessons.ear import Steps, learn_ear
from musicavqa.training.lessons.eye import learn_eye
from musicavqa.training.lessons.fit import learn_fit, make_scenes
from musicavqa.training.lessons.gestures import learn_gestures, make_takes
from musicavqa.training.lessons.mixes import Bank
from musicavqa.training.lessons.shards import Material, Tell
from musicavqa.training.lessons.stems import make_speeches, make_stems
from musicavqa.training.lessons.stills import looks_of, make_stills
from musicavqa.training.lessons.study import Desk

__all__ = ["Course", "Lessons", "Rehearsal", "teach"]

METHOD = "bandleader"
FIT_DROPOUT = 0.25
STUDIES = ("eye", "ear-short", "ear-whole", "ear", "fit", "gestures", "times", "in_step")


@dataclass(frozen=True)
class Lessons:
    """How much is rendered, and how long each sense learns."""

    stills: int = 4000
    """Pictures for the eye."""
    eye_passes: int = 4
    """Over all stills."""
    stem_scenes: int = 4500
    """Scenes whose players the ear hears one by one; about three stems each."""
    speeches: int = 250
    """Announcements."""
    ear_short_steps: int = 12_000
    """Of the ear, on mixes of two seconds."""
    ear_steps: int = 3_000
    """Of the ear, on mixes of ten seconds."""
    ear_fine_steps: int = 5_000
    """Likewise, with more weight on onsets and levels."""
    fit_scenes: int = 700
    """Scenes for fit."""
    fit_passes: int = 30
    """Over all of these."""
    takes: int = 800
    """Scenes for gestures."""
    gesture_steps: int = 3000
    """Of gestures, on 32 performers each."""
    time_steps: int = 2000
    """Likewise of who sounds when."""
    in_step_steps: int = 2000
    """Likewise of whether sound goes with movement."""
    clips: int = 250
    """Rendered clips on which all is weighed."""
    seed: int = 0
    """Of weights, order and chance; equal seeds give equal files on one machine."""
    options: Options = field(default_factory=Options)
    """Sizes of the networks."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if isinstance(value, int) and item.name != "seed" and value < 1:
                raise ValueError(f"{item.name} is {value}; it must be at least 1.")


@dataclass(frozen=True)
class Course:
    """Where lessons take place and with what."""

    folder: Path
    """The run folder."""
    fonts: Fonts
    workers: int = 1
    """Processes that render, and threads that learn."""
    tell: Tell = lambda done, total, remark: None

    @property
    def desk(self) -> Path:
        """Folder of what is rendered and learned on the way."""
        return self.folder / "lessons"


def teach(course: Course, lessons: Lessons, rehearsal: Rehearsal) -> Path:
    """Teach bandleader by `lessons`, weigh it on `rehearsal`; returns the run folder.

    Stages that are finished are not repeated. `check_course` says whether a folder belongs to
    other lessons.
    """
    if (course.folder / "run.json").exists():
        return course.folder
    started_s = time.process_time()
    with _threads(course.workers):
        model = _newborn(lessons)
        desk = Desk(course.desk, lessons.seed, course.tell)
        stills = _teach_eye(model, course, lessons, desk)
        _teach_ear(model, course, lessons, desk)
        _teach_fit(model, course, lessons, desk)
        _teach_gestures(model, course, lessons, desk)
        rounds = calibrate(model, rehearsal, looks_of(stills), course.tell)
    _write_log(course, rounds)
    save_checkpoint(course.folder / "checkpoint.safetensors", load_method(METHOD), model)
    _write_run(model, course, lessons, rehearsal, time.process_time() - started_s)
    return course.folder


def _newborn(lessons: Lessons) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(lessons.seed)
        return Model(lessons.options)


def _write_log(course: Course, rounds: list[dict[str, float]]) -> None:
    studied = [(course.desk / f"{name}.jsonl").read_text(encoding="utf-8") for name in STUDIES]
    weighed = [json.dumps({"stage": "calibration", **row}) + "\n" for row in rounds]
    write_text(course.folder / "log.jsonl", "".join(studied + weighed))


def check_course(course: Course, lessons: Lessons) -> None:
    """Note the settings of a new run folder; ValueError where it was begun with others."""
    course.desk.mkdir(parents=True, exist_ok=True)
    settings = parse_json(json.dumps(_settings(course, lessons)))
    path = course.folder / "lessons.json"
    if not path.exists():
        write_json(path, settings)
        return
    begun = read_json(path)
    other = sorted(name for name in settings if begun.get(name) != settings[name])
    if other:
        name = other[0]
        raise ValueError(
            f"{course.folder} was begun with {name} {begun.get(name)}, not {settings[name]}. "
            f"Give the same again, or another folder."
        )


def _teach_eye(model: Model, course: Course, lessons: Lessons, desk: Desk) -> Material:
    folder = course.desk / "stills"
    stills = make_stills(
        folder, lessons.stills, lessons.seed, course.workers, _of(course, "stills")
    )
    learn_eye(model.eye, stills, lessons.eye_passes, desk)
    return stills


def _teach_ear(model: Model, course: Course, lessons: Lessons, desk: Desk) -> None:
    seed, workers = lessons.seed, course.workers
    told = _of(course, "stems")
    stems = make_stems(
        course.desk / "stems", lessons.stem_scenes, course.fonts, seed, workers, told
    )
    speeches = make_speeches(course.desk / "speeches", lessons.speeches, seed, workers, told)
    bank = Bank(stems, speeches)
    steps = Steps(lessons.ear_short_steps, lessons.ear_steps, lessons.ear_fine_steps)
    learn_ear(model.ear, bank, steps, desk)


def _teach_fit(model: Model, course: Course, lessons: Lessons, desk: Desk) -> None:
    folder = course.desk / "fit"
    scenes = make_scenes(folder, lessons.fit_scenes, course.workers, _of(course, "scenes"))
    fit = model.judge.fitting
    usual = [(part, part.p) for part in fit.modules() if isinstance(part, nn.Dropout)]
    for part, _ in usual:  # few scenes: more is left out than elsewhere
        part.p = FIT_DROPOUT
    learn_fit(fit, scenes, lessons.fit_passes, desk)
    for part, share in usual:
        part.p = share


def _teach_gestures(model: Model, course: Course, lessons: Lessons, desk: Desk) -> None:
    folder = course.desk / "takes"
    takes = make_takes(folder, lessons.takes, course.workers, _of(course, "takes"))
    steps = gestures.Steps(lessons.gesture_steps, lessons.time_steps, lessons.in_step_steps)
    learn_gestures(model.judge, model.ear, takes, steps, desk)


def _of(course: Course, what: str) -> Tell:
    return lambda done, total, remark: course.tell(done, total, what)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _settings(course: Course, lessons: Lessons) -> dict[str, Any]:
    return {**dataclasses.asdict(lessons), "fonts": course.fonts.names}


def _write_run(
    model: Model, course: Course, lessons: Lessons, rehearsal: Rehearsal, cpu_s: float
) -> None:
    """run.json, which ends the run."""
    method = load_method(METHOD)
    settings = _settings(course, lessons)
    versions = {"musicavqa": musicavqa.__version__, "python": platform.python_version()}
    versions.update(torch=torch.__version__, numpy=np.__version__)
    about = {
        "method": METHOD,
        "streams": list(method.streams(lessons.options)),
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "options": settings.pop("options"),
        "seed": settings.pop("seed"),
        "lessons": settings,
        "data": {
            "name": "bandstand",
            "mute": [],
            "clips": len(rehearsal.clips),
            "train": len(rehearsal.questions),
        },
        "device": "cpu",
        "temperature": 1.0,
        "versions": versions,
        "cost": {"cpu_seconds": round(cpu_s, 1)},
    }
    write_json(course.folder / "run.json", about)

"""One plain training loop for every method: from options, a recipe and data to a run folder.

A method may have stages before it learns to answer; the last weights of one begin the next.
Nothing is pickled: state.safetensors holds model, optimizer and counters of the last epoch,
checkpoint.safetensors the best weights with all that is needed to build the model again.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import musicavqa
from musicavqa.features.towers import supply
from musicavqa.files import write_json
from musicavqa.methods.card import Recipe
from musicavqa.methods.registry import Checkpoint, load_checkpoint, load_method, save_checkpoint
from musicavqa.metrics.calibration import fit_temperature
from musicavqa.tensor_files import read_safetensors
from musicavqa.training.answering import Tell, infer, predict, write_answers
from musicavqa.training.data import Data
from musicavqa.training.learner import Learner, loss_parts
from musicavqa.training.memory import kept_pages
from musicavqa.training.runs import run_folder
from musicavqa.training.schedule import rate_factor
from musicavqa.training.settings import (
    check_plugins,
    check_stages,
    check_time,
    code_of,
    load_plugins,
    settings_of,
)
from musicavqa.training.team import join
from musicavqa.training.writers import open_writers

__all__ = [
    "Checkpoint", "Data", "Tell", "infer", "load_checkpoint", "loss_parts", "predict",
    "rate_factor", "save_checkpoint", "train", "write_answers",
]  # fmt: skip


def train(
    method: str | Path,
    options: Any,
    recipe: Recipe | None,
    data: Data,
    out: Path,
    seed: int | None = None,
    device: str = "cpu",
    resume: bool = True,
    stages: Mapping[str, Recipe] | None = None,
    plugins: Mapping[str, Any] | None = None,
    tell: Tell | None = None,
    writers: Sequence[str] = (),
) -> Path:
    """Train one model and return its run folder; a finished run is returned as it is.

    The folder's name comes from all that decides the result: options, recipes, data, the code of
    method and plug-ins. Where any of it has changed, another run begins. Not the device, nor how
    many processes train together (see `team`): these change a result by rounding alone, and by
    what a method draws while training.

    `options` is the method's Options (None: its defaults), `recipe` and `stages` None take the
    method's own for this data set, `stages={}` goes straight to answering, `out` is the folder of
    all runs. `plugins` maps names or paths of plug-ins to their Options (None: the defaults).
    `writers` are 'tensorboard' and 'wandb', which get the numbers of log.jsonl too.
    """
    found = load_method(method)
    options = options if options is not None else found.options()
    recipe = recipe or found.recipe(data.name)
    recipe = dataclasses.replace(recipe, seed=recipe.seed if seed is None else seed)
    stages = found.stages(data.name, options) if stages is None else stages
    check_stages(found, stages)
    added = load_plugins(plugins or {}, found)
    code = {"code": code_of(found, added)}
    settings = {**settings_of(options, recipe, stages, data, added), **code}
    folder = run_folder(out, data.name, found.name, settings)
    team = join(device)
    check_plugins(added, recipe, team.size)
    check_time([recipe, *stages.values()], team.size)
    if resume and (folder / "run.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with kept_pages(), torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        run = Learner(found, found.build(options), recipe, stages, data, folder, team)
        if not (resume and run.state.exists()):
            supply(run.model)
        run.tell = tell
        run.connect(added)
        if found.card.trained == "counting":
            run.count()
        else:
            _learn(run, resume, writers, settings)
        _write_run(run, settings)
    return folder


def _learn(run: Learner, resume: bool, names: Sequence[str], settings: dict[str, Any]) -> None:
    """Let it learn, and the writers tell of it."""
    log = run.folder / "log.jsonl"
    begun = len(log.read_text(encoding="utf-8").splitlines()) if resume and log.exists() else 0
    run.writers = open_writers(names, run.folder, settings, begun) if run.team.leads else ()
    try:
        run.learn(resume)
    finally:
        for writer in run.writers:
            writer.close()


def _write_run(run: Learner, settings: dict[str, Any]) -> None:
    """Fit the temperature of the best weights, then write run.json, which ends the run."""
    run.team.wait()
    run.model.load_state_dict(read_safetensors(run.checkpoint)[0])
    temperature = fit_temperature(*run.validation())
    if run.team.leads:
        save_checkpoint(run.checkpoint, run.method, run.model, temperature)
        write_json(run.folder / "run.json", {**settings, **_about(run, temperature)})
    run.team.wait()


def _about(run: Learner, temperature: float) -> dict[str, Any]:
    """What run.json tells besides the settings."""
    versions = {"musicavqa": musicavqa.__version__, "python": platform.python_version()}
    versions.update(torch=torch.__version__, numpy=np.__version__)
    about = {
        "method": run.method.name,
        "streams": list(run.streams),
        "parameters": sum(weight.numel() for weight in run.model.parameters()),
        "device": str(run.team.device),
        "processes": run.team.size,
        "versions": versions,
        "ended": run.progress.ended,
        "best_epoch": run.progress.best_epoch,
        "validation_accuracy": run.progress.best_accuracy,
        "temperature": temperature,
        "cost": run.cost(),
    }
    if run.stages:
        rows = [row for row in run.progress.log if "stage" in row]
        about["stage_losses"] = {row["stage"]: row["losses"] for row in rows}  # the last of each
    return about

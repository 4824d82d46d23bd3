"""One plain training loop for every method, its checkpoints, and prediction.

An epoch is repeatable by itself: its clips, its negatives and its dropout come from (seed, epoch).
A run that was killed therefore goes on from the last whole epoch and ends with the same weights.
A method may have stages before it learns to answer; the last weights of one begin the next.
Nothing is pickled: state.safetensors holds model, optimizer and counters of the last epoch,
checkpoint.safetensors the best weights with all that is needed to build the model again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import platform
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import musicavqa
from musicavqa import answers
from musicavqa.features.store import ClipStore
from musicavqa.features.towers import supply
from musicavqa.files import write_json, write_text
from musicavqa.methods.card import Recipe
from musicavqa.methods.plugins.contract import Chain, connect
from musicavqa.methods.registry import (
    Checkpoint,
    Method,
    code_hash,
    load_checkpoint,
    load_method,
    load_plugin,
    save_checkpoint,
)
from musicavqa.metrics.calibration import fit_temperature
from musicavqa.processes import peak_mb
from musicavqa.records import Batch, Clip, Output, Prediction, Question
from musicavqa.tensor_files import read_safetensors
from musicavqa.training.batches import Collation, make_batches, scene_truth
from musicavqa.training.costs import count_flops
from musicavqa.training.runs import (
    Append,
    Progress,
    load_progress,
    load_state,
    run_folder,
    save_state,
    to_predictions,
)

__all__ = [
    "Checkpoint", "Data", "infer", "load_checkpoint", "loss_parts", "predict", "rate_factor",
    "save_checkpoint", "train", "write_answers",
]  # fmt: skip


Tell = Callable[[float, float | None, str], None]
"""Told what is done, of how much, and a remark."""
ANSWERING = ""
"""Name of the last stage, in which a method learns to answer."""


@dataclass(frozen=True)
class Data:
    """What is trained and validated on."""

    name: str
    """Of the data set: a folder name under the runs."""
    clips: Sequence[Clip]
    train: Sequence[Question]
    validation: Sequence[Question]
    streams: Mapping[str, ClipStore]
    texts: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Text stream -> question text -> its rows, for methods that read one."""
    identity: Mapping[str, Any] = field(default_factory=dict)
    """Revision, encoder hashes and the like: goes to run.json and decides the run's folder."""
    mute: tuple[str, ...] = ()
    """'audio' and/or 'visual', in training and validation."""


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
) -> Path:
    """Train one model and return its run folder; a finished run is returned as it is.

    The folder's name comes from all that decides the result: options, recipes, data, the code of
    method and plug-ins. Where any of it has changed, another run begins.

    `options` is the method's Options (None: its defaults), `recipe` and `stages` None take the
    method's own for this data set, `stages={}` goes straight to answering, `out` is the folder of
    all runs. `plugins` maps names or paths of plug-ins to their Options (None: the defaults).
    """
    found = load_method(method)
    options = options if options is not None else found.options()
    recipe = recipe or found.recipe(data.name)
    recipe = dataclasses.replace(recipe, seed=recipe.seed if seed is None else seed)
    stages = found.stages(data.name) if stages is None else stages
    _check_stages(found, stages)
    added = _load_plugins(plugins or {}, found)
    settings = {**_settings(options, recipe, stages, data, added), "code": _code(found, added)}
    folder = run_folder(out, data.name, found.name, settings)
    if resume and (folder / "run.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        run = _Run(found, found.build(options).to(device), recipe, stages, data, folder, device)
        if not (resume and run.state.exists()):
            supply(run.model)
        run.tell = tell
        run.connect(added)
        if found.card.trained == "counting":
            run.count()
        else:
            run.learn(resume)
    _write_run(run, settings)
    return folder


class _Run:
    """State of one training run."""

    def __init__(
        self,
        method: Method,
        model: nn.Module,
        recipe: Recipe,
        stages: Mapping[str, Recipe],
        data: Data,
        folder: Path,
        device: str,
    ) -> None:
        self.method, self.model, self.recipe, self.stages = method, model, recipe, stages
        self.data, self.folder, self.device = data, folder, device
        self.streams = {name: data.streams[name] for name in method.streams(model.options)}
        self.collation = Collation(
            negatives=method.negatives(model.options),
            mute=data.mute,
            texts=data.texts,
            truth=scene_truth() if method.card.truth else None,
        )
        self.plugins = Chain()
        self.learner = model
        self.tell: Tell | None = None
        self.progress = Progress()
        self.state = folder / "state.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"

    def connect(self, added: Mapping[str, tuple[Any, Any]]) -> None:
        """Put plug-ins, name -> (module, options), beside the model."""
        if not added:
            return
        data, collation = self.data, Collation(mute=self.data.mute, texts=self.data.texts)
        batch = next(make_batches(data.clips, data.train, self.streams, 1, None, collation))
        batch = batch.to(self.device)
        self.plugins = connect(added, self.method.name, self.model, batch).to(self.device)
        self.learner = nn.ModuleDict({"model": self.model, "plugins": self.plugins})

    def learn(self, resume: bool) -> None:
        """Train stage by stage and then to answer, from where a former run stopped."""
        phases = {**self.stages, ANSWERING: self.recipe}
        saved = load_progress(self.state) if resume and self.state.exists() else None
        names = list(phases)
        if saved and saved.stage not in names:
            raise ValueError(
                f"{self.state} is in a stage {saved.stage!r}, which is none. Delete it."
            )
        for name in names[names.index(saved.stage) if saved else 0 :]:
            self.optimizer = _optimizer(self.learner, phases[name])
            if saved:
                load_state(self.state, self.learner, self.optimizer)
            self.progress = saved or Progress(stage=name, log=self.progress.log)
            saved = None
            while not self.progress.finished:
                self._epoch(phases[name])

    def count(self) -> None:
        """Let a method without a loop count its training questions."""
        self.model.fit(self.data.train)
        save_checkpoint(self.checkpoint, self.method, self.model)
        self.progress.best_accuracy = self.accuracy()

    def accuracy(self) -> float:
        """Accuracy in percent on the validation questions."""
        logits, truth = self.validation()
        return 100.0 * float((logits.argmax(1) == truth).mean())

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, 42) and answers (N,) of the validation questions."""
        data, collation = self.data, Collation(mute=self.data.mute, texts=self.data.texts)
        size = self.recipe.batch_clips
        keys, logits = infer(
            self.model,
            make_batches(data.clips, data.validation, self.streams, size, None, collation),
            self.device,
        )
        known = {question.key: question.answer for question in data.validation}
        return logits, np.array([answers.index(known[key] or "") for key in keys])

    def cost(self) -> dict[str, Any]:
        """What training took in all epochs, and what one question about one clip takes.

        cpu_seconds: with validation; step_cpu_ms: of the fastest epoch, batches included;
        peak_mb: of this process, None where the system does not tell; gflops: of the forward pass.
        """
        log = [row for row in self.progress.log if "steps" in row]
        totals = {name: sum(row[name] for row in log) for name in ("questions", "cpu_seconds")}
        peak = peak_mb()
        fastest = min(log, key=lambda row: row["step_cpu_ms"], default={})
        collation = Collation(texts=self.data.texts)
        asked = make_batches(
            self.data.clips, self.data.validation[:1], self.streams, 1, None, collation
        )
        return {
            **totals,
            "step_cpu_ms": fastest.get("step_cpu_ms"),
            "peak_mb": None if peak is None else round(peak),
            "gflops": count_flops(self.model.eval(), next(asked).to(self.device)) / 1e9,
        }

    def _epoch(self, recipe: Recipe) -> None:
        start_s, start_cpu_s, progress = time.perf_counter(), time.process_time(), self.progress
        epoch = progress.epoch
        row: dict[str, Any] = {"stage": progress.stage} if progress.stage else {}
        row |= {"epoch": epoch, **self._pass(recipe, epoch)}
        if progress.stage == ANSWERING:
            row["validation_accuracy"] = accuracy = self.accuracy()
            if accuracy > progress.best_accuracy:
                progress.best_accuracy, progress.best_epoch = accuracy, epoch
                save_checkpoint(self.checkpoint, self.method, self.model)
        spent = epoch - progress.best_epoch
        progress.epoch = epoch + 1
        progress.finished = epoch + 1 == recipe.epochs or (
            recipe.patience is not None and spent >= recipe.patience
        )
        row["seconds"] = round(time.perf_counter() - start_s, 3)
        row["cpu_seconds"] = round(time.process_time() - start_cpu_s, 3)
        progress.log.append(row)
        save_state(self.state, self.learner, self.optimizer, progress)
        lines = "".join(json.dumps(line) + "\n" for line in progress.log)
        write_text(self.folder / "log.jsonl", lines)

    def _tell_step(self, recipe: Recipe, epoch: int, step: int, n_steps: int) -> None:
        if self.tell is None:
            return
        best = self.progress.best_accuracy
        found = f", best validation {best:.1f} %" if best >= 0 else ""
        remark = f"epoch {epoch + 1} of at most {recipe.epochs}{found}"
        self.tell(epoch * n_steps + step, recipe.epochs * n_steps, remark)

    def _pass(self, recipe: Recipe, epoch: int) -> dict[str, Any]:
        """One epoch of steps: the means of all loss parts, and what they took."""
        stage, data = self.progress.stage, self.data
        place = [1 + list(self.stages).index(stage)] if stage else []
        rng = np.random.default_rng([self.recipe.seed, epoch, *place])
        torch.manual_seed(int(rng.integers(2**31)))
        self.learner.train()
        self.plugins.begin(epoch)
        n_clips = len({question.clip for question in data.train})
        n_steps = math.ceil(n_clips / recipe.batch_clips)
        sums: dict[str, float] = {}
        limit = recipe.max_questions_per_clip
        collation = dataclasses.replace(self.collation, max_questions_per_clip=limit)
        batches = make_batches(
            data.clips, data.train, self.streams, recipe.batch_clips, rng, collation
        )
        n_questions, start_s = 0, time.process_time()
        for step, batch in enumerate(batches):
            n_questions += len(batch.keys)
            rate = recipe.learning_rate * rate_factor(recipe, epoch + step / n_steps)
            for name, value in self._step(batch.to(self.device), recipe, rate).items():
                sums[name] = sums.get(name, 0.0) + value / n_steps
            self._tell_step(recipe, epoch, step + 1, n_steps)
        if not sums:
            raise ValueError(f"Stage {stage!r} has no loss in any batch of {n_clips} clips.")
        step_ms = 1000 * (time.process_time() - start_s) / n_steps
        counts = {"steps": n_steps, "questions": n_questions, "step_cpu_ms": round(step_ms, 1)}
        return {"losses": sums, **counts}

    def _step(self, batch: Batch, recipe: Recipe, rate: float) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        batch, output, losses = self._losses(batch, recipe)
        if not losses:
            return {}
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            parts = {name: float(value) for name, value in losses.items()}
            raise FloatingPointError(f"The loss is not finite: {parts}. Lower the learning rate?")
        self.optimizer.zero_grad()
        total.backward()
        if output is not None:
            self.plugins.after_backward(self.model, batch, output)
        if recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.learner.parameters(), recipe.gradient_clip)
        self.optimizer.step()
        return {name: float(value.detach()) for name, value in losses.items()}

    def _losses(
        self, batch: Batch, recipe: Recipe
    ) -> tuple[Batch, Output | None, dict[str, torch.Tensor]]:
        """What is learned from, after plug-ins; there is no output in an earlier stage."""
        if self.progress.stage != ANSWERING:
            return batch, None, self.model.stage_losses(self.progress.stage, batch)
        batch, output = self.plugins.change(self.model, batch, self.model(batch))
        losses = loss_parts(output, batch, recipe.label_smoothing)
        return batch, output, losses | self.plugins.losses(self.model, batch, output)


def loss_parts(output: Output, batch: Batch, label_smoothing: float = 0.0) -> dict[str, Any]:
    """Cross-entropy on the known answers, then what the method adds."""
    if batch.answers is None or not (batch.answers >= 0).any():
        raise ValueError(f"No question of this batch has an answer (first: {batch.keys[0]}).")
    answer = nn.functional.cross_entropy(
        output.logits, batch.answers, ignore_index=-1, label_smoothing=label_smoothing
    )
    return {"answer": answer, **output.losses}


def rate_factor(recipe: Recipe, epoch: float) -> float:
    """Share of the learning rate that is in force at this (fractional) epoch, counted from 0."""
    if epoch < recipe.warmup_epochs:
        return max(epoch / recipe.warmup_epochs, 0.01)
    if recipe.schedule == "step":
        return recipe.step_factor ** (int(epoch) // recipe.step_epochs)
    if recipe.schedule == "cosine":
        length = max(recipe.epochs - recipe.warmup_epochs, 1e-9)
        return 0.5 * (1.0 + math.cos(math.pi * (epoch - recipe.warmup_epochs) / length))
    return 1.0


def infer(
    model: nn.Module, batches: Iterable[Batch], device: torch.device | str = "cpu"
) -> tuple[list[str], np.ndarray]:
    """Keys and logits (N, 42) of all questions in these batches."""
    model.eval()
    keys: list[str] = []
    rows = []
    with torch.inference_mode():
        for batch in batches:
            keys += batch.keys
            rows.append(model(batch.to(device)).logits.float().cpu().numpy())
    return keys, np.concatenate(rows) if rows else np.zeros((0, len(answers.ANSWERS)))


def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    temperature: float = 1.0,
    device: torch.device | str = "cpu",
) -> list[Prediction]:
    """The best answer and its runner-up for each question; confidences after `temperature`."""
    return to_predictions(*infer(model, batches, device), temperature=temperature)


def write_answers(
    append: Append,
    checkpoint: Checkpoint,
    batches: Iterable[Batch],
    n_questions: int | None = None,
    tell: Tell | None = None,
) -> None:
    """Append the answers to each batch as soon as they are there: a killed run loses little.

    `tell` is told how many of `n_questions` are answered.
    """
    n_done = 0
    for batch in batches:
        append(predict(checkpoint.model, [batch], checkpoint.temperature))
        n_done += len(batch.keys)
        if tell is not None:
            tell(n_done, n_questions, "")


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    weights, decay = model.parameters(), recipe.weight_decay
    return kind(weights, lr=recipe.learning_rate, weight_decay=decay, fused=True)


def _check_stages(method: Method, stages: Mapping[str, Recipe]) -> None:
    """Refuse stages that the method does not have, and what no stage can do."""
    known = list(method.stages())
    for name, recipe in stages.items():
        if name not in known:
            raise ValueError(f"{method.name} has no stage {name!r}; its stages: {known}.")
        if recipe.patience is not None:
            raise ValueError(f"Stage {name!r}: nothing is validated in a stage; drop its patience.")


def _load_plugins(plugins: Mapping[str, Any], method: Method) -> dict[str, tuple[Any, Any]]:
    """Name -> (module, options), in the order of the names, which is that of the hooks."""
    if plugins and method.card.trained == "counting":
        raise ValueError(f"{method.name} only counts; no plug-in can take part in that.")
    found = {}
    for name, options in plugins.items():
        module = load_plugin(name)
        found[Path(name).stem] = module, module.Options() if options is None else options
    return dict(sorted(found.items()))


def _settings(
    options: Any,
    recipe: Recipe,
    stages: Mapping[str, Recipe],
    data: Data,
    plugins: Mapping[str, tuple[Any, Any]],
) -> dict[str, Any]:
    """All that decides the result of a run, besides the `_code` of method and plug-ins."""
    added = {name: dataclasses.asdict(values) for name, (_, values) in plugins.items()}
    recipes = {name: dataclasses.asdict(stage) for name, stage in stages.items()}
    return {
        **({"stages": recipes} if recipes else {}),
        **({"plugins": added} if added else {}),
        "options": dataclasses.asdict(options),
        "recipe": dataclasses.asdict(recipe),
        "seed": recipe.seed,
        "data": {
            "name": data.name,
            "identity": dict(data.identity),
            "mute": list(data.mute),
            "clips": len(data.clips),
            "train": len(data.train),
            "validation": len(data.validation),
        },
    }


def _code(method: Method, plugins: Mapping[str, tuple[Any, Any]]) -> dict[str, str]:
    """Content hashes of the files of method and plug-ins, by name."""
    added = {name: code_hash(module) for name, (module, _) in plugins.items()}
    return {**added, Path(method.name).stem: method.code}


def _write_run(run: _Run, settings: dict[str, Any]) -> None:
    """Fit the temperature of the best weights, then write run.json, which ends the run."""
    run.model.load_state_dict(read_safetensors(run.checkpoint)[0])
    temperature = fit_temperature(*run.validation())
    save_checkpoint(run.checkpoint, run.method, run.model, temperature)
    versions = {"musicavqa": musicavqa.__version__, "python": platform.python_version()}
    versions.update(torch=torch.__version__, numpy=np.__version__)
    parameters = sum(weight.numel() for weight in run.model.parameters())
    about = {
        "method": run.method.name,
        "streams": list(run.streams),
        "parameters": parameters,
        "device": run.device,
        "versions": versions,
        "best_epoch": run.progress.best_epoch,
        "validation_accuracy": run.progress.best_accuracy,
        "temperature": temperature,
        "cost": run.cost(),
    }
    if run.stages:
        rows = [row for row in run.progress.log if "stage" in row]
        about["stage_losses"] = {row["stage"]: row["losses"] for row in rows}  # the last of each
    write_json(run.folder / "run.json", {**settings, **about})

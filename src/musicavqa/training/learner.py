"""A model that learns: its stages, epochs and steps, what it is validated on, and how it goes on.

An epoch is repeatable by itself: its order, its negatives and its dropout come from (seed, epoch).
A run that was killed therefore goes on from the last whole epoch and ends with the same weights,
unless its recipe has `cpu_minutes`: time is never the same twice.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from musicavqa import answers
from musicavqa.files import write_text
from musicavqa.methods.card import Recipe
from musicavqa.methods.plugins.contract import Chain, connect
from musicavqa.methods.registry import Method, save_checkpoint
from musicavqa.processes import peak_mb
from musicavqa.records import Batch, Output, Question
from musicavqa.training.ahead import ahead
from musicavqa.training.answering import Tell, infer
from musicavqa.training.batches import Collation, make_batches, scene_truth
from musicavqa.training.costs import count_flops
from musicavqa.training.data import Data
from musicavqa.training.order import n_batches
from musicavqa.training.runs import Progress, load_progress, load_state, save_state
from musicavqa.training.schedule import (
    in_precision,
    is_over_time,
    make_optimizer,
    make_scaler,
    position,
    rate_factor,
    why_over,
)
from musicavqa.training.settings import Plugins
from musicavqa.training.team import Team
from musicavqa.training.writers import Writer, numbers_of

ANSWERING = ""
"""Name of the last stage, in which a method learns to answer."""


class Learner:
    """State of one training run in this process."""

    def __init__(
        self,
        method: Method,
        model: nn.Module,
        recipe: Recipe,
        stages: Mapping[str, Recipe],
        data: Data,
        folder: Path,
        team: Team,
    ) -> None:
        self.method, self.recipe, self.stages = method, recipe, stages
        self.data, self.folder, self.team = data, folder, team
        self.model = model.to(team.device)
        self.streams = {name: data.streams[name] for name in method.streams(model.options)}
        self.asking = Collation(mute=data.mute, texts=data.texts, own_grids=method.own_grids)
        self.teaching = dataclasses.replace(
            self.asking,
            negatives=method.negatives(model.options),
            truth=scene_truth() if method.card.truth else None,
            part=(team.rank, team.size),
        )
        self.plugins = Chain()
        self.learner = self.model
        self.tell: Tell | None = None
        self.writers: Sequence[Writer] = ()
        self.progress = Progress()
        self.state = folder / "state.safetensors"
        self.checkpoint = folder / "checkpoint.safetensors"

    def connect(self, added: Plugins) -> None:
        """Put plug-ins, name -> (module, options), beside the model."""
        if not added:
            return
        batch = next(self._batches(self.data.train, 1, None, self.asking)).to(self.team.device)
        self.plugins = connect(added, self.method.name, self.model, batch).to(self.team.device)
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
            self.optimizer = make_optimizer(self.learner, phases[name])
            self.scaler = make_scaler(phases[name], self.team.device)
            if saved:
                load_state(self.state, self.learner, self.optimizer)
                self.scaler.load_state_dict(saved.scaler or self.scaler.state_dict())
            self.progress = saved or Progress(stage=name, log=self.progress.log)
            saved = None
            while not self.progress.ended:
                self._epoch(phases[name])

    def count(self) -> None:
        """Let a method without a loop count its training questions."""
        self.model.fit(self.data.train)
        if self.team.leads:
            save_checkpoint(self.checkpoint, self.method, self.model)
        self.progress.best_accuracy = self._validated()["validation_accuracy"]

    def validation(self) -> tuple[np.ndarray, np.ndarray]:
        """Logits (N, 42) and answers (N,) of the validation questions, in every process."""
        questions = self.data.validation
        clips = list(dict.fromkeys(question.clip for question in questions))
        own = set(clips[self.team.rank :: self.team.size])
        asked = [question for question in questions if question.clip in own]
        size = self.recipe.batch_clips
        keys, logits = infer(self.model, self._batches(asked, size, None, self.asking))
        found = dict(self.team.gather(list(zip(keys, logits, strict=True))))
        truth = np.array([answers.index(question.answer or "") for question in questions])
        return np.stack([found[question.key] for question in questions]), truth

    def cost(self) -> dict[str, Any]:
        """What training took in all epochs, and what one question about one clip takes.

        Of this process: cpu_seconds with validation; step_cpu_ms of the fastest epoch, batches
        included; peak_mb, None where the system does not tell; gflops of the forward pass.
        """
        log = [row for row in self.progress.log if "steps" in row]
        totals = {name: sum(row[name] for row in log) for name in ("questions", "cpu_seconds")}
        peak = peak_mb()
        fastest = min(log, key=lambda row: row["step_cpu_ms"], default={})
        collation = dataclasses.replace(self.asking, mute=())
        asked = next(self._batches(self.data.validation[:1], 1, None, collation))
        return {
            **totals,
            "step_cpu_ms": fastest.get("step_cpu_ms"),
            "peak_mb": None if peak is None else round(peak),
            "gflops": count_flops(self.model.eval(), asked.to(self.team.device)) / 1e9,
        }

    def _batches(
        self,
        questions: Sequence[Question],
        size: int,
        rng: np.random.Generator | None,
        collation: Collation,
    ) -> Iterator[Batch]:
        return make_batches(self.data.clips, questions, self.streams, size, rng, collation)

    def _epoch(self, recipe: Recipe) -> None:
        start_s, start_cpu_s, progress = time.perf_counter(), time.process_time(), self.progress
        epoch = progress.epoch
        row: dict[str, Any] = {"stage": progress.stage} if progress.stage else {}
        row |= {"epoch": epoch, **self._pass(recipe, epoch)}
        self.team.agree(self.learner)
        if progress.stage == ANSWERING:
            row |= self._validated()
            self._keep_best(recipe, row["validation_accuracy"])
        progress.epoch = epoch + 1
        row["seconds"] = round(time.perf_counter() - start_s, 3)
        row["cpu_seconds"] = round(time.process_time() - start_cpu_s, 3)
        progress.log.append(row)
        n_worse = epoch - progress.best_epoch
        progress.ended = why_over(recipe, progress.epoch, n_worse, self._cpu_seconds())
        if progress.ended:
            row["ended"] = progress.ended
        progress.scaler = self.scaler.state_dict() or None
        self._write(row)

    def _cpu_seconds(self) -> float:
        """CPU time of the epochs of this stage that are over."""
        progress = self.progress
        rows = [row for row in progress.log if row.get("stage", ANSWERING) == progress.stage]
        return sum(row["cpu_seconds"] for row in rows)

    def _write(self, row: Mapping[str, Any]) -> None:
        """State and log of a whole epoch; other processes wait until they are there."""
        if self.team.leads:
            save_state(self.state, self.learner, self.optimizer, self.progress)
            lines = "".join(json.dumps(line) + "\n" for line in self.progress.log)
            write_text(self.folder / "log.jsonl", lines)
            for writer in self.writers:
                writer.write(numbers_of(row), len(self.progress.log) - 1)
        self.team.wait()

    def _keep_best(self, recipe: Recipe, accuracy: float) -> None:
        progress = self.progress
        is_tie = accuracy == progress.best_accuracy and recipe.ties == "last"
        if accuracy > progress.best_accuracy or is_tie:
            progress.best_accuracy, progress.best_epoch = accuracy, progress.epoch
            if self.team.leads:
                save_checkpoint(self.checkpoint, self.method, self.model)

    def _validated(self) -> dict[str, Any]:
        """Accuracies in percent on the validation questions: of all, and of each cell."""
        logits, truth = self.validation()
        right = logits.argmax(1) == truth
        cells = np.array([question.cell for question in self.data.validation])
        by_cell = {
            str(cell): 100.0 * float(right[cells == cell].mean()) for cell in np.unique(cells)
        }
        return {"validation_accuracy": 100.0 * float(right.mean()), "validation_cells": by_cell}

    def _tell_step(self, recipe: Recipe, epoch: int, step: int, n_steps: int) -> None:
        if self.tell is None or not self.team.leads:
            return
        best = self.progress.best_accuracy
        found = f", best validation {best:.1f} %" if best >= 0 else ""
        remark = f"epoch {epoch + 1} of at most {recipe.epochs}{found}"
        self.tell(epoch * n_steps + step, recipe.epochs * n_steps, remark)

    def _pass(self, recipe: Recipe, epoch: int) -> dict[str, Any]:
        """One epoch of steps, or what time is left for: means of all loss parts, what they took."""
        n_all, n_questions, start_s = n_batches(self.data.train, recipe), 0, time.process_time()
        n_steps, n_done, before_s = math.ceil(n_all / recipe.accumulate), 0, self._cpu_seconds()
        sums: dict[str, float] = {}
        self.learner.train()
        self.plugins.begin(epoch)
        step = _Step()
        with closing(ahead(self._drawn(recipe, epoch), self.team.device)) as batches:
            for place, batch in enumerate(batches):
                n_questions += len(batch.keys)
                self._learn_from(batch, recipe, step)
                if (place + 1) % recipe.accumulate == 0 or place + 1 == n_all:
                    spent_s = before_s + time.process_time() - start_s
                    now = position(recipe, epoch + n_done / n_steps, spent_s)
                    for name, value in self._move(step, recipe, now).items():
                        sums[name] = sums.get(name, 0.0) + value
                    step, n_done = _Step(), n_done + 1
                    if is_over_time(recipe, spent_s):
                        break
                self._tell_step(recipe, epoch, place + 1, n_all)
        sums = {name: value / n_done for name, value in self.team.totals(sums).items()}
        if not sums:
            n_clips = len({question.clip for question in self.data.train})
            stage = self.progress.stage
            raise ValueError(f"Stage {stage!r} has no loss in any batch of {n_clips} clips.")
        step_ms = 1000 * (time.process_time() - start_s) / n_done
        n_questions = round(self.team.total(n_questions))
        counts = {"steps": n_done, "questions": n_questions, "step_cpu_ms": round(step_ms, 1)}
        return {"losses": sums, **counts}

    def _drawn(self, recipe: Recipe, epoch: int) -> Iterator[Batch]:
        """The batches of an epoch; seeds what the model draws, otherwise in every process."""
        stage = self.progress.stage
        place = [1 + list(self.stages).index(stage)] if stage else []
        rng = np.random.default_rng([self.recipe.seed, epoch, *place])
        torch.manual_seed(int(rng.integers(2**31)) + self.team.rank)
        collation = dataclasses.replace(
            self.teaching,
            max_questions_per_clip=recipe.max_questions_per_clip,
            batch_questions=recipe.batch_questions,
        )
        return self._batches(self.data.train, recipe.batch_clips, rng, collation)

    def _learn_from(self, batch: Batch, recipe: Recipe, step: _Step) -> None:
        """Add the gradients of a batch to those of the step."""
        if not step.begun:
            self.optimizer.zero_grad()
            step.begun = True
        if not batch.keys:
            return
        with in_precision(recipe, self.team.device):
            batch, output, losses = self._losses(batch, recipe)
        if not losses:
            return
        total = torch.stack([loss.float() for loss in losses.values()]).sum()
        if not torch.isfinite(total):
            parts = {name: float(value) for name, value in losses.items()}
            raise FloatingPointError(f"The loss is not finite: {parts}. Lower the learning rate?")
        weight = len(batch.keys) if self._shares(recipe) else 1
        self.scaler.scale(total * weight if weight != 1 else total).backward()
        step.weight += weight
        step.last = (batch, output)
        for name, value in losses.items():
            step.sums[name] = step.sums.get(name, 0.0) + weight * float(value.detach())

    def _move(self, step: _Step, recipe: Recipe, epoch: float) -> dict[str, float]:
        """Change the weights; this process's share of the loss parts of the whole step."""
        weight = self.team.total(step.weight)
        if not weight:
            return {}
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate * rate_factor(recipe, epoch)
        self.team.sum_gradients(self.learner, 1.0 / weight)
        self.scaler.unscale_(self.optimizer)
        if step.last is not None and step.last[1] is not None:
            self.plugins.after_backward(self.model, *step.last)
        if recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.learner.parameters(), recipe.gradient_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return {name: value / weight for name, value in step.sums.items()}

    def _shares(self, recipe: Recipe) -> bool:
        """Whether a step is made of several batches, here or in other processes."""
        return recipe.accumulate > 1 or self.team.size > 1

    def _losses(
        self, batch: Batch, recipe: Recipe
    ) -> tuple[Batch, Output | None, dict[str, torch.Tensor]]:
        """What is learned from, after plug-ins; there is no output in an earlier stage."""
        if self.progress.stage != ANSWERING:
            return batch, None, self.model.stage_losses(self.progress.stage, batch)
        batch, output = self.plugins.change(self.model, batch, self.model(batch))
        losses = loss_parts(output, batch, recipe.label_smoothing)
        return batch, output, losses | self.plugins.losses(self.model, batch, output)


@dataclasses.dataclass
class _Step:
    """What was found so far of one step of the optimizer."""

    begun: bool = False
    weight: float = 0.0
    """Questions, where several batches make the step; else 1."""
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    """Loss parts times the weight of their batch."""
    last: tuple[Batch, Any] | None = None


def loss_parts(output: Output, batch: Batch, label_smoothing: float = 0.0) -> dict[str, Any]:
    """Cross-entropy on the known answers, then what the method adds."""
    if batch.answers is None or not (batch.answers >= 0).any():
        raise ValueError(f"No question of this batch has an answer (first: {batch.keys[0]}).")
    answer = nn.functional.cross_entropy(
        output.logits, batch.answers, ignore_index=-1, label_smoothing=label_smoothing
    )
    return {"answer": answer, **output.losses}

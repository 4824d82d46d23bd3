"""Learn one network step by step; a killed study goes on where it last saved.

What a step draws depends on the seed and the number of the step alone, so a study that was killed
and goes on ends with the same weights as one that was not.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from musicavqa.files import replacing, write_text
from musicavqa.training.lessons.shards import Tell
from musicavqa.training.runs import Progress, load_progress, load_state, save_state

SAVE_S = 120.0
"""Seconds between two saved states."""


@dataclass(frozen=True)
class Plan:
    """How a network is learned: AdamW, a warm-up, then a cosine down to `lowest`."""

    name: str
    n_steps: int
    learning_rate: float
    weight_decay: float
    gradient_clip: float
    n_warm: int
    lowest: float = 0.02
    """Share of the learning rate that is left at the end."""

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        fallen = 0.5 * (1 + math.cos(math.pi * step / self.n_steps))
        return self.learning_rate * min(1.0, (step + 1) / self.n_warm) * max(self.lowest, fallen)


@dataclass(frozen=True)
class Desk:
    """Where a study keeps its state, what it draws from, and whom it tells."""

    folder: Path
    seed: int
    tell: Tell

    def finished(self, name: str) -> Path:
        """The weights of a finished study."""
        return self.folder / f"{name}.safetensors"

    def log(self, name: str) -> Path:
        """Losses of a finished study, as lines of JSON."""
        return self.folder / f"{name}.jsonl"

    def state(self, name: str) -> Path:
        """What a study has come to; gone when it has finished."""
        return self.folder / f"{name}.state.safetensors"


def study(
    network: nn.Module, plan: Plan, losses: Callable[[int], dict[str, Tensor]], desk: Desk
) -> None:
    """Learn `network` by the sum of `losses(step)`, or take what was learned before.

    It is in eval mode afterwards. ValueError where a loss is not finite.
    """
    from safetensors.torch import load_file

    if not desk.finished(plan.name).exists():
        _learn(network, plan, losses, desk)
    network.load_state_dict(load_file(desk.finished(plan.name)))
    network.eval()


def _learn(
    network: nn.Module, plan: Plan, losses: Callable[[int], dict[str, Tensor]], desk: Desk
) -> None:
    from safetensors.torch import save_file

    state = desk.state(plan.name)
    parameters = list(network.parameters())
    optimizer = torch.optim.AdamW(parameters, plan.learning_rate, weight_decay=plan.weight_decay)
    progress = Progress(stage=plan.name)  # its epoch counts steps
    if state.exists():
        progress = load_progress(state)
        load_state(state, network, optimizer)
    network.train()
    saved_s, sums = time.monotonic(), dict[str, float]()
    for step in range(progress.epoch, plan.n_steps):
        said = _step(network, optimizer, plan, losses, (desk.seed, step))
        sums = {name: sums.get(name, 0.0) + value for name, value in said.items()}
        if time.monotonic() - saved_s > SAVE_S or step + 1 == plan.n_steps:
            n = step + 1 - progress.epoch
            progress.log.append({"steps": step + 1, **{k: v / n for k, v in sums.items()}})
            progress.epoch, sums, saved_s = step + 1, {}, time.monotonic()
            save_state(state, network, optimizer, progress)
        desk.tell(step + 1, plan.n_steps, plan.name)
    rows = [json.dumps({"stage": plan.name, **row}) + "\n" for row in progress.log]
    write_text(desk.log(plan.name), "".join(rows))
    with replacing(desk.finished(plan.name)) as part:
        save_file({k: v.contiguous() for k, v in network.state_dict().items()}, part)
    state.unlink(missing_ok=True)


def _step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    losses: Callable[[int], dict[str, Tensor]],
    drawn: tuple[int, int],
) -> dict[str, float]:
    """One step of the optimizer; `drawn` is (seed, step)."""
    seed, step = drawn
    for group in optimizer.param_groups:
        group["lr"] = plan.rate(step)
    with torch.random.fork_rng(devices=[]):  # what dropout draws depends on the step alone
        torch.manual_seed(1_000_003 * seed + step)
        said = losses(step)
    total = torch.stack(list(said.values())).sum()
    if not total.isfinite():
        raise ValueError(
            f"{plan.name}: the loss of step {step} is {float(total.detach())}; take another seed."
        )
    optimizer.zero_grad()
    total.backward()
    nn.utils.clip_grad_norm_(network.parameters(), plan.gradient_clip)
    optimizer.step()
    return {name: float(loss.detach()) for name, loss in said.items()}


def in_short_numbers() -> torch.autocast:
    """Autocast to bfloat16 where the processor multiplies it (AMX or AVX-512), else nothing."""
    able = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    asked = [getattr(torch.cpu, name, None) for name in able]
    return torch.autocast("cpu", torch.bfloat16, enabled=any(ask() for ask in asked if ask))

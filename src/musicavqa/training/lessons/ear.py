"""The ear learns from mixes: short ones first, of which many are heard, then whole ones."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor

from musicavqa.methods.layers import listening
from musicavqa.methods.layers.listening import BANDS, Listener
from musicavqa.training.lessons.mixes import Bank, draw_mix, powers, truth
from musicavqa.training.lessons.rooms import recorded
from musicavqa.training.lessons.study import Desk, Plan, in_short_numbers, study

N_WARM = 200
FRESH = 60
"""Batches that are mixed before any is heard twice."""
KEPT = 120
"""Batches that may be heard once more; every second one is."""
FINE = {"onsets": 4.0, "rates": 4.0, "levels": 2.0}
"""Weights of losses towards the end."""
MASKED_RATE, WIDEST_MASK = 0.3, 5

Heard = tuple[np.ndarray, dict[str, np.ndarray]]
"""Rows (B, T, 2, 50, 64) and truth."""


@dataclass(frozen=True)
class Steps:
    """How long the ear learns each way."""

    short: int
    """On 72 crops of 2 s."""
    whole: int
    """On 16 mixes of 10 s."""
    fine: int
    """Likewise, with more weight on onsets, rates and levels, which are learned last."""


def learn_ear(ear: Listener, bank: Bank, steps: Steps, desk: Desk) -> None:
    """One way after the other, each from what the one before came to."""
    ways: tuple[tuple[str, int, float, tuple[int, int], dict[str, float]], ...] = (
        ("ear-short", steps.short, 1.5e-3, (72, 2), {}),
        ("ear-whole", steps.whole, 8e-4, (16, 10), {}),
        ("ear", steps.fine, 5e-4, (16, 10), FINE),
    )
    for way, (name, n_steps, rate, size, weights) in enumerate(ways):
        plan = Plan(name, n_steps, rate, weight_decay=0.02, gradient_clip=5.0, n_warm=N_WARM)
        batches = Batches(bank, *size, (desk.seed, way))  # mixes that no other way has heard
        study(ear, plan, partial(_losses, ear, batches, weights), desk)


@dataclass
class Batches:
    """The batch of each step; mixing takes a good part of a step, so many are heard twice.

    One thread mixes what the next step hears while the network learns from this one.
    """

    bank: Bank
    n_mixes: int
    n_seconds: int
    seed: tuple[int, ...]
    kept: dict[int, Heard] = field(default_factory=dict)
    coming: dict[int, Future[Heard]] = field(default_factory=dict)
    mixer: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mixes"))

    def of(self, step: int) -> Heard:
        """Always the same for a step, with a few bands silent now and then."""
        now = self.coming.pop(step, None) or self.mixer.submit(self._drawn, step)
        self.coming = {step + 1: self.mixer.submit(self._drawn, step + 1)}
        return now.result()

    def _drawn(self, step: int) -> Heard:
        rng = np.random.default_rng([*self.seed, 1, step])
        made = n_made(step)
        fresh = step < FRESH or step % 2 == 0
        rows, wanted = self._mixed(made if fresh else made - 1 - int(rng.integers(min(KEPT, made))))
        self.kept = {number: kept for number, kept in self.kept.items() if number >= made - KEPT}
        if rng.random() < MASKED_RATE:
            rows, first = rows.copy(), int(rng.integers(0, BANDS - WIDEST_MASK - 1))
            rows[..., first : first + int(rng.integers(1, WIDEST_MASK + 1))] = 0
        return rows, wanted

    def _mixed(self, number: int) -> Heard:
        """The batch with this number, which alone decides what is in it."""
        if number not in self.kept:
            rng = np.random.default_rng([*self.seed, 0, number])
            mixes = [draw_mix(self.bank, self.n_seconds, rng) for _ in range(self.n_mixes)]
            truths = [truth(self.bank, mix) for mix in mixes]
            rows = recorded(np.stack([powers(self.bank, mix) for mix in mixes]), rng)
            rows = rows.astype(np.float16)  # as `audio_logmel` keeps them
            self.kept[number] = rows, {k: np.stack([t[k] for t in truths]) for k in truths[0]}
        return self.kept[number]


def n_made(step: int) -> int:
    """How many batches have been mixed before this step."""
    return step if step < FRESH else FRESH + (step - FRESH + 1) // 2


def _losses(
    ear: Listener, batches: Batches, weights: dict[str, float], step: int
) -> dict[str, Tensor]:
    rows, known = batches.of(step)
    wanted = {name: torch.from_numpy(value) for name, value in known.items()}
    wanted["stereo"] = wanted["stereo"] > 0
    with in_short_numbers():
        said = ear(torch.from_numpy(rows).float())
    found = listening.losses(said, wanted)
    return {name: weights.get(name, 1.0) * loss for name, loss in found.items()}

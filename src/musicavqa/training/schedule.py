"""A recipe's optimizer, its learning rate at every moment, and the precision of its products."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager

import torch
from torch import nn

from musicavqa.methods.card import Recipe

PRECISIONS = {"bfloat16": torch.bfloat16, "float16": torch.float16}


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


def position(recipe: Recipe, epoch: float, cpu_seconds: float) -> float:
    """How far the schedule is, in epochs: by passes or by CPU time, whichever is further on."""
    if recipe.cpu_minutes is None:
        return epoch
    return max(epoch, recipe.epochs * min(cpu_seconds / (60 * recipe.cpu_minutes), 1.0))


def is_over_time(recipe: Recipe, cpu_seconds: float) -> bool:
    """Whether a stage has taken all the CPU time that it may."""
    return recipe.cpu_minutes is not None and cpu_seconds >= 60 * recipe.cpu_minutes


def why_over(recipe: Recipe, n_epochs: int, n_worse: int, cpu_seconds: float) -> str:
    """Which field of the recipe ends a stage after so many epochs, or ''.

    `n_worse` is how many epochs ago the best validation was.
    """
    if is_over_time(recipe, cpu_seconds):
        return "cpu_minutes"
    if recipe.patience is not None and n_worse >= recipe.patience:
        return "patience"
    return "epochs" if n_epochs == recipe.epochs else ""


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over all parameters."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    weights, decay = model.parameters(), recipe.weight_decay
    return kind(
        weights, lr=recipe.learning_rate, betas=recipe.betas, weight_decay=decay, fused=True
    )


def make_scaler(recipe: Recipe, device: str | torch.device) -> torch.amp.GradScaler:
    """Keeps small gradients of 'float16' from vanishing; does nothing for other precisions."""
    kind = torch.device(device).type
    return torch.amp.GradScaler(kind, enabled=recipe.precision == "float16")


def in_precision(recipe: Recipe, device: str | torch.device) -> AbstractContextManager[object]:
    """Products inside are in the recipe's precision; sums of losses stay in float32."""
    wanted = PRECISIONS.get(recipe.precision)
    return torch.autocast(torch.device(device).type, dtype=wanted, enabled=wanted is not None)

"""What a trained model answers: logits, predictions, and lines in a prediction file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing

import numpy as np
import torch
from torch import nn

from musicavqa import answers
from musicavqa.methods.registry import Checkpoint
from musicavqa.records import Batch, Prediction
from musicavqa.training.ahead import ahead
from musicavqa.training.memory import kept_pages
from musicavqa.training.runs import Append, to_predictions

Tell = Callable[[float, float | None, str], None]
"""Told what is done, of how much, and a remark."""


def device_of(model: nn.Module) -> torch.device:
    """Where a model computes; the CPU for one without parameters."""
    return next((weight.device for weight in model.parameters()), torch.device("cpu"))


def infer(
    model: nn.Module, batches: Iterable[Batch], device: torch.device | str | None = None
) -> tuple[list[str], np.ndarray]:
    """Keys and logits (N, 42) of all questions in these batches; `device` None is the model's."""
    model.eval()
    keys: list[str] = []
    rows = []
    device = device_of(model) if device is None else device
    with torch.inference_mode(), closing(ahead(batches, device)) as coming:
        for batch in coming:
            keys += batch.keys
            rows.append(model(batch).logits.float().cpu().numpy())
    return keys, np.concatenate(rows) if rows else np.zeros((0, len(answers.ANSWERS)))


def predict(
    model: nn.Module,
    batches: Iterable[Batch],
    temperature: float = 1.0,
    device: torch.device | str | None = None,
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
    with kept_pages(), closing(ahead(batches, device_of(checkpoint.model))) as coming:
        for batch in coming:
            append(predict(checkpoint.model, [batch], checkpoint.temperature))
            n_done += len(batch.keys)
            if tell is not None:
                tell(n_done, n_questions, "")

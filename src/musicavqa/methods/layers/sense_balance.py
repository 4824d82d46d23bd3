"""Which sense answers better when it is left alone: the common quantity of OGM and OPM.

Wei et al., Diagnosing and Re-learning / On-the-fly Modulation for Balanced Multimodal Learning
(T-PAMI 2024), where the last layer is linear on joined features: z_m = W_m phi_m + b / M.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from musicavqa.records import SENSES


def logits_alone(
    model: nn.Module, features: dict[str, torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (B, A) from the sound alone and from the picture alone; the question stays.

    z_m = f(only m) - f(neither) / 2. Where `model.answer_from` is linear that is the published
    W_m phi_m + b / 2, and the two add up to the logits.
    """
    silent = {sense: torch.zeros_like(features[sense]) for sense in SENSES}
    neither = model.answer_from({**features, **silent})
    heard = model.answer_from({**features, "visual": silent["visual"]})
    seen = model.answer_from({**features, "audio": silent["audio"]})
    return heard - neither / 2, seen - neither / 2


@torch.no_grad()
def dominance(
    model: nn.Module, features: dict[str, torch.Tensor], answers: torch.Tensor
) -> torch.Tensor:
    """Ratios rho (2,) of sound to picture and of picture to sound; above 1 the first is stronger.

    rho_m = sum of softmax(z_m)[answer] over the batch, divided by that of the other sense.
    Questions without a known answer (-1) do not count; dropout is off.
    """
    known = answers >= 0
    with _without_dropout(model):
        alone = logits_alone(model, features)
    right = [logits[known].softmax(-1).gather(1, answers[known][:, None]).sum() for logits in alone]
    return torch.stack([right[0] / right[1], right[1] / right[0]])


@contextmanager
def _without_dropout(model: nn.Module) -> Iterator[None]:
    training = model.training
    model.eval()
    yield
    model.train(training)

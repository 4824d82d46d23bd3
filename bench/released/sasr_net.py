"""SaSR-Net: Tianyu-yang-anna/SaSR-Net; needs einops and timm 0.6."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from released.avst import ask
from released.contract import Released, no_network
from released.timm_alone import TORCHVISION


def losses(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    """As its program has them; which instruments are there is not published, so none is."""
    found, positive, negative, named, seen, heard, _ = given
    there = torch.zeros_like(seen)
    loss = code.LossAVQA()(found, answers) + 0.5 * code.LossAVMatch()(positive, negative)
    semantic = code.LossSemantic()(seen, there) + code.LossSemantic()(heard, there)
    return [loss + 0.5 * semantic + 0.5 * code.LossCorrelation(named.shape[1])(named)]


SASR_NET = Released(
    files=(
        ("SaSR-Net/sasr_net/modules/grouping.py", "grouping"),
        ("SaSR-Net/sasr_net/modules/sasr.py", "modules.sasr"),
        ("SaSR-Net/sasr_net/modules/qst_net.py", "modules.qst_net"),
        ("SaSR-Net/sasr_net/loss.py", "loss"),
        ("SaSR-Net/sasr_net/models.py", "models"),
    ),
    make=lambda code: code.SaSR_Net(),
    ask=ask,
    batch=16,
    seconds=10,
    logits=lambda given: given[0],
    losses=losses,
    standing={**TORCHVISION, "modules": {}, "modules.visual_net": {"resnet18": no_network}},
)

"""TJSTG: Bravo5542/TJSTG; needs einops."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn.functional import kl_div

from released.avst import ask
from released.contract import Released, match_loss


def losses(code: Any, given: Any, answers: Tensor) -> list[Tensor]:
    """AVST's, and the divergence of both senses' attention as its program has it."""
    ears, eyes = given[3:]
    middle = 0.5 * (ears + eyes)
    return [
        match_loss(code, given, answers)[0] + 0.5 * (kl_div(ears, middle) + kl_div(eyes, middle))
    ]


TJSTG = Released(
    files=(("TJSTG/net_tjstg/tsjt_net.py", "tsjt_net"),),
    make=lambda code: code.AVQA_Fusion_Net(),
    ask=ask,
    batch=64,
    seconds=10,
    logits=lambda given: given[0],
    losses=losses,
    standing={"torchvision": {}, "torchvision.models": {}},
)

"""COCA's idea: collaborative causal regularisation (Lao et al., AAAI 2023), a reconstruction.

COCA: COllaborative CAusal Regularization for Audio-Visual Question Answering. Only its abstract and
a survey's summary were at hand, and no code exists, so the terms, which are in
`layers/causal_regularization.py`, are ours; do not report numbers of this file as COCA's.
Prediction is the method's own.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.layers.causal_regularization import CausalRegularization, Terms
from musicavqa.methods.plugins import contract
from musicavqa.records import SENSES, Batch, Output


@dataclass(frozen=True)
class Options(Terms):
    """Weights and forms of the terms."""


class Plugin(contract.Plugin):
    def __init__(self, options: Options, model: nn.Module, batch: Batch, output: Output) -> None:
        super().__init__(options, model, batch, output)
        for sense, prefixes in SENSES.items():
            if not any(name.startswith(prefixes) for name in batch.streams):
                raise ValueError(f"it reads no {sense} stream.")
        self.terms = CausalRegularization(options)

    def losses(self, model: nn.Module, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        return self.terms.losses(model, batch, output)

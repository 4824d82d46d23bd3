"""MCCD: multifaceted cycle collaborative debiasing (Ma, Hu et al., NeurIPS 2024) for any method.

Look, Listen, and Answer: Overcoming Biases for Audio-Visual Question Answering. Three bias learners
answer from the question, the sound and the picture alone. The answer of the method is pushed away
from each of theirs, and theirs are drawn to each other in a cycle. They are a training device:
prediction uses the method's own logits, and nothing is subtracted from them.

L = L_answer + 0.01 sum_m 0.333 / (mean ||z - z_m|| + 1e-5) + 0.333 * 0.333 [KL(q||a) + KL(v||q)
+ KL(a||v)], with the weights of the released configuration.

Where we differ:
* The features are those of the method (`Output.features`); the paper's own model, `mccd` among the
  methods, gets them from its one transformer. A learner is as wide as its feature.
* As released, bias learners never see the answer, and no gradient is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.layers.debiasing import MODALITIES, BiasLearner, agree_in_a_cycle, push_apart
from musicavqa.methods.plugins import contract
from musicavqa.records import Batch, Output


@dataclass(frozen=True)
class Options:
    push_weight: float = 0.01
    """Of the term that pushes the answer away from the bias learners."""
    push_shares: tuple[float, float, float] = (0.333, 0.333, 0.333)
    """Of question, audio and visual in it."""
    cycle_weight: float = 0.333
    """Of the term that makes the bias learners agree."""
    cycle_shares: tuple[float, float, float] = (0.333, 0.333, 0.333)
    """Of KL(question || audio), KL(visual || question) and KL(audio || visual) in it."""


class Plugin(contract.Plugin):
    NEEDS = MODALITIES

    def __init__(self, options: Options, model: nn.Module, batch: Batch, output: Output) -> None:
        super().__init__(options, model, batch, output)
        self.learners = nn.ModuleDict(
            {sense: BiasLearner(output.features[sense].shape[-1]) for sense in MODALITIES}
        )

    def losses(self, model: nn.Module, batch: Batch, output: Output) -> dict[str, torch.Tensor]:
        options = self.options
        biases = {sense: learn(output.features[sense]) for sense, learn in self.learners.items()}
        push = push_apart(output.logits, biases, options.push_shares)
        cycle = agree_in_a_cycle(biases, options.cycle_shares)
        return {"push": options.push_weight * push, "cycle": options.cycle_weight * cycle}

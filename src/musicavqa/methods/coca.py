"""COCA: AVST with collaborative causal regularisation (Lao et al., AAAI 2023), a reconstruction.

COCA: COllaborative CAusal Regularization for Audio-Visual Question Answering. A way of training,
not a network: answers that can be guessed through the question alone, or through the question and
one sense, are punished in training, those that are guessed most surely the most
(`layers/causal_regularization.py`). It answers as the network below it does, here AVST.

What is certain: the abstract's idea and the survey's row of scores. What is ours: the form of every
term, their weights, the network below and the recipe, because neither the paper's text nor code was
at hand. Numbers of this file are not COCA's. The same terms train any other method with
`--plugin coca`.

Parameters: those of AVST.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from musicavqa.methods import avst
from musicavqa.methods.card import Card, Recipe
from musicavqa.methods.layers.causal_regularization import CausalRegularization, Terms
from musicavqa.records import Batch, Output

CARD = Card(
    title="COCA: Collaborative Causal Regularization for Audio-Visual Question Answering",
    year=2023,
    venue="AAAI",
    family="debiasing",
    streams=avst.CARD.streams,
    spatial_temporal=True,
    reference="adapted",
    official_scores="COCA",
)


@dataclass(frozen=True)
class Options(avst.Options, Terms):
    """Those of AVST and those of the terms."""


class Model(avst.Model):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self.terms = CausalRegularization(options)

    def forward(self, batch: Batch) -> Output:
        output = super().forward(batch)
        if not self.training or batch.answers is None:
            return output
        return replace(
            output, losses=output.losses | self.terms.losses(super().forward, batch, output)
        )


RECIPES: dict[str, Recipe] = avst.RECIPES
STAGES = avst.STAGES

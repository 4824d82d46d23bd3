"""The majority answer of each question template: what a question's form alone gives away.

No picture, no sound, no network: training answers are counted per template, and the most frequent
one is given. Anything that does not beat this by far has learned little about music.
Questions that are none of the 33 templates get the majority over all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from musicavqa import answers
from musicavqa.methods.card import Card, Recipe
from musicavqa.methods.layers import N_ANSWERS
from musicavqa.methods.layers.templates import TemplateReader
from musicavqa.records import Batch, Output, Question

CARD = Card(
    title="Template prior",
    year=2026,
    venue="musicavqa",
    family="prior",
    reference="ours",
    trained="counting",
)


@dataclass(frozen=True)
class Options:
    smoothing: float = 0.01
    """Added to every count, as a share of the answer's own frequency over all templates."""

    def __post_init__(self) -> None:
        if self.smoothing <= 0:
            raise ValueError(f"smoothing must be above 0, got {self.smoothing}.")


class Model(nn.Module):
    """Log-frequencies of the answers, looked up by template."""

    counts: torch.Tensor

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.reader = TemplateReader()
        self.register_buffer("counts", torch.zeros(33, N_ANSWERS))

    def fit(self, questions: Sequence[Question]) -> None:
        """Count the answers of these questions (those without one are left out)."""
        self.counts.zero_()
        for question in questions:
            if question.answer is not None:
                self.counts[question.template - 1, answers.index(question.answer)] += 1

    def forward(self, batch: Batch) -> Output:
        overall = self.counts.sum(0) + 1.0  # (A,), no answer is impossible
        table = torch.cat([self.counts, torch.zeros_like(overall)[None]])  # last row: no template
        frequencies = table + self.options.smoothing * overall / overall.sum()
        logits = (frequencies / frequencies.sum(-1, keepdim=True)).log()
        return Output(logits[self.reader(batch.words)])


RECIPES = {"default": Recipe(epochs=1, batch_clips=256)}

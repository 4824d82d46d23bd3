"""The question decides, second by second, how much of the sound it lets in.

A small method to copy: it reads the words and the stream `audio_brightness` of this package, and it
shows when it listened.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.card import Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.records import Batch, Output

CARD = Card(
    title="Bright gate",
    year=2026,
    venue="example",
    family="example",
    streams=("audio_brightness",),
    reference="ours",
)


@dataclass(frozen=True)
class Options:
    width: int = 64
    """Of words, seconds and everything between."""


class Model(nn.Module):
    """Words -> a question vector; it weighs the seconds of the sound, and both are read."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.words = nn.EmbeddingBag(N_WORDS, options.width, mode="mean", padding_idx=0)
        self.sound = nn.Linear(2, options.width)
        self.answer = nn.Linear(2 * options.width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        question = self.words(batch.words)  # (B, D)
        sound = torch.tanh(self.sound(batch.streams["audio_brightness"]))  # (C, T, D)
        heard, there = sound[batch.clip_of], batch.seconds[batch.clip_of]  # (B, T, D), (B, T)
        fit = torch.einsum("bd,btd->bt", question, heard)
        when = fit.masked_fill(~there, float("-inf")).softmax(1)
        let_in = torch.einsum("bt,btd->bd", when, heard)
        logits = self.answer(torch.cat([question, let_in], dim=1))
        return Output(logits, evidence={"time": when})


RECIPES = {"default": Recipe(epochs=10, batch_clips=16, learning_rate=3e-3)}

"""Question-only baseline: words, one GRU, 42 answers. It never sees or hears the performance.

The blind bound of the MUSIC-AVQA literature in its simplest form: a method whose score is near to
this one answers from the wording. Sizes are ours; no paper is reproduced here.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from musicavqa.methods.card import Card, Recipe
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.words import count_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Question GRU",
    year=2026,
    venue="musicavqa",
    family="question only",
    reference="ours",
)


@dataclass(frozen=True)
class Options:
    width: int = 256
    """Size of word vectors and of the GRU's state."""
    dropout: float = 0.2
    """On word vectors and on the last state."""
    n_words: int = N_WORDS
    """Size of the vocabulary."""


class Model(nn.Module):
    """The state after the last real word is read off as the answer."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.embedding = nn.Embedding(options.n_words, options.width, padding_idx=0)
        self.gru = nn.GRU(options.width, options.width, batch_first=True)
        self.dropout = nn.Dropout(options.dropout)
        self.answer = nn.Linear(options.width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        lengths = count_words(batch.words).cpu()
        words = self.dropout(self.embedding(batch.words))  # (B, W, D)
        packed = pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        _, state = self.gru(packed)
        return Output(self.answer(self.dropout(state[-1])))


RECIPES = {
    "default": Recipe(epochs=15, batch_clips=64, learning_rate=1e-3, weight_decay=0.01, patience=5),
}

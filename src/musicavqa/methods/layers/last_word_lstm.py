"""The plainest question encoder: word vectors, one LSTM, the state after the last real word."""

from __future__ import annotations

import torch
from torch import nn

from musicavqa.methods.layers.words import after_last_word, each_once


class LastWordLSTM(nn.Module):
    """words (B, W), 0 for padding -> question vector (B, D)."""

    def __init__(self, n_words: int, word_width: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_words, word_width, padding_idx=0)
        self.lstm = nn.LSTM(word_width, width, batch_first=True)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return each_once(self._read, words)

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        states, _ = self.lstm(self.embedding(words))
        return after_last_word(states, words)

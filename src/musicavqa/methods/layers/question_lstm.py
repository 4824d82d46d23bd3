"""The question encoder of the AVST family: embedding, tanh, one LSTM, last states, tanh, linear."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from musicavqa.methods.layers.words import count_words, each_once


class QuestionLSTM(nn.Module):
    """words (B, W) -> question vector (B, D).

    `reads_padding` is how the released codes behave: padding is read like real words. Otherwise
    the state after the last real word is taken.
    """

    def __init__(self, n_words: int, width: int, reads_padding: bool = False) -> None:
        super().__init__()
        self.reads_padding = reads_padding
        self.embedding = nn.Embedding(n_words, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.out = nn.Linear(2 * width, width)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        return each_once(self._read, words)

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        embedded = torch.tanh(self.embedding(words))  # (B, W, D)
        if self.reads_padding:
            _, (hidden, cell) = self.lstm(embedded)
        else:
            lengths = count_words(words).cpu()
            packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
            _, (hidden, cell) = self.lstm(packed)
        return self.out(torch.tanh(torch.cat([hidden[-1], cell[-1]], dim=-1)))

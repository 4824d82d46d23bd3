"""Questions of different length, read by recurrent layers as packing does, without packing.

torch.compile cannot trace packed sequences. A layer that reads forwards may read the padding too,
as long as nobody looks at what it says there; one that reads backwards gets its words turned round
in their own length.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def count_words(words: torch.Tensor) -> torch.Tensor:
    """Real words (B,) of `words` (B, W); 1 where there are none, so that something can be read."""
    return (words != 0).sum(1).clamp(min=1)


def real_words(words: torch.Tensor) -> torch.Tensor:
    """Mask (B, W), True for the first `count_words`."""
    places = torch.arange(words.shape[1], device=words.device)
    return places < count_words(words)[:, None]


def after_last_word(states: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """The state (B, D) among `states` (B, W, D) after the last real word."""
    rows = torch.arange(len(words), device=words.device)
    return states[rows, count_words(words) - 1]


def each_once(read: Callable[[torch.Tensor], torch.Tensor], words: torch.Tensor) -> torch.Tensor:
    """What `read` makes of questions (B, W), (B, ...), read once where they are equal.

    Of 64 questions of MUSIC-AVQA that are drawn at random 44 differ. `read` must not drop out. A
    compiled graph, whose sizes must not depend on the questions, reads them all.
    """
    if torch.compiler.is_compiling():
        return read(words)
    different, place = torch.unique(words, dim=0, return_inverse=True)
    return read(different)[place]


class BothWaysLSTM(nn.Module):
    """Word vectors (B, W, E) of `words` (B, W) -> states forwards and backwards, (B, W, D) each."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.forwards = nn.LSTM(width_in, width, batch_first=True)
        self.backwards = nn.LSTM(width_in, width, batch_first=True)

    def forward(
        self, vectors: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        places = torch.arange(words.shape[1], device=words.device).expand_as(words)
        turned = torch.where(real_words(words), count_words(words)[:, None] - 1 - places, places)
        rows = torch.arange(len(words), device=words.device)[:, None]
        there, _ = self.forwards(vectors)
        back, _ = self.backwards(vectors[rows, turned])
        return there, back[rows, turned]

"""The towers with which Amuse's release reads questions: word by word, padding included.

Read in xid32/Amuse_code (commit 67e53ea, iwla/models.py: Question_Encoder; iwla/configs.py). The
paper has one text transformer and says nothing of its sizes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

N_WORDS_READ = 14
"""Words of a question that the release reads; of longer ones the first."""
N_LAYERS = 2


def words_read(words: Tensor) -> Tensor:
    """The first fourteen of the words (B, W), as (B, 14), with padding where there are fewer."""
    missing = max(0, N_WORDS_READ - words.shape[1])
    return pad(words[:, :N_WORDS_READ], (0, missing))


@dataclass(frozen=True)
class TowerSizes:
    """Of one tower; inside it is as wide as what it reads."""

    width_in: int
    width_out: int
    hidden: int
    """Of the feed-forward halves."""
    n_heads: int
    dropout: float


class QuestionTower(nn.Module):
    """Words (B, 14) as vectors (B, 14, width_out), by two transformer layers between two tanh.

    With `n_words` it embeds numbers of words; without, it reads vectors (B, 14, width_in), which
    another tower made. Norms stand behind each half, nothing tells a word's place, and padding is
    read like a word.
    """

    def __init__(self, sizes: TowerSizes, n_words: int = 0) -> None:
        super().__init__()
        width = sizes.width_in
        self.words = nn.Embedding(n_words, width) if n_words else nn.Identity()
        layer = nn.TransformerEncoderLayer(
            width, sizes.n_heads, sizes.hidden, sizes.dropout, batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, N_LAYERS, enable_nested_tensor=False)
        self.out = nn.Linear(width, sizes.width_out)

    def forward(self, words: Tensor) -> Tensor:
        return self.out(torch.tanh(self.layers(torch.tanh(self.words(words)))))

"""What Amuse's release adds beside sound and pictures: tokens told by a question, and their gate.

Read in xid32/Amuse_code (commit 67e53ea, iwla/models.py: IWLA_Model, Learnable_Feature_Fusion).
"""

from __future__ import annotations

from torch import Tensor, nn

from musicavqa.methods.layers.channel_adapters import Adapter
from musicavqa.methods.layers.question_towers import QuestionTower, TowerSizes


class AskedTokens(nn.Module):
    """Tokens (B, N, D) told by a question (B, 14), which is read for them alone.

    `words_as` makes tokens (B, M, D) of what the tower says of the words. Gives the mean of the
    tokens, and the mean of what the tower says, whose sigmoid is their gate, (B, D) both.
    """

    def __init__(self, words_as: nn.Module, sizes: TowerSizes, n_words: int) -> None:
        super().__init__()
        self.tower = QuestionTower(sizes, n_words)
        self.words_as = words_as
        self.told = Adapter(sizes.width_out, "tokens")

    def forward(self, tokens: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        question = self.tower(words)
        return self.told(tokens, self.words_as(question)).mean(1), question.mean(1)

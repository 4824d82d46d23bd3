"""A tower of words that see each other both ways, as masked language models have."""

from __future__ import annotations

from torch import Tensor

from musicavqa.backbones.tower import Place, Tower
from musicavqa.backbones.transformer import Sizes, TextTower

LONGEST = 128

LANGUAGES: dict[str, Sizes] = {
    "xlarge": Sizes(1536, 24, 24, 6144),
    "tiny": Sizes(32, 4, 2, 64),
}
"""Name -> sizes; the first are those of DeBERTa-V2-XLarge."""


class LanguageTower(Tower):
    """Words (N, W) -> tokens (N, W, D); only those that are `there` (N, W) are looked at."""

    def __init__(self, size: str, n_words: int) -> None:
        super().__init__()
        sizes = LANGUAGES[size]
        self.network = TextTower(sizes, n_words, LONGEST)
        self.places = tuple(Place(0, sizes.width, LONGEST, 0) for _ in range(sizes.layers))
        self.width = sizes.width

    def begin(self, inputs: Tensor) -> Tensor:
        return self.network.token_embedding(inputs) + self.network.pos_embed[: inputs.shape[1]]

    def attend(self, i: int, tokens: Tensor, there: Tensor | None = None) -> Tensor:
        layer = self.network.blocks[i]
        present = None if there is None else there.to(tokens.dtype)  # one patch, or none
        return layer.attn(layer.norm1(tokens), sizes=present)[0]

    def think(self, i: int, tokens: Tensor) -> Tensor:
        layer = self.network.blocks[i]
        return layer.mlp(layer.norm2(tokens))

    def end(self, tokens: Tensor) -> Tensor:
        return self.network.norm(tokens)

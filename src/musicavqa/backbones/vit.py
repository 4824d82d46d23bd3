"""A tower of CLIP's picture transformer (Radford et al. 2021): the same width from end to end."""

from __future__ import annotations

import torch
from torch import Tensor

from musicavqa.backbones.swin import WHITE, fitted
from musicavqa.backbones.tower import Place, Tower
from musicavqa.backbones.transformer import PictureTower, Sizes

VITS: dict[str, tuple[Sizes, int, int]] = {
    "clip_l14": (Sizes(1024, 24, 16, 4096, quick=True), 14, 224),
    "tiny": (Sizes(16, 3, 2, 32), 8, 32),
}
"""Name -> sizes, side of a patch, side of the picture."""
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of what CLIP was trained on, where white is 1."""


class VitTower(Tower):
    """Normalised pictures (N, 3, H, W) -> tokens (N, 1 + P, D), the class token first."""

    def __init__(self, size: str) -> None:
        super().__init__()
        sizes, patch, self.side = VITS[size]
        grid = self.side // patch
        self.network = PictureTower(sizes, patch, 1 + grid**2, norm_first=True, bias=False)
        self.places = tuple(Place(0, sizes.width, 1 + grid**2, grid) for _ in range(sizes.layers))
        self.width = sizes.width
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)

    def normalised(self, pictures: Tensor) -> Tensor:
        """Pictures of any size with values 0 to 255, as the network knows them."""
        return (fitted(pictures, self.side) / WHITE - self.mean) / self.deviation

    def begin(self, inputs: Tensor) -> Tensor:
        return self.network.begin(inputs)

    def attend(self, i: int, tokens: Tensor) -> Tensor:
        layer = self.network.blocks[i]
        return layer.attn(layer.norm1(tokens))[0]

    def think(self, i: int, tokens: Tensor) -> Tensor:
        layer = self.network.blocks[i]
        return layer.mlp(layer.norm2(tokens))

    def end(self, tokens: Tensor) -> Tensor:
        return self.network.norm(tokens)

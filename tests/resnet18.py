"""The ResNet-18 of AVST's grounding net, to turn the frames of its golden into maps.

He et al., Deep Residual Learning (CVPR 2016); the last block keeps its size, so that a map has one
place for 16 pixels. Names are those of the official weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions and the way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        if before != after:
            around = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(maps)))))
        around = self.downsample(maps) if hasattr(self, "downsample") else maps
        return torch.relu(changed + around)


class ResNet18(nn.Module):
    """Frames (N, 3, H, W) -> maps (N, 512, H / 16, W / 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Block(64, 64, 1), Block(64, 64, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2), Block(128, 128, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2), Block(256, 256, 1))
        self.layer4 = nn.Sequential(Block(256, 512, 1), Block(512, 512, 1))

    def forward(self, frames: Tensor) -> Tensor:
        maps = torch.relu(self.bn1(self.conv1(frames)))
        maps = nn.functional.max_pool2d(maps, 3, 2, 1)
        return self.layer4(self.layer3(self.layer2(self.layer1(maps))))

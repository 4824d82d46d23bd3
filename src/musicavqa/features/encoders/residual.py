"""ResNet-18 and R(2+1)D-18 with the tensor names of torchvision's weight files.

He et al. 2016, Deep Residual Learning (basic blocks); Tran et al. 2018, A Closer Look at
Spatiotemporal Convolutions: each 3x3x3 convolution becomes one over the picture and one over time,
with as many channels between them as keep the number of parameters.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from musicavqa.features.encoders.checkpoints import load_into, read_state

HEAD = ("fc.",)
"""The classifier of the official files, left out on purpose."""


def load_resnet18(path: Path, last_stride: int = 2) -> ResNet18:
    """The network from a file in torchvision's layout; its width follows the file."""
    state = read_state(path)
    network = ResNet18(
        state["conv1.weight"].shape[0] if "conv1.weight" in state else 64, last_stride
    )
    load_into(network, state, path, HEAD)
    return network


def load_r2plus1d(path: Path) -> R2Plus1D:
    """The network from a file in torchvision's layout; its width follows the file."""
    state = read_state(path)
    network = R2Plus1D(state["stem.3.weight"].shape[0] if "stem.3.weight" in state else 64)
    load_into(network, state, path, HEAD)
    return network


class ResNet18(nn.Module):
    """Pictures (B, 3, H, W) -> maps (B, 8 width, H/32, W/32), or H/16, W/16 with last stride 1."""

    def __init__(self, width: int = 64, last_stride: int = 2) -> None:
        super().__init__()
        self.width = width
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage_2d(width, width, 1)
        self.layer2 = _stage_2d(width, 2 * width, 2)
        self.layer3 = _stage_2d(2 * width, 4 * width, 2)
        self.layer4 = _stage_2d(4 * width, 8 * width, last_stride)

    def forward(self, pictures: Tensor) -> Tensor:
        maps = self.maxpool(self.relu(self.bn1(self.conv1(pictures))))
        return self.layer4(self.layer3(self.layer2(self.layer1(maps))))


class R2Plus1D(nn.Module):
    """Clips (B, 3, T, H, W) -> (B, 8 width), averaged over time and picture."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.width = width
        between = 45  # of the stem, given in the official layout and not by the formula
        self.stem = nn.Sequential(
            nn.Conv3d(3, between, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(between),
            nn.ReLU(),
            nn.Conv3d(between, width, (3, 1, 1), 1, (1, 0, 0), bias=False),
            nn.BatchNorm3d(width),
            nn.ReLU(),
        )
        self.layer1 = _stage_3d(width, width, 1)
        self.layer2 = _stage_3d(width, 2 * width, 2)
        self.layer3 = _stage_3d(2 * width, 4 * width, 2)
        self.layer4 = _stage_3d(4 * width, 8 * width, 2)

    def forward(self, clips: Tensor) -> Tensor:
        maps = self.layer4(self.layer3(self.layer2(self.layer1(self.stem(clips)))))
        return maps.mean(dim=(2, 3, 4))


class Block2D(nn.Module):
    """Two 3x3 convolutions, and the way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or before != after:
            around = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm2d(after))

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        return self.relu(changed + (maps if self.downsample is None else self.downsample(maps)))


class Block3D(nn.Module):
    """Two (2+1)D convolutions, and the way around them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        # one count for both convolutions, reckoned from the first (Tran et al., section 3.5)
        between = before * after * 27 // (before * 9 + 3 * after)
        self.conv1 = nn.Sequential(
            _picture_then_time(before, after, between, stride), nn.BatchNorm3d(after), nn.ReLU()
        )
        self.conv2 = nn.Sequential(
            _picture_then_time(after, after, between, 1), nn.BatchNorm3d(after)
        )
        self.relu = nn.ReLU()
        self.downsample = None
        if stride != 1 or before != after:
            around = nn.Conv3d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(around, nn.BatchNorm3d(after))

    def forward(self, maps: Tensor) -> Tensor:
        changed = self.conv2(self.conv1(maps))
        return self.relu(changed + (maps if self.downsample is None else self.downsample(maps)))


def _picture_then_time(before: int, after: int, between: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(before, between, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
        nn.BatchNorm3d(between),
        nn.ReLU(),
        nn.Conv3d(between, after, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False),
    )


def _stage_2d(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Block2D(before, after, stride), Block2D(after, after, 1))


def _stage_3d(before: int, after: int, stride: int) -> nn.Sequential:
    return nn.Sequential(Block3D(before, after, stride), Block3D(after, after, 1))

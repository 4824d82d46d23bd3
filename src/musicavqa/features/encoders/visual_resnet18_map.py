"""ResNet-18 as a map of 14 x 14 places, every sixth second: what the AVST family looks at.

He et al. 2016 with stride 1 in the last stage, so that one place stands for 16 pixels. As in
MUSIC-AVQA's released script: stretched to 224 x 224, statistics of Kinetics though the weights are
of ImageNet. Of a minute those methods read seconds 0, 6, ... 54, and only these are kept;
`load(every_s=1)` keeps all, under another hash.
"""

from __future__ import annotations

from musicavqa.features.encoders.residual import load_resnet18
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import KINETICS, PictureEncoder, fits, frozen, keeping
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_resnet18_map",
    stream="visual_resnet18_map",
    shape=(512, 14, 14),
    reads=(Pictures(filter="pil_bilinear"),),
    sees_s=0,
    every_s=6,
    weights=("resnet18",),
    licence="BSD-3-Clause",
)


def load(device: str = "cpu", every_s: int = SPEC.every_s) -> PictureEncoder:
    """The network with torchvision's weights."""
    path = weight_file("resnet18")
    network = frozen(load_resnet18(path, last_stride=1), device)
    fits(SPEC, (network.width * 8, 14, 14), path)
    return PictureEncoder(keeping(SPEC, every_s), network, KINETICS, device)

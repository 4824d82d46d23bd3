"""ResNet-18, averaged over the picture: 512 numbers a second.

He et al. 2016, trained on ImageNet. The transform is that of the script that MUSIC-AVQA's authors
released for this stream: shorter side to 256, the middle 224, ImageNet statistics. (Their script
for the 14 x 14 map has another one: see visual_resnet18_map.)
"""

from __future__ import annotations

from musicavqa.features.encoders.residual import load_resnet18
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import IMAGENET, PictureEncoder, fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_resnet18",
    stream="visual_resnet18",
    shape=(512,),
    reads=(Pictures(size=(256, 256), fit="crop", filter="pil_bilinear"),),
    sees_s=0,
    weights=("resnet18",),
    licence="BSD-3-Clause",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The network with torchvision's weights."""
    path = weight_file("resnet18")
    network = frozen(load_resnet18(path), device)
    fits(SPEC, (network.width * 8,), path)
    return PictureEncoder(
        SPEC, lambda pixels: network(pixels).mean(dim=(2, 3)), IMAGENET, device, side=224
    )

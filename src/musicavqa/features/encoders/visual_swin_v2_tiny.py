"""Swin-V2-T at 256 pixels: the last map (768, 8, 8) of a picture a second, every sixth second.

Liu et al. 2022. The backbone of the code released for Amuse.
Stretched, Pillow's bilinear filter, statistics of ImageNet. `load(every_s=1)` keeps all seconds.
"""

from __future__ import annotations

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.swin import map_encoder
from musicavqa.features.encoders.vision import PictureEncoder, keeping
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_swin_v2_tiny",
    stream="visual_swin_v2_tiny",
    shape=(768, 8, 8),
    reads=(Pictures(size=(256, 256), filter="pil_bilinear"),),
    sees_s=0,
    every_s=6,
    weights=("swin_v2_t",),
    licence="Apache-2.0",
)


def load(device: str = "cpu", every_s: int = SPEC.every_s) -> PictureEncoder:
    """The network with Microsoft's weights."""
    return map_encoder(keeping(SPEC, every_s), device)

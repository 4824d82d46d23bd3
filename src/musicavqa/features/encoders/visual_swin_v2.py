"""Swin-V2-L at 192 pixels: the last map (1536, 6, 6) of a picture a second, every sixth second.

Liu et al. 2022. LAVisH, DG-SCT and AVMoE walk through this network with adapters of their own; this
is its plain output, which LAVisH takes for pictures of other clips. Stretched, Pillow's bilinear
filter, statistics of ImageNet. `load(every_s=1)` keeps all seconds.
"""

from __future__ import annotations

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.swin import map_encoder
from musicavqa.features.encoders.vision import PictureEncoder, keeping
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_swin_v2",
    stream="visual_swin_v2",
    shape=(1536, 6, 6),
    reads=(Pictures(size=(192, 192), filter="pil_bilinear"),),
    sees_s=0,
    every_s=6,
    weights=("swin_v2_l",),
    licence="Apache-2.0",
)


def load(device: str = "cpu", every_s: int = SPEC.every_s) -> PictureEncoder:
    """The network with Microsoft's weights."""
    return map_encoder(keeping(SPEC, every_s), device)

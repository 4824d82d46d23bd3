"""CLIP ViT-B/32: all 50 tokens of a picture a second, class token first.

Radford et al. 2021. The patch stream of PSTP-Net: each token normed and projected.
Shorter side to 224, the middle square, Pillow's bicubic filter, CLIP's statistics.
"""

from __future__ import annotations

from musicavqa.features.encoders.clip import picture_encoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import PictureEncoder
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_clip_b32_patches",
    stream="visual_clip_b32_patches",
    shape=(50, 512),
    reads=(Pictures(size=(224, 224), fit="crop", filter="pil_bicubic"),),
    sees_s=0,
    weights=("clip_b32",),
    licence="MIT (of the code)",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The picture tower with OpenAI's weights."""
    return picture_encoder(SPEC, device, patches=True)

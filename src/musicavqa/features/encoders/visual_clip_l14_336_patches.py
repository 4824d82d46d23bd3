"""CLIP ViT-L/14 at 336 pixels: all 577 tokens of a picture a second, class token first.

Radford et al. 2021. Each token normed and projected; 53 MB a minute.
Shorter side to 336, the middle square, Pillow's bicubic filter, CLIP's statistics.
"""

from __future__ import annotations

from musicavqa.features.encoders.clip import picture_encoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import PictureEncoder
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_clip_l14_336_patches",
    stream="visual_clip_l14_336_patches",
    shape=(577, 768),
    reads=(Pictures(size=(336, 336), fit="crop", filter="pil_bicubic"),),
    sees_s=0,
    weights=("clip_l14_336",),
    licence="MIT (of the code)",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The picture tower with OpenAI's weights."""
    return picture_encoder(SPEC, device, patches=True)

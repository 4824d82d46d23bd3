"""CLIP ViT-L/14: one picture a second as 768 numbers.

Radford et al. 2021. The smaller pictures of the large model.
Shorter side to 224, the middle square, Pillow's bicubic filter, CLIP's statistics.
"""

from __future__ import annotations

from musicavqa.features.encoders.clip import picture_encoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import PictureEncoder
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_clip_l14",
    stream="visual_clip_l14",
    shape=(768,),
    reads=(Pictures(size=(224, 224), fit="crop", filter="pil_bicubic"),),
    sees_s=0,
    weights=("clip_l14",),
    licence="MIT (of the code)",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The picture tower with OpenAI's weights."""
    return picture_encoder(SPEC, device, patches=False)

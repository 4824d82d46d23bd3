"""ImageBind's pictures: one a second as 1024 numbers of length one, in the space of its sound.

Shorter side to 224, the middle square, Pillow's bicubic filter, CLIP's statistics. Read by CAT.
"""

from __future__ import annotations

from musicavqa.features.encoders.imagebind import load_sense
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import CLIP, PictureEncoder, fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_imagebind",
    stream="visual_imagebind",
    shape=(1024,),
    reads=(Pictures(size=(224, 224), fit="crop", filter="pil_bicubic"),),
    sees_s=0,
    weights=("imagebind",),
    licence="CC-BY-NC-SA-4.0",
)


def load(device: str = "cpu") -> PictureEncoder:
    """The picture tower with Meta's weights."""
    path = weight_file("imagebind")
    network = frozen(load_sense(path, "vision"), device)
    fits(SPEC, (network.project.out_features,), path)
    return PictureEncoder(SPEC, network, CLIP, device)

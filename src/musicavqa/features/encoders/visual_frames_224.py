"""Raw pictures (3, 224, 224) uint8, every sixth second, for end-to-end methods; no weights.

AVSiam reads pictures of 224 x 224.
Stretched, Pillow's bilinear filter; not normalised. `load(every_s=1)` keeps all seconds.
"""

from __future__ import annotations

from musicavqa.features.encoders.raw_frames import RawFrames
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import keeping
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_frames_224",
    stream="visual_frames_224",
    shape=(3, 224, 224),
    reads=(Pictures(size=(224, 224), filter="pil_bilinear"),),
    sees_s=0,
    every_s=6,
    dtype="uint8",
)


def load(every_s: int = SPEC.every_s) -> RawFrames:
    """The pictures themselves."""
    return RawFrames(keeping(SPEC, every_s))

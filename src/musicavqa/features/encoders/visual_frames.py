"""Raw pictures (3, 192, 192) uint8, every sixth second, for end-to-end methods; no weights.

LAVisH, DG-SCT and AVMoE read ten pictures of 192 x 192 (released code: spread evenly over the
clip). Stretched, Pillow's bilinear filter; not normalised. `load(every_s=1)` keeps all seconds.
"""

from __future__ import annotations

from musicavqa.features.encoders.raw_frames import RawFrames
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import keeping
from musicavqa.media import Pictures

SPEC = Spec(
    name="visual_frames",
    stream="visual_frames",
    shape=(3, 192, 192),
    reads=(Pictures(size=(192, 192), filter="pil_bilinear"),),
    sees_s=0,
    every_s=6,
    dtype="uint8",
)


def load(every_s: int = SPEC.every_s) -> RawFrames:
    """The pictures themselves."""
    return RawFrames(keeping(SPEC, every_s))

"""CLIP ViT-L/14 at 336 pixels, text side: a question as 768 numbers, not normalised.

Radford et al. 2021. Projected state of the end mark. A question is taken as it is written; PSTP-Net
cut its '?' off, TSPM kept it.
"""

from __future__ import annotations

from musicavqa.features.encoders.clip import TextEncoder
from musicavqa.features.encoders.spec import Spec

SPEC = Spec(
    name="text_clip_l14_336",
    stream="text_clip_l14_336",
    shape=(768,),
    rate_hz=0.0,
    dtype="float32",
    weights=("clip_l14_336",),
    licence="MIT (of the code)",
)


def load(device: str = "cpu") -> TextEncoder:
    """The tokeniser and the text tower with OpenAI's weights."""
    return TextEncoder(SPEC, device, words=False)

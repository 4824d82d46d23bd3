"""CLIP ViT-L/14, text side: a question as 77 word states of 768 numbers.

Radford et al. 2021. States behind the end mark are kept, as in the word streams that were
published: their networks read them as words.
"""

from __future__ import annotations

from musicavqa.features.encoders.clip import TextEncoder
from musicavqa.features.encoders.spec import Spec

SPEC = Spec(
    name="text_clip_l14_words",
    stream="text_clip_l14_words",
    shape=(77, 768),
    rate_hz=0.0,
    dtype="float32",
    weights=("clip_l14",),
    licence="MIT (of the code)",
)


def load(device: str = "cpu") -> TextEncoder:
    """The tokeniser and the text tower with OpenAI's weights."""
    return TextEncoder(SPEC, device, words=True)

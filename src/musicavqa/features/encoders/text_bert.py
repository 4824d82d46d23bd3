"""BERT base: a question as the 768 numbers of its first mark, without the pooler."""

from __future__ import annotations

from musicavqa.features.encoders.bert import BertEncoder
from musicavqa.features.encoders.spec import Spec

LONGEST = 128

SPEC = Spec(
    name="text_bert",
    stream="text_bert",
    shape=(768,),
    rate_hz=0.0,
    dtype="float32",
    weights=("bert",),
    licence="Apache-2.0",
)


def load(device: str = "cpu") -> BertEncoder:
    """The tokeniser and the network."""
    return BertEncoder(SPEC, device, words=False, longest=LONGEST)

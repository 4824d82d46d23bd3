"""BERT base, word by word: 32 rows of 768 numbers, both marks included, zeros behind the last.

The frozen word states of the BERT family of methods (LAViT, MCCD); a longer question is cut.
"""

from __future__ import annotations

from musicavqa.features.encoders.bert import BertEncoder
from musicavqa.features.encoders.spec import Spec

N_PIECES = 32

SPEC = Spec(
    name="text_bert_words",
    stream="text_bert_words",
    shape=(N_PIECES, 768),
    rate_hz=0.0,
    dtype="float32",
    weights=("bert",),
    licence="Apache-2.0",
)


def load(device: str = "cpu") -> BertEncoder:
    """The tokeniser and the network."""
    return BertEncoder(SPEC, device, words=True, longest=N_PIECES)

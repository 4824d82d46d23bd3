"""MiniLM word states: a question as 32 rows of 384 numbers, one per word piece, then zeros.

The same network as text_minilm, before its mean. The marks of begin and end count as pieces; a
question of more than 32 pieces is cut. The longest template has 21, the longest paraphrase 26.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.text_minilm import BATCH, WIDTH, MiniLM
from musicavqa.features.encoders.weights import weight_file

N_PIECES = 32

SPEC = Spec(
    name="text_minilm_words",
    stream="text_minilm_words",
    shape=(N_PIECES, WIDTH),
    rate_hz=0.0,
    dtype="float32",
    weights=("minilm",),
    licence="MIT (package), Apache-2.0 (model)",
)


def load() -> MiniLMWords:
    """The tokeniser and the network."""
    return MiniLMWords(MiniLM(weight_file("minilm")))


class MiniLMWords:
    """Frozen encoder of words in their question."""

    spec = SPEC

    def __init__(self, network: MiniLM) -> None:
        self.network = network
        self.network.tokenizer.enable_truncation(N_PIECES)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 32, 384) float32, zero behind the last piece."""
        rows = np.zeros((len(texts), N_PIECES, WIDTH), np.float32)
        for start in range(0, len(texts), BATCH):
            states, real = self.network.states(list(texts[start : start + BATCH]))
            states = states.masked_fill(~real[..., None], 0.0)
            rows[start : start + len(states), : states.shape[1]] = states.numpy()
        return rows

"""MiniLM sentence embedding: a question as 384 numbers of unit length.

Wang et al. 2020 (MiniLM), fine-tuned for sentences by sentence-transformers (all-MiniLM-L6-v2): a
BERT of 6 layers, mean over the words, then unit length.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musicavqa.features.encoders.checkpoints import read_state
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.weights import weight_file

LAYERS, HEADS, WIDTH, LONGEST = 6, 12, 384, 128
EPS = 1e-12
BATCH = 64

SPEC = Spec(
    name="text_minilm",
    stream="text_minilm",
    shape=(WIDTH,),
    rate_hz=0.0,
    dtype="float32",
    weights=("minilm",),
    licence="MIT (package), Apache-2.0 (model)",
)


def load() -> MiniLM:
    """The tokeniser and the network."""
    return MiniLM(weight_file("minilm"))


class MiniLM:
    """Frozen sentence encoder."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        self.state = read_state(path)
        self.tokenizer = Tokenizer.from_file(str(path.parent / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()

    def has_word(self, word: str) -> bool:
        """Whether this word (lower case) is known whole, as common English words are."""
        return self.tokenizer.token_to_id(word) is not None

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 384) float32, rows of length one, so that a dot product is the cosine."""
        blocks = [self._embed(list(texts[i : i + BATCH])) for i in range(0, len(texts), BATCH)]
        return np.concatenate(blocks) if blocks else np.zeros((0, WIDTH), np.float32)

    def _embed(self, texts: list[str]) -> np.ndarray:
        states, real = self.states(texts)
        shares = real.float() / real.sum(dim=1, keepdim=True)
        return functional.normalize(torch.einsum("nw,nwd->nd", shares, states), dim=1).numpy()

    @torch.inference_mode()
    def states(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Word pieces of at least one text, first and last mark included: (n, W, 384), (n, W)."""
        encoded = self.tokenizer.encode_batch(texts)
        words = torch.tensor([item.ids for item in encoded])  # (n, W)
        real = torch.tensor([item.attention_mask for item in encoded]).bool()
        x = self._words(words)
        for layer in range(LAYERS):
            x = self._layer(f"encoder.layer.{layer}.", x, real)
        return x, real

    def _words(self, words: Tensor) -> Tensor:
        """Word, position and sentence-type embeddings, added and normalised: (n, W, 384)."""
        table = "embeddings.{}_embeddings.weight".format
        x = self.state[table("word")][words] + self.state[table("token_type")][0]
        return self._norm("embeddings.", x + self.state[table("position")][: words.shape[1]])

    def _layer(self, name: str, x: Tensor, real: Tensor) -> Tensor:
        """One BERT layer: attention and feed-forward, each followed by add and norm."""
        shape = (*x.shape[:2], HEADS, WIDTH // HEADS)
        query, key, value = (
            self._linear(f"{name}attention.self.{part}.", x).view(shape).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=real[:, None, None]
        )
        seen = seen.transpose(1, 2).reshape(x.shape)
        seen = self._linear(f"{name}attention.output.dense.", seen)
        x = self._norm(f"{name}attention.output.", x + seen)
        inner = functional.gelu(self._linear(f"{name}intermediate.dense.", x))
        return self._norm(f"{name}output.", x + self._linear(f"{name}output.dense.", inner))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x, self.state[f"{name}weight"], self.state[f"{name}bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight = self.state[f"{name}LayerNorm.weight"]
        bias = self.state[f"{name}LayerNorm.bias"]
        return functional.layer_norm(x, (WIDTH,), weight, bias, EPS)

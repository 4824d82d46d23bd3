"""BERT (Devlin et al. 2019) through transformers: a question as one vector, or word piece by piece.

The folder's config.json says the size; files with heads of any kind load, the heads are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import (
    config_beside,
    load_into,
    read_state,
    transformers,
)
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file

BATCH = 64
HEADS = ("cls.", "classifier.", "qa_outputs.", "pooler.", "bert.pooler.")
OLD_NORM = {".gamma": ".weight", ".beta": ".bias"}  # names in the first published files


class BertEncoder:
    """Frozen BERT; `words` keeps every piece, else the first mark ([CLS]) speaks for all."""

    def __init__(self, spec: Spec, device: str, *, words: bool, longest: int) -> None:
        from tokenizers import Tokenizer

        path = weight_file(spec.weights[0])
        beside = path.parent / "tokenizer.json"
        if not beside.is_file():
            raise WeightError(f"{spec.name} needs tokenizer.json beside {path.name}; add a folder.")
        self.spec, self.words, self.longest, self.device = spec, words, longest, device
        self.network = frozen(load_bert(path), device)
        fits(spec, (*spec.shape[:-1], self.network.config.hidden_size), path)
        self.tokenizer = Tokenizer.from_file(str(beside))
        self.tokenizer.enable_truncation(longest)
        self.tokenizer.enable_padding()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, *spec.shape) float32; rows of words are zero behind the last piece."""
        rows = np.zeros((len(texts), *self.spec.shape), np.float32)
        for start in range(0, len(texts), BATCH):
            states = self._states(list(texts[start : start + BATCH]))  # (n, W, D)
            if self.words:
                rows[start : start + len(states), : states.shape[1]] = states
            else:
                rows[start : start + len(states)] = states[:, 0]
        return rows

    @torch.inference_mode()
    def _states(self, texts: list[str]) -> np.ndarray:
        found = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([item.ids for item in found], device=self.device)
        real = torch.tensor([item.attention_mask for item in found], device=self.device)
        states = self.network(ids, attention_mask=real).last_hidden_state
        return (states * real[..., None]).cpu().numpy()


def load_bert(path: Path) -> Any:
    """BertModel without its pooler, from a folder in transformers' layout."""
    library = transformers()
    config = library.BertConfig.from_dict(config_beside(path))
    network = library.BertModel(config, add_pooling_layer=False)
    state = {}
    for key, tensor in read_state(path).items():
        if key.startswith(HEADS) or key.endswith("position_ids"):
            continue
        for old, new in OLD_NORM.items():
            key = key.removesuffix(old) + new if key.endswith(old) else key
        state[key.removeprefix("bert.")] = tensor
    load_into(network, state, path)
    return network

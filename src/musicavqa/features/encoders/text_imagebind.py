"""ImageBind's sentences: a question as 1024 numbers of length one, in the space of sound and sight.

The tokeniser is CLIP's (tokenizer.json beside the weights): 77 pieces, zeros behind the end mark.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.imagebind import load_sense
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file

BATCH = 64

SPEC = Spec(
    name="text_imagebind",
    stream="text_imagebind",
    shape=(1024,),
    rate_hz=0.0,
    dtype="float32",
    weights=("imagebind",),
    licence="CC-BY-NC-SA-4.0",
)


def load(device: str = "cpu") -> ImageBindText:
    """The tokeniser and the text tower with Meta's weights."""
    return ImageBindText(device)


class ImageBindText:
    """Frozen sentence encoder."""

    spec = SPEC

    def __init__(self, device: str = "cpu") -> None:
        from tokenizers import Tokenizer

        path = weight_file(SPEC.weights[0])
        beside = path.parent / "tokenizer.json"
        if not beside.is_file():
            raise WeightError(
                f"{SPEC.name} needs CLIP's tokenizer.json beside {path.name}: put both into one "
                f"folder and run `musicavqa doctor --add {SPEC.weights[0]}=FOLDER`."
            )
        self.network = frozen(load_sense(path, "text"), device)
        fits(SPEC, (self.network.project.out_features,), path)
        self.device, self.longest = device, self.network.places.shape[1]
        self.tokenizer = Tokenizer.from_file(str(beside))
        self.tokenizer.enable_truncation(self.longest)
        self.tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """(n, 1024) float32 of length one."""
        starts = range(0, len(texts), BATCH)
        blocks = [self._embed(list(texts[start : start + BATCH])) for start in starts]
        return np.concatenate([np.zeros((0, *SPEC.shape), np.float32), *blocks])

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> np.ndarray:
        pieces = torch.zeros((len(texts), self.longest), dtype=torch.long)
        for row, found in zip(pieces, self.tokenizer.encode_batch(texts), strict=True):
            row[: len(found.ids)] = torch.tensor(found.ids)
        return self.network(pieces.to(self.device)).cpu().numpy()

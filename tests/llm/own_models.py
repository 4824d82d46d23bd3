"""Our own language models at tiny sizes, a tokenizer made on the spot, and clips that differ."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch

from musicavqa.answers import ANSWERS
from musicavqa.llm.contract import Generation, Request
from musicavqa.llm.models import build_model, model_file
from musicavqa.llm.own import OwnModel
from musicavqa.llm.prompts import spoken
from musicavqa.llm.sampling import Coverage, Material
from musicavqa.questions import TEMPLATES

CANDIDATES = tuple(map(spoken, ANSWERS))
QUESTION = "Is the flute in the video always playing?"


def network(name: str, seed: int = 0, **changes: Any) -> Any:
    """A tiny network whose weights are large enough to tell clips apart before it has learned."""
    torch.manual_seed(seed)
    options = model_file(name).TINY
    made = build_model(name, options if not changes else type(options)(**vars(options) | changes))
    with torch.no_grad():
        for key, weight in made.named_parameters():
            if "eye.embeddings" in key and weight.std() > 0.5:
                weight.mul_(0.05)  # places that drown what is seen
            elif weight.ndim > 1 and weight.std() < 0.05:
                weight.mul_(6)
            elif "gate" in key:
                weight.fill_(0.7)  # a closed gate hears nothing
            elif "attend.in_proj_weight" in key:
                weight.mul_(4)  # all words alike are no word
    return made.eval()


@cache
def tokenizer() -> Any:
    """Byte pairs learned from templates and answers; pads are 0, starts 1, ends 2, masks 3."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    marks = ["<pad>", "<start>", "<end>", "<mask>", "<other>"]
    trainer = trainers.BpeTrainer(
        vocab_size=390, special_tokens=marks, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )  # fmt: skip
    texts = [template.text for template in TEMPLATES] + list(CANDIDATES) * 20
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<start>", eos_token="<end>",
        mask_token="<mask>",
    )  # fmt: skip


def adapter(name: str, **changes: Any) -> OwnModel:
    """The tiny network as an adapter."""
    about = {"model": f"tiny-{name}", "family": name, "revision": "1", "trained_on": None}
    return OwnModel(name, network(name, **changes), tokenizer(), about)


def material(number: int, sound: int | None = None, seconds: float = 2.0) -> Material:
    """Blocks of colour drawn by `number`, and a chord drawn by `sound` or the same."""
    draw = np.random.default_rng(number)
    blocks = draw.integers(0, 256, (4, 4, 4, 3))
    pictures = np.kron(blocks, np.ones((1, 16, 16, 1))).astype(np.uint8)
    heard = np.random.default_rng(1000 + (number if sound is None else sound))
    times = np.arange(round(seconds * 16000)) / 16000
    wave = sum(np.sin(2 * np.pi * hz * times) for hz in heard.uniform(100, 6000, 3)) / 5
    coverage = Coverage(seconds, 4, 2.0, seconds, True, True)
    return Material(pictures, 2.0, np.asarray(wave, np.float32), coverage)


def request(clip: Material, **generation: Any) -> Request:
    """The question about a clip."""
    return Request(QUESTION, None, clip, CANDIDATES, Generation(**generation))

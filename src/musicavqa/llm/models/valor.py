"""VALOR: BERT that answers while it attends to tokens of pictures, and of sound behind them.

Liu et al. 2023 (arXiv 2304.08345; T-PAMI 2024). CLIP looks at every picture alone, AST hears clips
of 5.12 s; BERT with cross-attention in every layer, between self-attention and feed-forward,
answers (`layers/fusing.py`). Its pre-training aligns the words of a caption with pictures and clips
one by one: `Model.alignment` (the paper's multimodal grouping alignment, MGA).

As in the released program, fine-tuning takes the loss with and without sound, and an answer is
learned with 99 % of its words masked. A clip without sound is heard as zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicavqa.llm.layers.clip_tensors import ClipTensors, Listening, Looking
from musicavqa.llm.layers.fusing import Fusing, Marks, Stream
from musicavqa.llm.layers.towers import build, each
from musicavqa.llm.models.card import Card, Wanted

CARD = Card(
    title="VALOR: vision-audio-language omni-perception pretraining model and dataset",
    system="VALOR",
    year=2024,
    venue="T-PAMI",
    senses="AV",
    tier="re-implemented architecture",
    checked="who sees whom, masks and labels, answers weighed one by one, the alignment",
    missing="published weights (their names are not known here); Video Swin as the eye of VALOR-B",
    licence="MIT",
    trained_on="fine-tuned on its training split",
)


@dataclass(frozen=True)
class Options:
    """Defaults are VALOR-L's."""

    picture: Mapping[str, Any] = field(
        default_factory=lambda: {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
        }
    )  # fmt: skip
    """Of CLIP, as transformers names them."""
    sound: Mapping[str, Any] = field(
        default_factory=lambda: {
            "max_length": 512, "num_mel_bins": 64, "frequency_stride": 16, "time_stride": 16,
        }
    )  # fmt: skip
    """Of AST."""
    language: Mapping[str, Any] = field(default_factory=dict)
    """Of BERT; empty is bert-base-uncased."""
    marks: Marks = field(default_factory=Marks)
    words: int = 30
    """Word pieces of a question, marks included."""
    frames: int = 8
    clips: int = 8
    """Of sound, of `max_length` frames each."""
    mixes: tuple[str, ...] = ("AV", "V")
    """Senses with which the loss is taken."""
    shared_width: int = 512
    """In which captions are aligned."""
    temperature: float = 0.07


TINY = Options(
    picture={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 28, "patch_size": 14,
    },
    sound={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_length": 32, "num_mel_bins": 32, "frequency_stride": 16,
        "time_stride": 16,
    },
    language={
        "vocab_size": 400, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 80, "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    },
    marks=Marks(0, 1, 2, 3, 5), words=40, frames=2, clips=2, shared_width=16,
)  # fmt: skip


def wanted(options: Options) -> Wanted:
    """What of a clip it reads: squeezed pictures and AST's spectra; the bare question."""
    frames, bands = options.sound["max_length"], options.sound["num_mel_bins"]
    # AudioSet's mean and deviation, as the released program has them.
    ear = Listening(options.clips, frames, bands, mean=-4.2677, deviation=2 * 4.5690)
    return Wanted(Looking(options.frames, options.picture["image_size"]), ear)


class Model(Fusing):
    """CLIP, AST and BERT."""

    def __init__(self, options: Options) -> None:
        super().__init__(options.language, options.marks, options.words)
        self.options, self.mixes = options, options.mixes
        self.eye, self.ear = build("clip", options.picture), build("ast", options.sound)
        width = self.language.config.hidden_size
        eye, ear = self.eye.config.hidden_size, self.ear.config.hidden_size
        self.pictures = Stream(eye, width, options.frames, normed=False)
        self.sound = Stream(ear, width, options.clips, normed=False)
        shared = options.shared_width
        self.heads = nn.ModuleDict({
            name: nn.Linear(size, shared)
            for name, size in (("words", width), ("pictures", eye), ("sound", ear))
        })  # fmt: skip
        self.weights = nn.ModuleDict({
            name: nn.Sequential(nn.Linear(shared, shared), nn.ReLU(), nn.Linear(shared, 1))
            for name in ("words", "pictures", "sound")
        })  # fmt: skip

    def condition(self, clips: ClipTensors) -> dict[str, Tensor]:
        found = {}
        if clips.pictures is not None:
            found["pictures"] = self.pictures(each(self.eye, clips.pictures))
        found["sound"] = self.sound(each(self.ear, self._sound(clips)))
        return found

    def alignment(self, clips: ClipTensors, captions: Sequence[Sequence[int]]) -> Tensor:
        """MGA: InfoNCE both ways of captions with pictures, sound, and both; their mean."""
        states, real = self.encode(captions)
        if clips.pictures is None:
            raise ValueError("Alignment takes clips with pictures.")
        found = {
            "words": states,
            "pictures": each(self.eye, clips.pictures)[:, :, 0],  # class token of each picture
            "sound": each(self.ear, self._sound(clips)).mean(2),
        }
        tokens = {n: functional.normalize(self.heads[n](x), dim=-1) for n, x in found.items()}
        weights = {n: self.weights[n](x)[..., 0] for n, x in tokens.items()}
        weights["words"] = weights["words"].masked_fill(~real, -torch.inf)
        groups = (("pictures",), ("sound",), ("pictures", "sound"))
        terms = []
        for group in groups:
            media = torch.cat([tokens[name] for name in group], 1)
            weigh = torch.cat([weights[name] for name in group], 1).softmax(-1)
            likeness = fine_likeness(
                tokens["words"], media, weights["words"].softmax(-1), weigh, real
            )
            terms.append(contrast(likeness / self.options.temperature))
        return torch.stack(terms).mean()

    def _sound(self, clips: ClipTensors) -> Tensor:
        if clips.sound is not None:
            return clips.sound
        rows = 1 if clips.pictures is None else len(clips.pictures)
        sizes, weight = self.options.sound, self.pictures.project.weight
        shape = (rows, self.options.clips, sizes["max_length"], sizes["num_mel_bins"])
        return torch.zeros(shape, device=weight.device, dtype=weight.dtype)


def fine_likeness(
    words: Tensor, media: Tensor, word_weights: Tensor, media_weights: Tensor, real: Tensor
) -> Tensor:
    """(B, C) likeness of texts (B, W, D) and clips (C, M, D), unit vectors with weights of sum 1.

    s = 1/2 sum_i w_i max_j e_i.x_j + 1/2 sum_j v_j max_i e_i.x_j, over `real` (B, W) words i.
    """
    all_pairs = torch.einsum("bwd,cmd->bcwm", words, media)
    all_pairs = all_pairs.masked_fill(~real[:, None, :, None], -1.0)
    by_word = torch.einsum("bw,bcw->bc", word_weights, all_pairs.amax(3))
    by_media = torch.einsum("cm,bcm->bc", media_weights, all_pairs.amax(2))
    return (by_word + by_media) / 2


def contrast(likeness: Tensor) -> Tensor:
    """InfoNCE in both directions of a square of likenesses whose diagonal belongs together."""
    same = torch.arange(len(likeness), device=likeness.device)
    there = functional.cross_entropy(likeness, same)
    return (there + functional.cross_entropy(likeness.T, same)) / 2

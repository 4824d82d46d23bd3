"""HCRN: Hierarchical Conditional Relation Networks for Video Question Answering (Le et al., 2020).

One unit, used four times, makes n - 2 objects of n, one for each size of subset from n - 1 down to
2 (of two objects it makes one, of both): the mean of a subset, joined with a context vector.
Objects are the frames of a part of the clip, in the light of the part's motion, then of the
question; then the parts, in the light of the whole motion, then of the question. What is left is
pooled by the question and read as an answer.

`Network` gives the numbers of the official code (16,153,383 parameters for 5 parts of 6 frames, 93
words, 512-wide features and 42 answers; 3,148,800 are never called, 13,004,583 remain). Its use for
music is an adaptation: MUSIC-AVQA does not say how parts were made or whether it heard.

Where we differ:
* A clip is cut into `n_parts` equal parts with `n_frames` of its seconds each, which repeat in
  short clips. Theirs are 8 parts of 16 consecutive frames of one video.
* The context of a part is its mean motion joined with its mean sound; theirs is motion alone.
  `audio_stream=None` leaves the sound out, and then official weights of the same sizes fit.
* A unit's first layer, for the whole set, is never called in the code and not built here, unless
  there are only two objects (four parts or frames, less two), of which it makes one. Fewer than
  four parts or frames leave the last unit nothing, there as here, and are refused.
* Subsets are drawn at random in training, by torch. In evaluation compat="paper" takes evenly
  spaced objects, so that answers repeat; "released" draws there too, as the official code does. All
  else is the same in both.
* The first unit runs once per clip. A training batch of one question uses the running statistics
  of the batch norm, where the official code fails.
* Word vectors start at random (theirs: GloVe), other weights as torch has them (theirs: Xavier).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, elu, linear, one_hot

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card, official_keys
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.seconds import picture_vectors, spaced_seconds, take_seconds
from musicavqa.methods.layers.words import BothWaysLSTM, after_last_word
from musicavqa.records import Batch, Output

CARD = Card(
    title="Hierarchical Conditional Relation Networks for Video Question Answering (HCRN)",
    year=2020,
    venue="CVPR",
    family="relation network",
    streams=("visual_effnet", "visual_motion", "audio_yamnet"),
    reference="adapted",
    official_scores="HCRN",
)

FEWEST = 4
"""Parts, and frames of a part: below that the last unit would be left with one object."""


@dataclass(frozen=True)
class Options:
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    motion_stream: str = "visual_motion"
    """Any array per second, flattened to `motion_width` numbers."""
    motion_width: int = 490
    audio_stream: str | None = "audio_yamnet"
    """One vector per second; None makes motion the only context, as in HCRN."""
    audio_width: int = 1545
    n_parts: int = 5
    """Parts that a clip is cut into."""
    n_frames: int = 6
    """Seconds taken from each part."""
    width: int = 512
    """Width of everything inside."""
    word_width: int = 300
    dropout: float = 0.15
    """On words, tokens and before the answer."""
    n_words: int = N_WORDS
    compat: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        if min(self.n_parts, self.n_frames) < FEWEST:
            given = f"{self.n_parts} and {self.n_frames}"
            raise ValueError(f"n_parts and n_frames must be {FEWEST} or more, got {given}.")

    @property
    def streams(self) -> tuple[str, ...]:
        heard = () if self.audio_stream is None else (self.audio_stream,)
        return self.visual_stream, self.motion_stream, *heard


PUBLISHED = Options(
    visual_stream="visual_resnet18", visual_width=512,
    motion_stream="visual_r2plus1d", motion_width=512,
    audio_stream="audio_vggish", audio_width=128,
    n_frames=12, n_words=93,
)  # fmt: skip
"""Inputs and vocabulary size of MUSIC-AVQA; its 60 seconds fill 5 parts of 12."""

Picks = tuple[list[Tensor], ...]
"""For each of the four units and each size: which objects (G, n) are 1, of G groups or of one."""


class Network(nn.Module):
    """The official network, over plain tensors."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, frames, parts = options.width, options.n_frames, options.n_parts
        heard = 0 if options.audio_stream is None else options.audio_width
        self.sizes = ((parts, frames), (parts, frames - 2), (1, parts), (1, parts - 2))
        self.random_in_evaluation = options.compat == "released"
        self.embedding = nn.Embedding(options.n_words, options.word_width)
        self.lstm = BothWaysLSTM(options.word_width, width // 2)
        self.question = nn.Linear(width, width)
        self.appearance = nn.Linear(options.visual_width, width)
        self.motion = nn.Linear(options.motion_width + heard, width)
        self.motion_lstm = nn.LSTM(options.motion_width + heard, width, batch_first=True)
        self.motion_of_clip = nn.Linear(width, width)
        self.units = nn.ModuleList(
            RelationUnit(n_objects, width, gated=place % 2 == 1)
            for place, (_, n_objects) in enumerate(self.sizes)
        )
        self.pooling = QuestionAggregation(width, options.dropout)
        self.answer = Reader(width, options.dropout)
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self, words: Tensor, appearance: Tensor, motion: Tensor, rows: Tensor,
        picks: Picks | None = None,
    ) -> Tensor:  # fmt: skip
        """Logits (B, A) of questions (B, W) about clips `rows` (B,); `picks` overrules the drawing.

        `appearance` (C, parts, frames, Dv), `motion` (C, parts, Dm).
        """
        picks = picks or tuple(self._pick(groups, n) for groups, n in self.sizes)
        asked = self.read(words)  # (B, D)
        tokens = self.relate(asked, appearance, motion, rows, picks)  # (B, N, D)
        return self.answer(asked, self.pooling(asked, tokens))

    def read(self, words: Tensor) -> Tensor:
        """Question vectors (B, D): the last states of both directions."""
        there, back = self.lstm(torch.tanh(self.dropout(self.embedding(words))), words)
        return self.dropout(torch.cat([after_last_word(there, words), back[:, 0]], dim=-1))

    def relate(
        self, asked: Tensor, appearance: Tensor, motion: Tensor, rows: Tensor, picks: Picks
    ) -> Tensor:
        """The tokens (B, N, D) that are left after all four units."""
        question = self.question(asked)[:, None]  # (B, 1, D), the context of every group
        frames = self.units[0](self.appearance(appearance), self.motion(motion), picks[0])
        parts = self.units[1](frames[rows], question, picks[1])  # (B, parts, S, D)
        _, (state, _) = self.motion_lstm(motion)
        whole = self.motion_of_clip(state[-1])[rows, None]  # (B, 1, D)
        tokens = self.units[2](parts.transpose(1, 2), whole, picks[2])
        tokens = self.units[3](tokens, question, picks[3])
        return tokens.transpose(1, 2).flatten(1, 2)

    def _pick(self, groups: int, n_objects: int) -> list[Tensor]:
        device = self.question.weight.device
        shares = []
        for size in _subset_sizes(n_objects):
            if self.training or self.random_in_evaluation:
                chosen = torch.rand(groups, n_objects, device=device).topk(size).indices
            else:
                chosen = (torch.arange(size, device=device)[None] + 0.5) * n_objects / size
            shares.append(one_hot(chosen.long(), n_objects).sum(1))
        return shares


class RelationUnit(nn.Module):
    """Objects (B, G, n, D) and context (B, G or 1, D) -> new objects (B, G, n - 2, D)."""

    def __init__(self, n_objects: int, width: int, gated: bool) -> None:
        super().__init__()
        sizes = _subset_sizes(n_objects)
        self.fuse = nn.ModuleList(nn.Linear(2 * width, width) for _ in sizes)
        self.gate = nn.ModuleList(nn.Linear(2 * width, width) for _ in sizes if gated)

    def forward(self, objects: Tensor, context: Tensor, shares: list[Tensor]) -> Tensor:
        related = []
        for place, (fuse, share) in enumerate(zip(self.fuse, shares, strict=True)):
            share = share.to(objects.dtype).expand(objects.shape[1], -1)
            share = share / share.sum(-1, keepdim=True)
            subset = torch.einsum("bgnd,gn->bgd", objects, share)
            new = elu(_joined(fuse, subset, context))
            if self.gate:
                new = new * torch.sigmoid(_joined(self.gate[place], subset, context))
            related.append(new)
        return torch.stack(related, dim=2)


def _subset_sizes(n_objects: int) -> range:
    """From all but one down to pairs; of two objects both together."""
    return range(max(n_objects - 1, 2), 1, -1)


def _joined(layer: nn.Linear, subset: Tensor, context: Tensor) -> Tensor:
    """The layer on both joined; a context that all groups share is mapped once."""
    of_subset, of_context = layer.weight.chunk(2, dim=1)
    return linear(subset, of_subset) + linear(context, of_context, layer.bias)


class QuestionAggregation(nn.Module):
    """Question (B, D) and tokens (B, N, D) -> their weighted sum (B, D)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.question = nn.Linear(width, width, bias=False)
        self.token = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, question: Tensor, tokens: Tensor) -> Tensor:
        tokens = self.dropout(tokens)
        mapped = self.token(tokens)
        both = torch.cat([mapped, self.question(question)[:, None] * mapped], dim=-1)
        weights = self.score(elu(self.join(both))).softmax(1)  # (B, N, 1)
        return (weights * tokens).sum(1)


class Reader(nn.Module):
    """Question and performance (B, D) -> logits (B, A)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.question = nn.Linear(width, width)
        self.join = nn.Linear(2 * width, width)
        self.norm = nn.BatchNorm1d(width)
        self.out = nn.Linear(width, N_ANSWERS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, question: Tensor, performance: Tensor) -> Tensor:
        both = torch.cat([performance, self.question(question)], dim=-1)
        joined = elu(self.join(self.dropout(both)))
        norm, alone = self.norm, self.training and len(joined) == 1
        known = norm.running_mean, norm.running_var, norm.weight, norm.bias
        normed = batch_norm(joined, *known) if alone else norm(joined)
        return self.out(self.dropout(normed))


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.network = Network(options)

    def forward(self, batch: Batch) -> Output:
        options, grid = self.options, (self.options.n_parts, self.options.n_frames)
        index = spaced_seconds(batch.seconds, options.n_parts * options.n_frames)
        pictures = picture_vectors(batch.streams[options.visual_stream])
        senses = [batch.streams[options.motion_stream].flatten(2)]
        if options.audio_stream is not None:
            senses.append(batch.streams[options.audio_stream])
        context = take_seconds(torch.cat(senses, dim=-1), index).unflatten(1, grid).mean(2)
        frames = take_seconds(pictures, index).unflatten(1, grid)
        return Output(self.network(batch.words, frames, context, batch.clip_of))


RECIPES = {
    "default": replace(USUAL, learning_rate=1e-4, gradient_clip=12.0),
    "music_avqa": replace(MUSIC_AVQA, epochs=25, step_factor=0.5, gradient_clip=12.0),
}

_UNITS = ("clip_level_motion", "clip_level_question", "video_level_motion", "video_level_question")

OFFICIAL_OPTIONS = {"audio_stream": None}
"""It sees only. The released network at its own sizes."""

OFFICIAL_KEYS = official_keys(
    ("linguistic_input_unit.", "network.", {"encoder_embed.": "embedding.", "encoder.": "lstm."}),
    ("visual_input_unit.", "network.", {
        "question_embedding_proj.": "question.", "appearance_feat_proj.": "appearance.",
        "clip_level_motion_proj.": "motion.", "sequence_encoder.": "motion_lstm.",
        "video_level_motion_proj.": "motion_of_clip.",
        **{f"{unit}_cond.": f"units.{i}." for i, unit in enumerate(_UNITS)},
    }),
    ("feature_aggregation.", "network.pooling.", {
        "q_proj.": "question.", "v_proj.": "token.", "cat.": "join.", "attn.": "score.",
    }),
    ("output_unit.", "network.answer.", {
        "question_proj.": "question.", "classifier.1.": "join.", "classifier.3.": "norm.",
        "classifier.5.": "out.",
    }),
)  # fmt: skip

DEAD_KEYS = tuple(f"visual_input_unit.{unit}_cond.k_objects_fusion.0." for unit in _UNITS[::2])
"""The layers for the whole set, which is skipped; of the other units see `dead_keys`."""


def dead_keys(state: Collection[str]) -> tuple[str, ...]:
    """Of the units that the question guides, where they see more than two objects."""
    units = [f"visual_input_unit.{unit}_cond." for unit in _UNITS[1::2]]
    skipped = [unit for unit in units if f"{unit}k_objects_fusion.1.weight" in state]
    return tuple(f"{unit}{kind}k_objects_fusion.0." for unit in skipped for kind in ("", "gate_"))


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Count the layers of a unit from the first that is called; part the two reading directions."""
    renamed = {}
    for key, tensor in state.items():
        if "k_objects_fusion." in key:
            unit, _, rest = key.partition("k_objects_fusion.")
            place, _, kind = rest.partition(".")
            part = "gate" if unit.endswith("gate_") else "fuse"
            key = f"{unit.removesuffix('gate_')}{part}.{max(int(place) - 1, 0)}.{kind}"
        elif key.startswith("linguistic_input_unit.encoder."):
            head, _, kind = key.rpartition(".")
            way = "backwards" if kind.endswith("_reverse") else "forwards"
            key = f"{head}.{way}.{kind.removesuffix('_reverse')}"
        renamed[key] = tensor
    return renamed

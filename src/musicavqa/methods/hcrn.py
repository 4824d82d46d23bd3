"""HCRN: Hierarchical Conditional Relation Networks for Video Question Answering (Le et al., 2020).

One unit, used four times: from n objects and a context vector it makes n - 2 new objects, one for
each size of subset from n - 1 down to 2, by averaging a subset and joining it with the context.
Within each short part of a clip the objects are its frames, seen first in the light of the part's
motion, then of the question; then the parts are the objects, in the light of the whole motion and
again of the question. What is left is pooled by the question and read as an answer.

`Network` gives the numbers of the official code (16,153,383 parameters for 5 parts of 6 frames, 93
words, 512-wide features and 42 answers; 3,148,800 of them are in layers that it never calls, which
leaves 13,004,583 here). Its use for music is an adaptation: MUSIC-AVQA reports a row "HCRN" without
saying how parts were made or whether it heard.

Where we differ:
* A clip is cut into `n_parts` equal parts with `n_frames` of its seconds each, which repeat in
  short clips. Theirs are 8 parts of 16 consecutive frames of one video.
* The context of a part is its mean motion joined with its mean sound; theirs is motion alone.
  `audio_stream=None` leaves the sound out, and then official weights of the same sizes fit.
* Each size has one layer, chosen by the size; the code's first layer of each unit, for the whole
  set, is never called and not built. Fewer than five parts or frames, where the code uses a layer
  for the whole set after all, are refused.
* Subsets are drawn at random in training, by torch. In evaluation compat="paper" takes evenly
  spaced objects, so that answers repeat; "released" draws there too, as the official code does. All
  else is the same in both.
* The first unit runs once per clip, not once per question. A training batch of one question uses
  the running statistics of the batch norm, where the official code fails.
* Word vectors start at random (theirs: GloVe), other weights as torch has them (theirs: Xavier).
  Their recipe (batch 32, rate halved every 10 epochs, gradient norm 12) has MUSIC-AVQA's batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import elu, one_hot

from musicavqa.layers import N_ANSWERS, N_WORDS
from musicavqa.layers.seconds import picture_vectors, spaced_seconds, take_seconds
from musicavqa.layers.words import BothWaysLSTM, after_last_word
from musicavqa.methods.card import Card, Recipe
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

FEWEST = 5
"""Parts, and frames of a part: below that a unit would be left with pairs only."""


@dataclass(frozen=True)
class Options:
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    motion_stream: str = "visual_motion"
    """Any array per second, flattened."""
    motion_width: int = 490
    """Numbers in it."""
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
    """Size of the vocabulary."""
    compat: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        if min(self.n_parts, self.n_frames) < FEWEST:
            raise ValueError(
                f"n_parts and n_frames must be {FEWEST} or more, "
                f"got {self.n_parts} and {self.n_frames}."
            )

    @property
    def streams(self) -> tuple[str, ...]:
        heard = () if self.audio_stream is None else (self.audio_stream,)
        return self.visual_stream, self.motion_stream, *heard


PUBLISHED = Options(
    visual_stream="visual_resnet18",
    visual_width=512,
    motion_stream="visual_r2plus1d",
    motion_width=512,
    audio_stream="audio_vggish",
    audio_width=128,
    n_frames=12,
    n_words=93,
)
"""Inputs and vocabulary size of MUSIC-AVQA; its 60 seconds fill 5 parts of 12."""

Picks = tuple[list[torch.Tensor], ...]
"""For each of the four units and each size: shares (G, n) of the objects, G groups or one."""


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
        self,
        words: torch.Tensor,
        appearance: torch.Tensor,
        motion: torch.Tensor,
        rows: torch.Tensor,
        picks: Picks | None = None,
    ) -> torch.Tensor:
        """Logits (B, A) of questions (B, W) about clips `rows` (B,).

        `appearance` (C, parts, frames, Dv), `motion` (C, parts, Dm); `picks` replaces the choice
        of subsets.
        """
        picks = picks or tuple(self._pick(groups, n) for groups, n in self.sizes)
        asked = self.read(words)  # (B, D)
        tokens = self.relate(asked, appearance, motion, rows, picks)  # (B, N, D)
        return self.answer(asked, self.pooling(asked, tokens))

    def read(self, words: torch.Tensor) -> torch.Tensor:
        """Question vectors (B, D): the last states of both directions."""
        vectors = torch.tanh(self.dropout(self.embedding(words)))
        there, back = self.lstm(vectors, words)
        return self.dropout(torch.cat([after_last_word(there, words), back[:, 0]], dim=-1))

    def relate(
        self,
        asked: torch.Tensor,
        appearance: torch.Tensor,
        motion: torch.Tensor,
        rows: torch.Tensor,
        picks: Picks,
    ) -> torch.Tensor:
        """The tokens (B, N, D) that are left after all four units."""
        question = self.question(asked)[:, None]  # (B, 1, D), the context of every group
        frames = self.units[0](self.appearance(appearance), self.motion(motion), picks[0])
        parts = self.units[1](frames[rows], question, picks[1])  # (B, parts, S, D)
        _, (state, _) = self.motion_lstm(motion)
        whole = self.motion_of_clip(state[-1])[rows, None]  # (B, 1, D)
        tokens = self.units[2](parts.transpose(1, 2), whole, picks[2])
        tokens = self.units[3](tokens, question, picks[3])
        return tokens.transpose(1, 2).flatten(1, 2)

    def _pick(self, groups: int, n_objects: int) -> list[torch.Tensor]:
        device = self.question.weight.device
        shares = []
        for size in range(n_objects - 1, 1, -1):
            if self.training or self.random_in_evaluation:
                chosen = torch.rand(groups, n_objects, device=device).topk(size).indices
            else:
                chosen = (torch.arange(size, device=device)[None] + 0.5) * n_objects / size
            shares.append(one_hot(chosen.long(), n_objects).sum(1) / size)
        return shares


class RelationUnit(nn.Module):
    """Objects (B, G, n, D) and context (B, G or 1, D) -> new objects (B, G, n - 2, D)."""

    def __init__(self, n_objects: int, width: int, gated: bool) -> None:
        super().__init__()
        sizes = range(n_objects - 2)
        self.fuse = nn.ModuleList(nn.Linear(2 * width, width) for _ in sizes)
        self.gate = nn.ModuleList(nn.Linear(2 * width, width) for _ in sizes if gated)

    def forward(
        self, objects: torch.Tensor, context: torch.Tensor, shares: list[torch.Tensor]
    ) -> torch.Tensor:
        context = context.expand(-1, objects.shape[1], -1)
        related = []
        for place, (fuse, share) in enumerate(zip(self.fuse, shares, strict=True)):
            share = share.to(objects.dtype).expand(objects.shape[1], -1)
            both = torch.cat([torch.einsum("bgnd,gn->bgd", objects, share), context], dim=-1)
            new = elu(fuse(both))
            related.append(new * torch.sigmoid(self.gate[place](both)) if self.gate else new)
        return torch.stack(related, dim=2)


class QuestionAggregation(nn.Module):
    """Question (B, D) and tokens (B, N, D) -> their weighted sum (B, D)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.question = nn.Linear(width, width, bias=False)
        self.token = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, question: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
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

    def forward(self, question: torch.Tensor, performance: torch.Tensor) -> torch.Tensor:
        both = torch.cat([performance, self.question(question)], dim=-1)
        joined = elu(self.join(self.dropout(both)))
        return self.out(self.dropout(self._normed(joined)))

    def _normed(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training and len(rows) == 1:
            norm = self.norm
            mean, variance = norm.running_mean, norm.running_var
            return nn.functional.batch_norm(rows, mean, variance, norm.weight, norm.bias)
        return self.norm(rows)


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.network = Network(options)

    def forward(self, batch: Batch) -> Output:
        options = self.options
        grid = (options.n_parts, options.n_frames)
        index = spaced_seconds(batch.seconds, options.n_parts * options.n_frames)
        pictures = picture_vectors(batch.streams[options.visual_stream])
        senses = [batch.streams[options.motion_stream].flatten(2)]
        if options.audio_stream is not None:
            senses.append(batch.streams[options.audio_stream])
        context = take_seconds(torch.cat(senses, dim=-1), index).unflatten(1, grid).mean(2)
        frames = take_seconds(pictures, index).unflatten(1, grid)
        return Output(self.network(batch.words, frames, context, batch.clip_of))


RECIPES = {
    "default": Recipe(
        epochs=30, batch_clips=16, learning_rate=1e-4, weight_decay=0.01,
        warmup_epochs=1, gradient_clip=12.0, patience=8,
    ),
    "music_avqa": Recipe(
        epochs=25, batch_clips=64, learning_rate=1e-4, optimizer="adam", schedule="step",
        step_epochs=10, step_factor=0.5, gradient_clip=12.0, max_questions_per_clip=1,
    ),
}  # fmt: skip

_UNITS = (
    "visual_input_unit.clip_level_motion_cond.",
    "visual_input_unit.clip_level_question_cond.",
    "visual_input_unit.video_level_motion_cond.",
    "visual_input_unit.video_level_question_cond.",
)

OFFICIAL_KEYS = {
    "linguistic_input_unit.encoder_embed.": "network.embedding.",
    "linguistic_input_unit.encoder.": "network.lstm.",
    "visual_input_unit.question_embedding_proj.": "network.question.",
    "visual_input_unit.appearance_feat_proj.": "network.appearance.",
    "visual_input_unit.clip_level_motion_proj.": "network.motion.",
    "visual_input_unit.sequence_encoder.": "network.motion_lstm.",
    "visual_input_unit.video_level_motion_proj.": "network.motion_of_clip.",
    "feature_aggregation.q_proj.": "network.pooling.question.",
    "feature_aggregation.v_proj.": "network.pooling.token.",
    "feature_aggregation.cat.": "network.pooling.join.",
    "feature_aggregation.attn.": "network.pooling.score.",
    "output_unit.question_proj.": "network.answer.question.",
    "output_unit.classifier.1.": "network.answer.join.",
    "output_unit.classifier.3.": "network.answer.norm.",
    "output_unit.classifier.5.": "network.answer.out.",
}
OFFICIAL_KEYS |= {unit: f"network.units.{place}." for place, unit in enumerate(_UNITS)}

DEAD_KEYS = tuple(
    f"{unit}{kind}k_objects_fusion.0." for unit in _UNITS for kind in ("", "gate_")
)  # fmt: skip
"""The layers for the whole set, which is skipped."""


def adapt_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Count the layers of a unit from the first that is called; part the two reading directions."""
    renamed = {}
    for key, tensor in state.items():
        if "k_objects_fusion." in key:
            unit, _, rest = key.partition("k_objects_fusion.")
            place, _, kind = rest.partition(".")
            part = "gate" if unit.endswith("gate_") else "fuse"
            key = f"{unit.removesuffix('gate_')}{part}.{int(place) - 1}.{kind}"
        elif key.startswith("linguistic_input_unit.encoder."):
            head, _, kind = key.rpartition(".")
            way = "backwards" if kind.endswith("_reverse") else "forwards"
            key = f"{head}.{way}.{kind.removesuffix('_reverse')}"
        renamed[key] = tensor
    return renamed

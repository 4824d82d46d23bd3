"""AV-Master: dual-path comprehensive perception (Zhang et al., arXiv 2510.18346, 2025).

Two views of a performance meet. A small memory of eight templates reads pictures, and likewise
sounds, second by second, and is left with what it focused on. All seconds and words look at each
other and take the focus in; their maximum is the global view. Besides, sound and picture each look
at the words: the preferences. Three heads answer, from the global view, from sound and from
picture, and the sum of their logits decides. A contrastive task holds the global view near the
preferences of its own clip and away from those of other clips.

Where we differ (there is released code; the paper's text was not at hand):
* In the released code all eight templates start as the first second and are treated alike, so they
  stay equal for ever, and every attention over them, or over eight copies of a second, is a plain
  mean. "paper" adds a learnable vector to each at the start (the released code has these vectors,
  as positions in an attention where they cannot matter); "released" does not. Attention over copies
  of one thing is left out in both, as it gives that thing.
* The contrastive task compares, as released, every global view with the preferences of every
  question of the batch, and counts all pairs as positive; "paper" compares it with its own only.
* The loop's cross-entropy of the sum of logits, which is the answer that counts, comes on top of
  those of the three heads. The contrastive loss counts once, as in the released backward pass.
* Default streams are ours: mean of the EfficientNet map, MiniLM for the question, learnt vectors
  for its words. Missing seconds, padding words and zero rows of a text stream are masked.

The official network has 61 318 017 parameters; without what reaches no output, or has no influence
by mathematics, ours has 47 102 848.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy, normalize, softplus

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction, official_keys
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.bert import EPSILON, BertAttention, BertFeedForward
from musicavqa.methods.layers.han import HANLayer
from musicavqa.methods.layers.seconds import mean_of_seconds, picture_vectors
from musicavqa.methods.layers.words import real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="AV-Master: Dual-Path Comprehensive Perception",
    year=2025,
    venue="arXiv",
    family="temporal selection",
    streams=("audio_yamnet", "visual_effnet"),
    texts=("text_minilm",),
    reference="official code",
    official_scores="AV-Master",
)

N_TEMPLATES = 8
TEMPERATURE = 0.1


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector per second, or one map (channels, rows, columns), of which the mean is taken."""
    visual_width: int = 1280
    sentence_text: str = "text_minilm"
    """Text stream with one vector per question."""
    sentence_width: int = 384
    words_text: str = ""
    """Text stream with one vector per word; empty for word vectors that are learnt."""
    words_width: int = 384
    width: int = 256
    """Width of everything inside."""
    focus_width: int = 512
    """Inner width of the focus."""
    n_heads: int = 8
    dropout: float = 0.1
    n_words: int = N_WORDS
    contrast_weight: float = 1.0
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(name for name in (self.sentence_text, self.words_text) if name)

    @property
    def negatives(self) -> tuple[str, ...]:
        return self.streams


PUBLISHED = Options(
    audio_stream="audio_vggish", audio_width=128,
    visual_stream="visual_clip_l14_336", visual_width=768,
    sentence_text="text_clip_l14", sentence_width=768,
    words_text="text_clip_l14_words", words_width=768,
    width=768,
)  # fmt: skip
"""Inputs and sizes of the paper; with compat="released" official weights fit."""


class Focus(nn.Module):
    """Seconds (C, T, D), the first of each clip valid -> what eight templates keep, (C, 8, D)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width, inner = options.width, options.focus_width
        self.released = options.compat == "released"
        self.embed = nn.Linear(width, width)
        self.old = nn.Linear(width, inner)
        self.new = nn.Linear(width, inner)
        self.bias = nn.Parameter(torch.zeros(inner))
        self.both = nn.Linear(inner, width)
        self.templates = nn.MultiheadAttention(
            width, options.n_heads, options.dropout, batch_first=True
        )
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, seconds: Tensor, valid: Tensor, queries: Tensor) -> Tensor:
        seconds = self.embed(seconds)
        new = self.new(seconds) + self.bias
        seen = self.merge(self.value(seconds))
        state = seconds[:, :1] + queries * (not self.released)
        state = state.expand(-1, N_TEMPLATES, -1)
        for second in range(seconds.shape[1]):
            mixed = self.both(self.old(state) + new[:, second, None])
            moved = self._decode(mixed, seen[:, second, None], queries)
            state = torch.where(valid[:, second, None, None], moved, state)
        alike = normalize(state, dim=-1)
        return torch.tanh(alike @ alike.transpose(1, 2)) @ state

    def _decode(self, state: Tensor, seen: Tensor, queries: Tensor) -> Tensor:
        """Templates look at each other, take the second in, and think about it."""
        places = state + queries
        found, _ = self.templates(places, places, state, need_weights=False)
        state = self.norms[0](state + self.dropout(found))
        state = self.norms[1](state + self.dropout(seen))
        inner = self.dropout(nn.functional.gelu(self.inner(state)))
        state = self.norms[2](state + self.dropout(self.outer(inner)))
        return self.norms[3](state)


class TakeFocus(nn.Module):
    """Tokens (B, N, D) take in the focus (C, 8, D) of their clip by additive attention."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.released = options.compat == "released"
        self.focus = nn.Linear(options.width, options.width)
        self.bias = nn.Parameter(torch.zeros(options.width))
        self.score = nn.Linear(options.width, 1)

    def forward(self, tokens: Tensor, focus: Tensor, rows: Tensor) -> Tensor:
        focus = (self.focus(focus) + self.bias)[rows]  # (B, 8, D)
        scores = self.score(torch.tanh(tokens[:, :, None] + focus[:, None]))[..., 0]  # (B, N, 8)
        return tokens + scores.softmax(2) @ focus


class Head(nn.Module):
    """Question (B, D) looks twice at values (B, M, D): logits (B, 42) and mean weights (B, M)."""

    def __init__(self, options: Options, n_heads: int) -> None:
        super().__init__()
        width = options.width
        self.look = nn.ModuleList(BertAttention(width, n_heads, options.dropout) for _ in range(2))
        self.think = nn.ModuleList(BertFeedForward(width, width, options.dropout) for _ in range(2))
        self.inner = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, EPSILON)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(
        self, question: Tensor, values: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        state, where = question[:, None], []
        for look, think in zip(self.look, self.think, strict=True):
            state, weights = look(state, values, there)
            state = think(state)
            where.append(weights)
        logits = self.answer(self.norm(nn.functional.gelu(self.inner(state[:, 0]))))
        return logits, sum(where) / len(where)


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width, dropout = options.width, options.dropout
        self.audio_in = nn.Linear(options.audio_width, width)
        self.visual_in = nn.Linear(options.visual_width, width)
        self.sentence_in = nn.Linear(options.sentence_width, width)
        if options.words_text:
            self.words_in = nn.Linear(options.words_width, width)
        else:
            self.words_in = nn.Embedding(options.n_words, width, padding_idx=0)
        self.focus = Focus(options)
        self.focus_heard = nn.Parameter(torch.randn(N_TEMPLATES, width))
        self.focus_seen = nn.Parameter(torch.randn(N_TEMPLATES, width))
        self.overall = HANLayer(width, n_partners=0, dropout=dropout)
        self.hear = HANLayer(width, dropout=dropout)
        self.see = HANLayer(width, dropout=dropout)
        self.take_heard = TakeFocus(options)
        self.take_seen = TakeFocus(options)
        self.fusion = nn.Linear(3 * width, width)
        self.from_all = Head(options, 0)
        self.from_sound = Head(options, options.n_heads)
        self.from_picture = Head(options, options.n_heads)

    def forward(self, batch: Batch) -> Output:
        rows, valid = batch.clip_of, batch.seconds
        there = valid[rows]  # (B, T)
        audio, visual = self._read(batch.streams)  # (C, T, D)
        words, said = self._words(batch)  # (B, W, D), (B, W)
        sentence = self.sentence_in(batch.texts[self.options.sentence_text])
        focus_heard = self.focus(audio, valid, self.focus_heard)  # (C, 8, D)
        focus_seen = self.focus(visual, valid, self.focus_seen)

        known = torch.cat([there, there, said], 1)
        tokens = self.overall(torch.cat([audio[rows], visual[rows], words], 1), known)
        focused = [self.take_seen(tokens, focus_seen, rows)]
        focused += [self.take_heard(tokens, focus_heard, rows)]
        fused = self.fusion(torch.cat([tokens, *focused], dim=-1))
        fused = fused.masked_fill(~known[..., None], -torch.inf).amax(1)  # (B, D)
        heard = self.hear(audio, valid, (words, said), rows=rows)
        seen = self.see(visual, valid, (words, said), rows=rows)

        overall, _ = self.from_all(sentence, fused[:, None])
        by_ear, ears = self.from_sound(sentence, heard, there)
        by_eye, eyes = self.from_picture(sentence, seen, there)
        heads = (overall, by_ear, by_eye)
        losses = {"heads": _head_loss(heads, batch.answers)} if batch.answers is not None else {}
        if set(self.options.negatives) <= set(batch.negatives):
            other_audio, other_visual = self._read(batch.negatives)
            others = [
                self.hear(other_audio, valid, (words, said), rows=rows),
                self.see(other_visual, valid, (words, said), rows=rows),
            ]
            preferred = [mean_of_seconds(sense, there) for sense in (heard, seen)]
            avoided = [mean_of_seconds(sense, there) for sense in others]
            contrast = self._contrast(fused, preferred, avoided)
            losses["contrast"] = self.options.contrast_weight * contrast
        return Output(overall + by_ear + by_eye, losses, {"time": (ears + eyes) / 2})

    def _read(self, streams: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Sound and picture (C, T, D)."""
        visual = picture_vectors(streams[self.options.visual_stream])
        return self.audio_in(streams[self.options.audio_stream]), self.visual_in(visual)

    def _words(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Vectors (B, W, D) of the words, and which there are (B, W)."""
        if not self.options.words_text:
            return self.words_in(batch.words), real_words(batch.words)
        words = batch.texts[self.options.words_text]
        return self.words_in(words), (words != 0).any(-1)

    def _contrast(self, fused: Tensor, preferred: list[Tensor], avoided: list[Tensor]) -> Tensor:
        """-log of the share of the own preferences, against those with sounds of other clips."""
        if self.options.compat == "released":  # every row against all rows, as if all were its own
            fused = fused[:, None]
        near = sum(cosine_similarity(fused, other, dim=-1) for other in preferred)
        far = sum(cosine_similarity(fused, other, dim=-1) for other in avoided)
        return softplus((far - near) / TEMPERATURE).mean()


def _head_loss(heads: tuple[Tensor, ...], answers: Tensor) -> Tensor:
    """Sum over heads of the mean cross-entropy on questions whose answer is known."""
    known = (answers >= 0).sum().clamp(min=1)
    losses = [cross_entropy(h, answers, ignore_index=-1, reduction="sum") for h in heads]
    return sum(losses[1:], losses[0]) / known


RECIPES = {"default": USUAL, "music_avqa": RELEASED}

REPRODUCTION = Reproduction(
    RELEASED,
    "AoKoo233/AV-Master",
    differs=(
        "Negatives are seconds of other clips of the batch; there each question is given all of "
        "another question's clip, which may be its own.",
        "The contrastive loss and the sum of all heads count once, in one backward pass.",
    ),
)

_FOCUS = "AugInformation.focus_capture."
_DECODER = f"{_FOCUS}decoder.layers.0."
_HEADS = {
    "fc_answer_pred": "from_all", "fc_answer_pred2": "from_sound", "fc_answer_pred3": "from_picture"
}  # fmt: skip
_HAN = {
    "self_attn.": "itself.", "cm_attn.": "partners.0.", "linear1.": "inner.", "linear2.": "outer.",
    "norm1.": "norm1.", "norm2.": "norm2.",
}  # fmt: skip
_LAYER = {
    "attention.self.query.": "look.{}.query.", "attention.self.key.": "look.{}.key.",
    "attention.self.value.": "look.{}.value.", "attention.output.dense.": "look.{}.merge.",
    "attention.output.LayerNorm.": "look.{}.norm.", "hidden_intermediate.dense.": "think.{}.inner.",
    "output.dense.": "think.{}.outer.", "output.LayerNorm.": "think.{}.norm.",
}  # fmt: skip

OFFICIAL_KEYS = official_keys(
    ("", "", {
        "fc_a.": "audio_in.", "fc_v.": "visual_in.", "fc_word.": "words_in.",
        "fc_q.": "sentence_in.", "AugInformation.video_embeddings.": "focus.embed.",
        "bias_a.weight": "focus_heard", "bisa_v.weight": "focus_seen",
        "linear_visual_layer.": "fusion.",
    }),
    (f"{_FOCUS}encoder.layers.0.", "focus.", {
        "linear1.": "old.", "linear2.": "new.", "linear3.": "both.", "b": "bias",
    }),
    (_DECODER, "focus.", {
        "self_attn.": "templates.", "cross_attn.in_proj_": "value.",
        "cross_attn.out_proj.": "merge.", "linear1.": "inner.", "linear2.": "outer.",
        "norm1.": "norms.0.", "norm2.": "norms.1.", "norm3.": "norms.2.",
    }),
    (_FOCUS, "focus.", {"decoder.norm.": "norms.3."}),
    ("", "take_heard.", {"Uo_a.": "focus.", "bo_a": "bias", "wo_a.": "score."}),
    ("", "take_seen.", {"Uo_v.": "focus.", "bo_v": "bias", "wo_v.": "score."}),
    ("GlobalSelf_Module.layers.0.", "overall.", _HAN),
    ("AP_Module.layers.0.", "hear.", _HAN),
    ("VP_Module.layers.0.", "see.", _HAN),
    *((f"{theirs}.head.", f"{ours}.", {
        "transform.dense.": "inner.", "transform.LayerNorm.": "norm.", "decoder.": "answer.",
        "bias": "answer.bias",
    }) for theirs, ours in _HEADS.items()),
    *((f"{theirs}.layer_ca.{layer}.", f"{ours}.", {
        key: name.format(layer) for key, name in _LAYER.items()
    }) for theirs, ours in _HEADS.items() for layer in range(2)),
)  # fmt: skip

DEAD_KEYS = (
    "fc_p.", "fc_spat_q.", "audio_fusion.", "visual_fusion.", "SM_fusion.", "fc_av_fusion.",
    "AugInformation.object_embeddings.", f"{_FOCUS}encoder.layers.0.w.",
    "GlobalSelf_Module.layers.0.cm_attn.", "GlobalSelf_Module.norm", "AP_Module.norm",
    "VP_Module.norm",
    *(f"{head}.{part}" for head in _HEADS for part in (
        "class_embedding", "positional_embedding", "layer_ca.0.memory_intermediate.",
        "layer_ca.1.memory_intermediate.",
    )),
    *(f"fc_answer_pred.layer_ca.{layer}.attention.self.{part}."
      for layer in range(2) for part in ("query", "key")),
)  # fmt: skip
"""Official parameters that reach no output, or score the one thing that there is to choose."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of the attention to copies of one second, only values matter."""
    copies = f"{_DECODER}cross_attn.in_proj_"
    return {k: v[len(v) // 3 * 2 :] if k.startswith(copies) else v for k, v in state.items()}

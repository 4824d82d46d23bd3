"""MCAN: Deep Modular Co-Attention Networks for Visual Question Answering (Yu et al., CVPR 2019).

Six layers of self-attention read the words of the question; six more let the tokens of the
performance attend to each other and then to the words that the last of the first six gives. Both
sets are pooled by a learned attention, added, normalised and read as an answer.

`Network` gives the numbers of the official code (small model, 47,718,184 parameters at 93 words,
512-wide regions and 42 answers). Its use for music is an adaptation: MCAN reads regions of one
picture, and MUSIC-AVQA reports a row "MCAN" without saying what it was given.

Where we differ:
* Tokens are seconds: one per second of sound and one per second of picture (maps averaged over
  their places), each with a linear layer of its own. `audio_stream=None` leaves the sound out, and
  then official weights of the same sizes fit. Regions have no positions, and neither have seconds.
* Cross-entropy over 42 answers; theirs is a summed binary cross-entropy over 3,129.
* Seconds that a clip does not have are masked; the official code masks rows that are exactly zero,
  which would take muted seconds for missing ones.
* Tokens attend to each other in the first layer once per clip, not once per question.
* compat="paper" has layer normalisation as it is known; "released" divides by the unbiased standard
  deviation plus 1e-6, as the official code does. All else is the same in both.
* Word vectors start at random (theirs: GloVe). Their recipe (Adam with betas 0.9 and 0.98, steps
  after a warm-up) is not offered; ours is MUSIC-AVQA's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.multi_head import MultiHead
from musicavqa.methods.layers.seconds import back_on_the_grid, picture_vectors
from musicavqa.methods.layers.unbiased_norm import UnbiasedNorm
from musicavqa.methods.layers.words import real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Deep Modular Co-Attention Networks for Visual Question Answering (MCAN)",
    year=2019,
    venue="CVPR",
    family="co-attention",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="MCAN",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str | None = "audio_yamnet"
    """One vector per second; None reads pictures only, as MCAN does."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    width: int = 512
    """Width of everything inside; 1024 in the large model."""
    word_width: int = 300
    n_heads: int = 8
    n_layers: int = 6
    """Layers for the words, and as many for the tokens."""
    dropout: float = 0.1
    n_words: int = N_WORDS
    """Size of the vocabulary."""
    every_nth_second: int = 1
    """1 keeps all seconds; MUSIC-AVQA keeps one in six of 60."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        heard = () if self.audio_stream is None else (self.audio_stream,)
        return *heard, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18",
    visual_width=512,
    n_words=93,
    every_nth_second=6,
)
"""Inputs and vocabulary size of MUSIC-AVQA."""


class Network(nn.Module):
    """The official network: words (B, W) and tokens (C, N, Dv) -> logits (B, A)."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.embedding = nn.Embedding(options.n_words, options.word_width)
        self.lstm = nn.LSTM(options.word_width, width, batch_first=True)
        self.picture = nn.Linear(options.visual_width, width)
        layers = range(options.n_layers)
        self.words = nn.ModuleList(SelfAttention(options) for _ in layers)
        self.tokens = nn.ModuleList(GuidedAttention(options) for _ in layers)
        self.pool_words = AttentionPooling(options)
        self.pool_tokens = AttentionPooling(options)
        self.norm = _norm(options, 2 * width)
        self.answer = nn.Linear(2 * width, N_ANSWERS)

    def forward(
        self, words: torch.Tensor, tokens: torch.Tensor, valid: torch.Tensor, rows: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits (B, A), attention (B, N) over the tokens, question (B, 2D) and tokens (B, N, D).

        `tokens` (C, N, D) are already as wide as the network, `valid` (C, N) says which are there,
        `rows` (B,) is the clip of each question.
        """
        spoken = real_words(words)
        read, _ = self.lstm(self.embedding(words))  # (B, W, D)
        for layer in self.words:
            read = layer(read, spoken)
        for place, layer in enumerate(self.tokens):
            tokens = layer.look(tokens, valid)
            if place == 0:  # from here on the question decides
                tokens, valid = tokens[rows], valid[rows]
            tokens = layer.ask(tokens, read, spoken)
        question, _ = self.pool_words(read, spoken)
        performance, weights = self.pool_tokens(tokens, valid)
        return self.read(question, performance), weights, question, tokens

    def read(self, question: torch.Tensor, performance: torch.Tensor) -> torch.Tensor:
        """Logits (B, A) from two vectors (B, 2D)."""
        return self.answer(self.norm(question + performance))


class SelfAttention(nn.Module):
    """SA unit: rows (B, N, D) look at each other, then a feed-forward step."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.attend = MultiHead(options.width, options.n_heads, options.dropout)
        self.feed = _feed_forward(options)
        self.norms = nn.ModuleList(_norm(options, options.width) for _ in range(2))
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, rows: torch.Tensor, there: torch.Tensor) -> torch.Tensor:
        rows = self.norms[0](rows + self.dropout(self.attend(rows, rows, there)))
        return self.norms[1](rows + self.dropout(self.feed(rows)))


class GuidedAttention(nn.Module):
    """SGA unit, in two steps: `look` needs no question, `ask` does."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.attend = MultiHead(options.width, options.n_heads, options.dropout)
        self.guide = MultiHead(options.width, options.n_heads, options.dropout)
        self.feed = _feed_forward(options)
        self.norms = nn.ModuleList(_norm(options, options.width) for _ in range(3))
        self.dropout = nn.Dropout(options.dropout)

    def look(self, tokens: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        return self.norms[0](tokens + self.dropout(self.attend(tokens, tokens, valid)))

    def ask(self, tokens: torch.Tensor, read: torch.Tensor, spoken: torch.Tensor) -> torch.Tensor:
        tokens = self.norms[1](tokens + self.dropout(self.guide(tokens, read, spoken)))
        return self.norms[2](tokens + self.dropout(self.feed(tokens)))


class AttentionPooling(nn.Module):
    """Rows (B, N, D) -> one vector (B, 2D), and the weight (B, N) of each row."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self.inner = nn.Linear(options.width, options.width)
        self.score = nn.Linear(options.width, 1)
        self.out = nn.Linear(options.width, 2 * options.width)
        self.dropout = nn.Dropout(options.dropout)

    def forward(self, rows: torch.Tensor, there: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scores = self.score(self.dropout(torch.relu(self.inner(rows))))[..., 0]
        weights = scores.masked_fill(~there, -torch.inf).softmax(-1)
        return self.out(torch.einsum("bn,bnd->bd", weights, rows)), weights


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.network = Network(options)
        if options.audio_stream is not None:
            self.audio = nn.Linear(options.audio_width, options.width)

    def forward(self, batch: Batch) -> Output:
        step = self.options.every_nth_second
        valid = batch.seconds[:, ::step]  # (C, T)
        pictures = picture_vectors(batch.streams[self.options.visual_stream][:, ::step])
        senses = [self.network.picture(pictures)]
        if self.options.audio_stream is not None:
            senses.append(self.audio(batch.streams[self.options.audio_stream][:, ::step]))
        there = valid.repeat(1, len(senses))
        tokens = torch.cat(senses, dim=1)  # (C, 2T, D)
        logits, weights, question, tokens = self.network(batch.words, tokens, there, batch.clip_of)
        by_sense = weights.unflatten(1, (len(senses), -1))  # (B, S, T)
        shares = by_sense.sum(1)  # both senses of a second
        time = back_on_the_grid(shares, step, batch.seconds.shape[1])
        pooled = torch.einsum("bst,bstd->sbd", by_sense, tokens.unflatten(1, (len(senses), -1)))
        features = {"question": question, **dict(zip(("visual", "audio"), pooled, strict=False))}
        return Output(logits, {}, {"time": time}, features)

    def answer_from(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, A) from the question (B, 2D) and each sense's part (B, D) of the pooling."""
        pooled = torch.stack([features[name] for name in features if name != "question"]).sum(0)
        return self.network.read(features["question"], self.network.pool_tokens.out(pooled))


def _norm(options: Options, width: int) -> nn.Module:
    return UnbiasedNorm(width, 1e-6) if options.compat == "released" else nn.LayerNorm(width)


def _feed_forward(options: Options) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(options.width, 4 * options.width),
        nn.ReLU(),
        nn.Dropout(options.dropout),
        nn.Linear(4 * options.width, options.width),
    )


RECIPES = {
    "default": replace(USUAL, learning_rate=1e-4, warmup_epochs=3),
    "music_avqa": replace(MUSIC_AVQA, warmup_epochs=3),
}

OFFICIAL_OPTIONS = {"audio_stream": None}
"""It sees only. The released network at its own sizes."""

OFFICIAL_KEYS = {
    "embedding.": "network.embedding.",
    "lstm.": "network.lstm.",
    "img_feat_linear.": "network.picture.",
    "backbone.enc_list.": "network.words.",
    "backbone.dec_list.": "network.tokens.",
    "attflat_lang.": "network.pool_words.",
    "attflat_img.": "network.pool_tokens.",
    "proj_norm.": "network.norm.",
    "proj.": "network.answer.",
}

_PARTS = {
    ".mhatt.": ".attend.",
    ".mhatt1.": ".attend.",
    ".mhatt2.": ".guide.",
    ".linear_q.": ".query.",
    ".linear_k.": ".key.",
    ".linear_v.": ".value.",
    ".linear_merge.": ".merge.",
    ".ffn.mlp.fc.linear.": ".feed.0.",
    ".ffn.mlp.linear.": ".feed.3.",
    ".norm1.": ".norms.0.",
    ".norm2.": ".norms.1.",
    ".norm3.": ".norms.2.",
    ".mlp.fc.linear.": ".inner.",
    ".mlp.linear.": ".score.",
    ".a_2": ".weight",
    ".b_2": ".bias",
}


def adapt_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Name the parts inside each layer as we do; which layer it is stays with OFFICIAL_KEYS."""
    renamed = {}
    for key, tensor in state.items():
        key = key.replace("linear_merge.", "out.") if key.startswith("attflat") else key
        for official, ours in _PARTS.items():
            key = key.replace(official, ours)
        renamed[key] = tensor
    return renamed

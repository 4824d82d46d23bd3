"""FCNLSTM: convolutions over the sound, an LSTM over the question (Fayek and Johnson, TASLP 2020).

Temporal Reasoning via Audio Question Answering (DAQA, arXiv 1911.09655). A VGG-like stack reads the
log-mel picture, its mean over time and bands is joined with the last state of the question and read
by two layers. It hears only. The paper that surveys link for this name, TJSTG, is another method;
MUSIC-AVQA's baseline of this name cites Fayek and Johnson, without saying how it was adapted.

`n_attentions=2` is the paper's variant with stacked attention (FCNLSTM-NSA): a grid of 4 x 4 means
with its coordinates, which the question attends to twice.

Where we differ:
* Our log-mel has frames of 20 ms and a second plane, the left-right difference, instead of 10 ms
  frames of one channel; the first kernel covers 120 ms in both, its stride 80 ms instead of 90.
  `PUBLISHED` has the paper's numbers. Bands are not standardised over a training set.
* Clips may have different lengths in a batch: what is behind the end of a clip is masked. The
  released code needs clips of equal length. Clips under 2.56 s (2.89 s) are followed by zeros, as
  five poolings need them; the released code fails there.
* Means over the map are taken before the 1 x 1 convolution, not after it, which is the same.
* Only mean aggregation; the released code can also take the maximum. Answers are 42.

The official configuration with 93 words and 42 answers has 1 905 418 parameters (NSA 1 941 644).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from musicavqa.methods.card import USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.last_word_lstm import LastWordLSTM
from musicavqa.methods.layers.mel_convolutions import MelConvolutions, official_convolutions
from musicavqa.records import Batch, Output

CARD = Card(
    title="Temporal Reasoning via Audio Question Answering (FCNLSTM)",
    year=2020,
    venue="TASLP",
    family="audio only",
    streams=("audio_logmel",),
    reference="official code",
    official_scores="FCNLSTM",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_logmel"
    """A picture (channels, frames, bands) per second."""
    n_channels: int = 2
    time_kernel: int = 6
    """Frames that the first convolution covers."""
    time_stride: int = 4
    """Frames from one place of the first convolution to the next."""
    n_filters: int = 16
    """Filters of the first block; each further block doubles them, up to 512."""
    n_blocks: int = 5
    sound_width: int = 256
    """Width of the sound vector."""
    word_width: int = 256
    width: int = 128
    """Width of the question vector."""
    n_attentions: int = 0
    """Times that the question attends to the grid; 0 takes one mean instead."""
    grid: int = 4
    """Columns and rows of the grid."""
    attention_width: int = 512
    hidden: int = 1024
    """Width of the layer before the answer."""
    n_words: int = N_WORDS

    @property
    def streams(self) -> tuple[str, ...]:
        return (self.audio_stream,)

    def __post_init__(self) -> None:
        if self.n_attentions and self.grid < 2:
            raise ValueError(f"Attention needs a grid of 2 at least, got grid={self.grid}.")


PUBLISHED = Options(
    audio_stream="audio_logmel_10ms", n_channels=1, time_kernel=12, time_stride=9, n_words=93
)
"""Sizes of the paper; one second of the stream is (1, 100, 64), 93 words are MUSIC-AVQA's."""


class StackedAttention(nn.Module):
    """Grid (B, P, D) and query (B, D) -> query plus what it found, and the weights (B, P)."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.places = nn.Linear(width, hidden)
        self.query = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, 1)

    def forward(self, grid: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.tanh(self.places(grid) + self.query(query)[:, None])
        weights = self.score(both)[..., 0].softmax(-1)
        return query + torch.einsum("bp,bpd->bd", weights, grid), weights


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.mel = MelConvolutions(
            options.n_channels, options.n_filters, options.n_blocks,
            options.time_kernel, options.time_stride,
        )  # fmt: skip
        self.question = LastWordLSTM(options.n_words, options.word_width, width)
        self.sound = nn.Linear(self.mel.width, options.sound_width)
        joined = options.sound_width + width
        if options.n_attentions:
            self.project = nn.Linear(options.sound_width + 2, width)
            self.attentions = nn.ModuleList(
                StackedAttention(width, options.attention_width)
                for _ in range(options.n_attentions)
            )
            joined = width
        self.inner = nn.Linear(joined, options.hidden)
        self.answer = nn.Linear(options.hidden, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        picture, lengths = self.mel(batch.streams[self.options.audio_stream], batch.seconds)
        question = self.question(batch.words)  # (B, D)
        evidence = {}
        if self.options.n_attentions:
            joined, weights = self._attend(picture, lengths, question, batch.clip_of)
            columns = weights.unflatten(1, (self.options.grid, -1)).sum(-1)
            evidence["time"] = _seconds_of(columns, batch.seconds[batch.clip_of])
        else:
            sound = self.sound(_grid_means(picture, lengths, 1)[..., 0, 0])  # (C, sound_width)
            joined = torch.cat([sound[batch.clip_of], question], dim=-1)
        return Output(self.answer(torch.relu(self.inner(joined))), evidence=evidence)

    def _attend(
        self, picture: Tensor, lengths: Tensor, question: Tensor, clip_of: Tensor
    ) -> tuple[Tensor, Tensor]:
        n = self.options.grid
        means = self.sound(_grid_means(picture, lengths, n).flatten(2).transpose(1, 2))  # (C, P, .)
        line = torch.linspace(-1.0, 1.0, n, dtype=means.dtype, device=means.device)
        corners = torch.cartesian_prod(line, line).flip(-1).expand(len(means), -1, -1)
        grid = torch.tanh(self.project(torch.cat([means, corners], dim=-1)))[clip_of]
        weights = question.new_zeros(grid.shape[:2])
        for attention in self.attentions:
            question, weights = attention(grid, question)
        return question, weights


def _grid_means(picture: Tensor, lengths: Tensor, n: int) -> Tensor:
    """Means (C, D, n, n) over a grid of n columns and n rows of the valid part of a map."""
    columns = _shares(lengths, picture.shape[2], n, picture.dtype)
    rows = _shares(lengths.new_tensor([picture.shape[3]]), picture.shape[3], n, picture.dtype)
    return torch.einsum("cdlm,cnl,kom->cdno", picture, columns, rows)


def _shares(lengths: Tensor, size: int, n: int, dtype: torch.dtype) -> Tensor:
    """What each of `size` places gives to each of n cells, (C, n, size); cells may overlap."""
    cell, place = torch.arange(n + 1, device=lengths.device), torch.arange(size).to(lengths.device)
    start = cell[:-1] * lengths[:, None] // n
    end = -(-cell[1:] * lengths[:, None] // n)
    inside = (place >= start[..., None]) & (place < end[..., None])
    return inside.to(dtype) / (end - start)[..., None]


def _seconds_of(columns: Tensor, seconds: Tensor) -> Tensor:
    """Weights of seconds (B, T) from weights of equal parts of a clip (B, n)."""
    n, n_seconds = columns.shape[1], seconds.sum(1)[:, None, None]
    part = torch.arange(n).to(columns)[:, None] / n
    second = torch.arange(seconds.shape[1]).to(columns) / n_seconds
    end = torch.minimum(part + 1 / n, second + 1 / n_seconds)
    overlap = (end - torch.maximum(part, second)).clamp(min=0.0) * n  # (B, n, T)
    return torch.einsum("bn,bnt->bt", columns, overlap) * seconds


OFFICIAL = Recipe(
    epochs=100, batch_clips=16, learning_rate=1e-4, weight_decay=1e-4,
    optimizer="adam", schedule="constant",
)  # fmt: skip

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "facebookresearch/daqa",
    differs=(
        "The release is trained on DAQA; how MUSIC-AVQA's authors trained it was never said.",
        "There a batch has one clip for each GPU, with its questions; here it has 16 clips.",
        "Bands are not standardised over the training set.",
    ),
)

OFFICIAL_KEYS = official_convolutions() | {
    "embeddings.": "question.embedding.",
    "lstm_q.": "question.lstm.",
    "conv1.": "sound.",
    "projection.": "project.",
    "stacked_att_0.Wv.": "attentions.0.places.",
    "stacked_att_0.Wu.": "attentions.0.query.",
    "stacked_att_0.Wp.": "attentions.0.score.",
    "stacked_att_1.Wv.": "attentions.1.places.",
    "stacked_att_1.Wu.": "attentions.1.query.",
    "stacked_att_1.Wp.": "attentions.1.score.",
    "output.0.": "inner.",
    "output.2.": "answer.",
}

DEAD_KEYS = ()


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """1 x 1 convolutions are linear layers here."""
    return {k: v[..., 0, 0] if v.shape[2:] == (1, 1) else v for k, v in state.items()}

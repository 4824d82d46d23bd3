"""CONVLSTM: convolutions and an LSTM over the sound, an LSTM over the question (TASLP 2020).

Fayek and Johnson, Temporal Reasoning via Audio Question Answering (DAQA, arXiv 1911.09655). As
FCNLSTM, but an LSTM walks along the columns of the convolved log-mel picture and its last state is
the sound. It hears only. The paper that surveys link for this name, TJSTG, is another method;
MUSIC-AVQA's baseline of this name cites Fayek and Johnson, without saying how it was adapted.

`n_attentions=2` is the paper's variant with stacked attention (CONVLSTM-NSA). There is one sound
vector, so its softmax runs over features: it weighs what was heard, not when.

Where we differ:
* Our log-mel has frames of 20 ms and a second plane, the left-right difference, instead of 10 ms
  frames of one channel; the first kernel covers 120 ms in both, its stride 80 ms instead of 90.
  `PUBLISHED` has the paper's numbers. Bands are not standardised over a training set.
* Clips may have different lengths in a batch: the state at the last column that a clip has is
  taken. The released code takes the last of the batch and needs clips of equal length. Clips under
  2.56 s (2.89 s) are followed by zeros, as five poolings need them; the released code fails there.
* No bidirectional LSTM: the released option reads the backward states at the wrong end.

The official configuration with 93 words and 42 answers has 2 037 258 parameters (NSA 2 318 218).
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
    title="Temporal Reasoning via Audio Question Answering (CONVLSTM)",
    year=2020,
    venue="TASLP",
    family="audio only",
    streams=("audio_logmel",),
    reference="official code",
    official_scores="CONVLSTM",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_logmel"
    """A picture (channels, frames, bands) per second."""
    n_channels: int = 2
    n_bands: int = 64
    time_kernel: int = 6
    """Frames that the first convolution covers."""
    time_stride: int = 4
    """Frames from one place of the first convolution to the next."""
    n_filters: int = 16
    """Filters of the first block; each further block doubles them, up to 512."""
    n_blocks: int = 5
    word_width: int = 256
    width: int = 128
    """Width of the two LSTM states."""
    n_attentions: int = 0
    """Times that the question attends to the sound's features; 0 joins the two vectors instead."""
    attention_width: int = 512
    hidden: int = 1024
    """Width of the layer before the answer."""
    n_words: int = N_WORDS

    @property
    def streams(self) -> tuple[str, ...]:
        return (self.audio_stream,)

    def __post_init__(self) -> None:
        if self.n_bands < 2**self.n_blocks:
            raise ValueError(
                f"{self.n_blocks} poolings leave nothing of {self.n_bands} bands; "
                "lower n_blocks or use more bands."
            )


PUBLISHED = Options(
    audio_stream="audio_logmel_10ms", n_channels=1, time_kernel=12, time_stride=9, n_words=93
)
"""Sizes of the paper; one second of the stream is (1, 100, 64), 93 words are MUSIC-AVQA's."""


class StackedAttention(nn.Module):
    """Sound (B, D) and query (B, D) -> query plus the sound, weighed by a softmax over D."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.sound = nn.Linear(width, hidden)
        self.query = nn.Linear(width, hidden)
        self.score = nn.Linear(hidden, width)

    def forward(self, sound: Tensor, query: Tensor) -> Tensor:
        weights = self.score(torch.tanh(self.sound(sound) + self.query(query))).softmax(-1)
        return query + weights * sound


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.mel = MelConvolutions(
            options.n_channels, options.n_filters, options.n_blocks,
            options.time_kernel, options.time_stride,
        )  # fmt: skip
        n_rows = options.n_bands // 2**options.n_blocks
        self.listen = nn.LSTM(self.mel.width * n_rows, width, batch_first=True)
        self.question = LastWordLSTM(options.n_words, options.word_width, width)
        joined = 2 * width
        if options.n_attentions:
            self.project = nn.Linear(width, width)
            self.attentions = nn.ModuleList(
                StackedAttention(width, options.attention_width)
                for _ in range(options.n_attentions)
            )
            joined = width
        self.inner = nn.Linear(joined, options.hidden)
        self.answer = nn.Linear(options.hidden, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        picture, lengths = self.mel(batch.streams[self.options.audio_stream], batch.seconds)
        states, _ = self.listen(picture.transpose(1, 2).flatten(2))  # (C, columns, D)
        heard = states[torch.arange(len(states), device=lengths.device), lengths - 1]
        question = self.question(batch.words)  # (B, D)
        if self.options.n_attentions:
            sound = torch.tanh(self.project(heard))[batch.clip_of]
            for attention in self.attentions:
                question = attention(sound, question)
            joined = question
        else:
            joined = torch.cat([heard[batch.clip_of], question], dim=-1)
        return Output(self.answer(torch.relu(self.inner(joined))))


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
    "lstm_a.": "listen.",
    "projection.": "project.",
    "stacked_att_0.Wa.": "attentions.0.sound.",
    "stacked_att_0.Wu.": "attentions.0.query.",
    "stacked_att_0.Wp.": "attentions.0.score.",
    "stacked_att_1.Wa.": "attentions.1.sound.",
    "stacked_att_1.Wu.": "attentions.1.query.",
    "stacked_att_1.Wp.": "attentions.1.score.",
    "output.0.": "inner.",
    "output.2.": "answer.",
}

DEAD_KEYS = ()

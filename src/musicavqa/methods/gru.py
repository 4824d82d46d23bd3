"""GRU: the joint embedding of VQA (Antol et al., ICCV 2015) with a GRU, for sound and picture.

The question is read by one GRU, the performance is averaged over time, both are multiplied and the
product is read as an answer. It is the "GRU" row of the MUSIC-AVQA tables. That paper describes it
in no word and published no code for it, and the cited paper has an LSTM and no GRU, so this is an
adaptation: question encoder, audio layers and product as in MUSIC-AVQA's own network.

Where we differ:
* From VQA 2015 (Lua code): GRU in place of a two-layer LSTM and its four states, one width for all,
  tanh and one layer over audio and picture joined, picture vectors not L2-normalised, dropout only
  before the answer, 42 answers.
* From MUSIC-AVQA's question encoder: a GRU has no cell state to join; reading stops at the last
  real word (theirs reads the padding too).
* The default streams are ours (YAMNet, EfficientNet); `PUBLISHED` has those of MUSIC-AVQA, with
  2,761,258 parameters at its 93 words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.joint_embedding import JointEmbedding
from musicavqa.methods.layers.words import after_last_word, each_once
from musicavqa.records import Batch, Output

CARD = Card(
    title="VQA: Visual Question Answering, joint embedding with a GRU (GRU)",
    year=2015,
    venue="ICCV",
    family="joint embedding",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="GRU",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or one map (averaged over its places) per second."""
    visual_width: int = 1280
    width: int = 512
    """Width of everything inside; picture vectors of another width are mapped to it."""
    dropout: float = 0.5
    """Before the answer."""
    n_words: int = N_WORDS
    """Size of the vocabulary."""
    every_nth_second: int = 1
    """1 keeps all seconds; MUSIC-AVQA keeps one in six of 60."""

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18",
    visual_width=512,
    n_words=93,
    every_nth_second=6,
)
"""Inputs and vocabulary size of MUSIC-AVQA."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.embedding = nn.Embedding(options.n_words, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.question = nn.Linear(width, width)
        self.joint = JointEmbedding(
            options.audio_width, options.visual_width, width, options.dropout
        )

    def forward(self, batch: Batch) -> Output:
        question = each_once(self._read, batch.words)  # (B, D)
        audio, pictures, valid = (
            tensor[:, :: self.options.every_nth_second]
            for tensor in (
                batch.streams[self.options.audio_stream],
                batch.streams[self.options.visual_stream],
                batch.seconds,
            )
        )
        return self.joint(audio, pictures, valid, question, batch.clip_of)

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        states, _ = self.gru(torch.tanh(self.embedding(words)))  # (B, W, D)
        return self.question(torch.tanh(after_last_word(states, words)))

    def answer_from(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, A) read from question, audio and visual vectors (B, D)."""
        return self.joint.answer_from(features)


RECIPES = {"default": USUAL, "music_avqa": MUSIC_AVQA}

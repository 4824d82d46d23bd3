"""Att-BLSTM (Zhou et al., ACL 2016), for sound and picture: words weighed after reading both ways.

Attention-Based Bidirectional Long Short-Term Memory Networks for Relation Classification. An LSTM
reads the question forwards, another backwards; their states are added, a learned vector weighs the
words (softmax of w . tanh(h)), and tanh of the weighted sum is the question. The performance is
averaged over time, multiplied with the question, and the product is read as an answer. It is the
"BiLSTM Attn" row of the MUSIC-AVQA tables, which cite a paper on text and describe no way from it
to sound and picture, so this is an adaptation: the question is Zhou et al.'s (their equations, no
official code known to us), the rest is the joint embedding of `gru`.

Where we differ:
* From Zhou et al.: random word vectors, 512 wide as the rest (theirs 100 wide, pre-trained);
  dropout 0.3 on words and on states as theirs, 0.5 before the answer; no L2 penalty in the loss.
* The default streams are ours (YAMNet, EfficientNet); `PUBLISHED` has those of MUSIC-AVQA, with
  5,125,674 parameters at its 93 words.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.joint_embedding import JointEmbedding
from musicavqa.methods.layers.words import BothWaysLSTM, each_once, real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="Attention-Based Bidirectional LSTM (Att-BLSTM)",
    year=2016,
    venue="ACL",
    family="joint embedding",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="Att-BLSTM",
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
    dropout_words: float = 0.3
    """On word vectors and on the states of the LSTMs."""
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
        self.lstm = BothWaysLSTM(width, width)
        self.weigh = nn.Linear(width, 1, bias=False)
        self.dropout = nn.Dropout(options.dropout_words)
        self.joint = JointEmbedding(
            options.audio_width, options.visual_width, width, options.dropout
        )

    def forward(self, batch: Batch) -> Output:
        words = batch.words
        question = self._read(words) if self.training else each_once(self._read, words)  # (B, D)
        audio, pictures, valid = (
            tensor[:, :: self.options.every_nth_second]
            for tensor in (
                batch.streams[self.options.audio_stream],
                batch.streams[self.options.visual_stream],
                batch.seconds,
            )
        )
        return self.joint(audio, pictures, valid, question, batch.clip_of)

    def answer_from(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, A) read from question, audio and visual vectors (B, D)."""
        return self.joint.answer_from(features)

    def _read(self, words: torch.Tensor) -> torch.Tensor:
        there, back = self.lstm(self.dropout(self.embedding(words)), words)
        states = self.dropout(there + back)  # (B, W, D)
        scores = self.weigh(torch.tanh(states))[..., 0].masked_fill(~real_words(words), -torch.inf)
        return torch.tanh(torch.einsum("bw,bwd->bd", scores.softmax(-1), states))


RECIPES = {"default": USUAL, "music_avqa": MUSIC_AVQA}

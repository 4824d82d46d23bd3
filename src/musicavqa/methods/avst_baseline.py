"""AVST's own baseline: what remains without grounding and without the match task (Li et al., 2022).

Learning to Answer Questions in Dynamic Audio-Visual Scenarios (CVPR 2022), the reference point of
its ablation. The question picks seconds by ear and by eye (two attentions), the two vectors are
joined, multiplied with the question and read as an answer. A picture is the mean of its map.

Where we differ:
* The default streams are ours (YAMNet, EfficientNet); `PUBLISHED` has those of the paper. When the
  picture is not `width` wide, a linear layer narrows it first.
* Seconds that a clip does not have are masked.
* `compat="released"` reads padding words like real words, as the released code does; "paper" stops
  at the last real word. All else follows the released code in both. Unlike AVST, the attended
  vectors are not added to the means over time.

Parameters in the official configuration: 6 702 634. The release has 3 576 962 more that reach no
answer, and a ResNet-18 that it never calls.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.question_lstm import QuestionLSTM
from musicavqa.methods.layers.question_pooling import QuestionPooling
from musicavqa.methods.layers.seconds import back_on_the_grid, picture_vectors
from musicavqa.records import Batch, Output

CARD = Card(
    title="Baseline of Learning to Answer Questions in Dynamic Audio-Visual Scenarios (AVST)",
    year=2022,
    venue="CVPR",
    family="temporal attention",
    streams=("audio_yamnet", "visual_effnet"),
    reference="official code",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One vector or map (channels, rows, columns) per second."""
    visual_width: int = 1280
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 4
    dropout: float = 0.1
    n_words: int = N_WORDS
    every_nth_second: int = 1
    """1 keeps all seconds; the paper keeps one in six of 60."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18_map",  # every sixth second, and so the grid of all
    visual_width=512,
)
"""Inputs of the paper; with `n_words=93` and compat="released" official weights fit."""


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        width = options.width
        self.question = QuestionLSTM(options.n_words, width, options.compat == "released")
        self.audio_in = nn.Linear(options.audio_width, width)
        self.audio_out = nn.Linear(width, width)
        same = options.visual_width == width
        self.visual_in = nn.Identity() if same else nn.Linear(options.visual_width, width)
        self.when_heard = QuestionPooling(width, options.n_heads, options.dropout)
        self.when_seen = QuestionPooling(width, options.n_heads, options.dropout)
        self.fusion = nn.Linear(2 * width, width)
        self.answer = nn.Linear(width, N_ANSWERS)

    def forward(self, batch: Batch) -> Output:
        step, rows = self.options.every_nth_second, batch.clip_of
        valid = batch.seconds[rows, ::step]  # (B, T)
        audio = self.audio_in(batch.streams[self.options.audio_stream][:, ::step])
        audio = self.audio_out(torch.relu(audio))  # (C, T, D)
        pictures = batch.streams[self.options.visual_stream][:, ::step]
        visual = self.visual_in(picture_vectors(pictures))  # (C, T, D)

        question = self.question(batch.words)  # (B, D)
        heard, ears = self.when_heard(question, audio[rows], valid)
        seen, eyes = self.when_seen(question, visual[rows], valid)
        features = {"question": question, "audio": heard, "visual": seen}
        logits = self.answer_from(features)
        time = back_on_the_grid((ears + eyes) / 2, step, batch.seconds.shape[1])
        return Output(logits, {}, {"time": time}, features)

    def answer_from(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
        """Logits (B, A) read from question, audio and visual vectors (B, D)."""
        both = self.fusion(torch.tanh(torch.cat([features["audio"], features["visual"]], dim=-1)))
        return self.answer(torch.tanh(both * features["question"]))


OFFICIAL = replace(RELEASED, epochs=20)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(OFFICIAL, "GeWu-Lab/MUSIC-AVQA net_grd_baseline")

OFFICIAL_KEYS = {
    "question_encoder.word2vec.": "question.embedding.",
    "question_encoder.lstm.": "question.lstm.",
    "question_encoder.fc.": "question.out.",
    "fc_a1.": "audio_in.",
    "fc_a2.": "audio_out.",
    "attn_a.": "when_heard.attention.",
    "linear21.": "when_heard.inner.",
    "linear22.": "when_heard.outer.",
    "norm2.": "when_heard.norm.",
    "attn_v.": "when_seen.attention.",
    "linear11.": "when_seen.inner.",
    "linear12.": "when_seen.outer.",
    "norm1.": "when_seen.norm.",
    "fc_fusion.": "fusion.",
    "fc_ans.": "answer.",
}

DEAD_KEYS = (
    "visual_net.", "fc.", "fc_v.", "fc_aq.", "fc_vq.", "fc_st.", "norm3.", "fc_gl.",
    "fc1.", "fc2.", "fc3.", "fc4.",
)  # fmt: skip
"""Official parameters that reach no output; grounding and match head among them."""

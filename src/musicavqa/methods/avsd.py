"""AVSD: A Simple Baseline for Audio-Visual Scene-Aware Dialog (Schwartz et al., CVPR 2019).

Words of the question, places of four pictures and seconds of sound are weighed by factor graph
attention: an element counts by what it is, by its own set and by all other sets. The vectors of
sound and pictures, in this order, pass an LSTM; its last state and the question's vector are read.

`Network` (words to the LSTM's state) gives the numbers of the official code; with 200 words it has
4,271,158 of its 5,565,822 parameters. The rest encodes the history of a dialogue and generates the
answer word by word; `layers/dialogue.py` has it, with the official numbers, and this method does
without. Its use for one question is an adaptation: MUSIC-AVQA reports a row "AVSD" without saying
how it was made.

Where we differ:
* No history; a classifier over 42 answers (two linear layers, dropout between) in place of the
  decoder that starts from the LSTM's state. This head is ours.
* The four pictures lie at equal distances over each clip's own length; their maps are averaged to 7
  x 7 places. The code has four pictures of VGG-19 per video and ten seconds of sound.
* Seconds that a clip does not have are masked.
* compat="paper" masks the padding of the question in its attention; "released" lets it take a
  share, as the official code does. All else is the same in both.
* What concerns the clip alone is computed once per clip. The mean of cosines with all elements of a
  set is computed as the cosine with their mean direction, which is the same number.
* Weights start as torch has them (theirs: Kaiming and Xavier normal).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, one_hot

from musicavqa.methods.card import MUSIC_AVQA, USUAL, Card
from musicavqa.methods.layers import N_ANSWERS, N_WORDS
from musicavqa.methods.layers.factor_graph_attention import FactorGraphAttention
from musicavqa.methods.layers.seconds import back_on_the_grid, spaced_seconds, take_seconds
from musicavqa.methods.layers.words import count_words, real_words
from musicavqa.records import Batch, Output

CARD = Card(
    title="A Simple Baseline for Audio-Visual Scene-Aware Dialog (AVSD)",
    year=2019,
    venue="CVPR",
    family="factor graph attention",
    streams=("audio_yamnet", "visual_effnet"),
    reference="adapted",
    official_scores="AVSD",
)


@dataclass(frozen=True)
class Options:
    audio_stream: str = "audio_yamnet"
    """One vector per second."""
    audio_width: int = 1545
    visual_stream: str = "visual_effnet"
    """One map (channels, rows, columns) per second."""
    visual_width: int = 1280
    """Channels of the map."""
    n_frames: int = 4
    """Pictures of a clip."""
    grid: int = 7
    """Rows and columns that maps are averaged to."""
    width: int = 256
    """Width of all elements."""
    word_width: int = 128
    """Width of word vectors, and of the layer before the answer."""
    dropout: float = 0.5
    """Inside the attention and before the answer."""
    n_words: int = N_WORDS
    """Size of the vocabulary."""
    every_nth_second: int = 1
    """Of the sound: 1 keeps all seconds; MUSIC-AVQA keeps one in six of 60."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18_map",  # every sixth second, and so the grid of all
    visual_width=512,
    n_words=93,
)
"""Inputs and vocabulary size of MUSIC-AVQA."""


class Network(nn.Module):
    """The official network up to its decoder, over plain tensors."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        width = options.width
        self.attends_padding = options.compat == "released"
        self.embedding = nn.Embedding(options.n_words, options.word_width)
        self.lstm = nn.LSTM(options.word_width, width, batch_first=True)
        self.place = nn.Linear(options.visual_width, width)
        self.second = nn.Linear(options.audio_width, width)
        self.attention = FactorGraphAttention(width, options.n_frames + 2, options.dropout)
        self.performance = nn.LSTM(width, width, batch_first=True)

    def forward(
        self,
        words: torch.Tensor,
        pictures: torch.Tensor,
        audio: torch.Tensor,
        valid: torch.Tensor,
        rows: torch.Tensor,
    ) -> tuple[list[torch.Tensor], tuple[torch.Tensor, torch.Tensor], list[torch.Tensor]]:
        """Attended vectors (B, D) of question, pictures, sound; (h, c) (1, B, D); their weights.

        words (B, W), pictures (C, F, P, Dv), audio (C, T, Da) with its `valid` (C, T) seconds,
        `rows` (B,) clip of each question.
        """
        spoken = real_words(words)
        states, _ = self.lstm(self.embedding(words))
        question = states * spoken[..., None]  # zeros where nothing is said, as packing gives
        last = one_hot(count_words(words) - 1, words.shape[1]).to(states.dtype)
        frames = self.place(pictures).unbind(1)
        everywhere = valid.new_ones(pictures.shape[0], pictures.shape[2])
        heard = torch.ones_like(spoken) if self.attends_padding else spoken
        vectors, weights = self.attention(
            [question, *frames, self.second(audio)],
            [heard, *(everywhere for _ in frames), valid],
            last,
            rows,
        )
        _, state = self.performance(torch.stack([vectors[-1], *vectors[1:-1]], dim=1))
        return vectors, state, weights


class Model(nn.Module):
    def __init__(self, options: Options) -> None:
        super().__init__()
        self.options = options
        self.network = Network(options)
        self.answer = nn.Sequential(
            nn.Linear(2 * options.width, options.word_width),
            nn.Dropout(options.dropout),
            nn.Linear(options.word_width, N_ANSWERS),
        )

    def forward(self, batch: Batch) -> Output:
        step, rows = self.options.every_nth_second, batch.clip_of
        valid = batch.seconds[:, ::step]
        audio = batch.streams[self.options.audio_stream][:, ::step]
        index = spaced_seconds(batch.seconds, self.options.n_frames)
        maps = take_seconds(batch.streams[self.options.visual_stream], index)
        maps = adaptive_avg_pool2d(maps.flatten(0, 1), self.options.grid)
        pictures = maps.flatten(2).transpose(1, 2).unflatten(0, index.shape)  # (C, F, P, Dv)

        vectors, (hidden, _), weights = self.network(batch.words, pictures, audio, valid, rows)
        logits = self.answer(torch.cat([hidden[-1], vectors[0]], dim=-1))
        space = torch.stack(weights[1:-1]).mean(0)
        time = back_on_the_grid(weights[-1], step, batch.seconds.shape[1])
        return Output(logits, evidence={"time": time, "space": space})


RECIPES = {"default": USUAL, "music_avqa": MUSIC_AVQA}

OFFICIAL_KEYS = {
    "input_encoder.embed.": "network.embedding.",
    "input_encoder.lstm.": "network.lstm.",
    "emb_s.": "network.place.",
    "emb_a.": "network.second.",
    "emb_temporal_sp.": "network.performance.",
    "atten.": "network.attention.",
}

DEAD_KEYS = (
    "history_encoder.", "response_decoder.", *(f"atten.pp_models.{i}.margin_Y." for i in range(6)),
)  # fmt: skip
"""History and decoder (not our task), and margins that the block makes and never reads."""

_PARTS = (
    (r"\.un_models\.", ".alone."),
    (r"\.pp_models\.(\d+)\.", r".itself.\1."),
    (r"\.pp_models\.\((\d+), (\d+)\)\.", r".pairs.\1_\2."),
    (r"\.reduce_potentials\.", ".mix."),
    (r"\.embed\.", ".inner."),
    (r"\.feature_reduce\.", ".score."),
    (r"\.embed_X\.", ".first."),
    (r"\.embed_Y\.", ".second."),
    (r"\.normalize_S\.", ".norm."),
    (r"\.margin_X\.", ".margin_first."),
    (r"\.margin_Y\.", ".margin_second."),
)


def adapt_official(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Convolutions of kernel size one as linear layers; our names inside the attention."""
    adapted = {}
    for key, tensor in state.items():
        for official, ours in _PARTS if key.startswith("atten.") else ():
            key = re.sub(official, ours, key)
        adapted[key] = tensor.squeeze(-1) if tensor.ndim == 3 else tensor
    return adapted

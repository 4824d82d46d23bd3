"""LAST-Att: LAVisH with a second ear, AST, that meets the picture in cross-attention (Liu, 2024).

Tackling Data Bias in MUSIC-AVQA: Crafting a Balanced Dataset for Unbiased Question-Answering (Liu,
Dong and Zhang, WACV 2024) balances the data set and adds two networks: LAST, LAVisH with AST's
vectors beside its own of the sound, and LAST-Att, whose picture and AST's seconds also look at each
other. A reconstruction: there is no code, and of the paper only what others say of it was at hand.

What is ours:
* AST is frozen and no adapter comes before it, so its vectors are a stream (`audio_ast`, computed
  once for a clip): one per second, of 10.24 s of sound.
* LAVisH's vector of a second and AST's, as wide, are joined by a linear layer.
* LAST-Att has `cross_layers` blocks before the grounding: the places of all pictures look at the
  seconds of sound and these at the places, each with residual, norm and feed-forward half.
  `cross_layers=0` is LAST. Pictures of other clips, for the match task, pass the same blocks.
* The rest, with defaults and differences, is LAVisH as in `lavish.py`; recipe as there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.seeing_answer import EyeStreams
from musicavqa.methods.layers.shared_eye import SharedEye
from musicavqa.methods.layers.two_towers import RealSeconds
from musicavqa.records import Batch

CARD = Card(
    title="Tackling Data Bias in MUSIC-AVQA (LAST-Att)",
    year=2024,
    venue="WACV",
    family="adapters",
    streams=("audio_fbank_192", "visual_frames", "audio_ast"),
    spatial_temporal=True,
    reference="adapted",
    official_scores="LAST-Att",
    checked="what others say of it; LAVisH's part by its code",
    missing="forms and sizes of its own paper, and all weights",
)


@dataclass(frozen=True)
class Options(EyeStreams):
    audio_stream: str = "audio_fbank_192"
    """A spectrum (frames, bands) per second, read as a picture."""
    visual_stream: str = "visual_frames"
    """A picture (3, rows, columns) per second, values 0 to 255."""
    second_audio_stream: str = "audio_ast"
    """One vector per second."""
    second_audio_width: int = 768
    frozen_stream: str = ""
    """The map of each picture from the frozen network alone; '' computes it in every step."""
    backbone: Literal["tiny", "swin_v2_t", "swin_v2_l"] = "tiny"
    frozen: bool = False
    """Keep the network as it is; else it learns with the rest."""
    cross_layers: int = 2
    """Blocks in which picture and second ear look at each other; 0 is LAST."""
    n_latents: int = 2
    reduction: int = 4
    """Width of the tokens over that of the bottleneck."""
    groups: int = 2
    batch_norm: bool = False
    """In the bottleneck."""
    width: int = 128
    """Width of the vectors from which is answered."""
    n_heads: int = 4
    dropout: float = 0.1
    n_words: int = N_WORDS
    match_weight: float = 0.5
    compat: Literal["paper", "released"] = "paper"
    """Of LAVisH's part."""

    @property
    def own_streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream, self.second_audio_stream


PUBLISHED = Options(
    frozen_stream="visual_swin_v2", backbone="swin_v2_l", frozen=True,
    n_latents=16, reduction=4, groups=2, width=512,
)  # fmt: skip
"""LAVisH's sizes; those of the rest are not published."""


class Look(nn.Module):
    """Tokens (C, N, D) look at others (C, M, D), of which `there` (C, M) may be seen."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, n_heads, dropout, batch_first=True)
        self.think = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, tokens: Tensor, others: Tensor, there: Tensor) -> Tensor:
        found, _ = self.attention(
            tokens, others, others, key_padding_mask=~there, need_weights=False
        )
        tokens = self.norms[0](tokens + found)
        return self.norms[1](tokens + self.think(tokens))


class Model(SharedEye):
    def __init__(self, options: Options) -> None:
        super().__init__(options)
        width = options.width
        self.second_ear = nn.Linear(options.second_audio_width, width)
        self.both_ears = nn.Linear(2 * width, width)

        def looks() -> nn.ModuleList:
            made = (
                Look(width, options.n_heads, options.dropout) for _ in range(options.cross_layers)
            )
            return nn.ModuleList(made)

        self.eye_looks, self.ear_looks = looks(), looks()

    def join(self, batch: Batch, audio: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The second ear's vectors beside `audio`, after all have looked at each other."""
        seconds, pixels = self._meet(batch, pixels)
        return self.both_ears(torch.cat([audio, seconds], dim=-1)), pixels

    def elsewhere(self, batch: Batch, audio: Tensor, name: str, seconds: RealSeconds) -> Tensor:
        """Other pictures meet the seconds that they are put beside, so they are copied there."""
        _, pixels = self._meet(batch, self.plain(batch.negatives[name], seconds))
        return self.where(audio, pixels)[0]

    def _meet(self, batch: Batch, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Seconds (C, T, D) of the second ear and pixels (C, T, P, D), changed in each block."""
        seconds = torch.relu(self.second_ear(batch.streams[self.options.second_audio_stream]))
        valid, shape = batch.seconds, pixels.shape[1:3]
        places, there = pixels.flatten(1, 2), valid.repeat_interleave(shape[1], dim=1)
        for eye, ear in zip(self.eye_looks, self.ear_looks, strict=True):
            places, seconds = eye(places, seconds, valid), ear(seconds, places, there)
        return seconds, places.unflatten(1, shape)


LIKE_LAVISH = replace(RELEASED, epochs=80, batch_clips=32, batch_questions=32, patience=3)

RECIPES = {"default": USUAL, "music_avqa": LIKE_LAVISH}

REPRODUCTION = Reproduction(
    LIKE_LAVISH,
    "GenjiB/LAVISH, which it is built upon",
    differs=("How LAST-Att was trained is not known to us: all of it is LAVisH's.",),
)

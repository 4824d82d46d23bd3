"""AVST: spatio-temporal grounded audio-visual question answering (Li et al., CVPR 2022).

Learning to Answer Questions in Dynamic Audio-Visual Scenarios. The sound picks the place in each
picture (cosine attention), the question picks the seconds (attention over pictures and over
sounds), both are added to their means, joined, multiplied with the question and read as an answer.
A side task asks whether sound and picture of a second belong together, against pictures of other
clips, at half weight.

Where we differ:
* The default streams are ours (YAMNet, EfficientNet); `PUBLISHED` has those of the paper. When the
  picture's channels are not `width` wide, a linear layer narrows them first.
* Grounding runs once per clip, not once per question, so the match loss is a mean over clips.
* Seconds that a clip does not have are masked. Negatives come from the same batch, in training.
* `compat="released"` reads padding words like real words, as the released code does; "paper" stops
  at the last real word. All else follows the released code in both (the 0.5 dropout that the code
  makes and never applies is left out).
* The stage `grounding`, before answering, trains the match task alone, as the released code does
  in a separate program; there the ResNet learns too, on raw frames, and the weights of the best
  epoch go on; here pictures are features and the last weights do. OFFICIAL_KEYS fits its weights
  as well: those of `audio_in`, `audio_out`, `where` and `match`.

Parameters in the official configuration: 7 916 716. The release has 14 384 232 more, a ResNet-18
among them, that reach no output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Recipe, Reproduction
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.grounded_answer import OFFICIAL_ANSWER_KEYS, GroundedAnswer
from musicavqa.methods.layers.grounding import Pictures, drawn_pictures
from musicavqa.records import Batch, Output

CARD = Card(
    title="Learning to Answer Questions in Dynamic Audio-Visual Scenarios (AVST)",
    year=2022,
    venue="CVPR",
    family="spatio-temporal grounding",
    streams=("audio_yamnet", "visual_effnet"),
    spatial_temporal=True,
    reference="official code",
    official_scores="AVST",
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
    width: int = 512
    """Width of everything inside."""
    n_heads: int = 4
    dropout: float = 0.1
    n_words: int = N_WORDS
    every_nth_second: int = 1
    """1 keeps all seconds; the paper keeps one in six of 60."""
    match_weight: float = 0.5
    """Weight of the match loss."""
    compat: Literal["paper", "released"] = "paper"

    @property
    def streams(self) -> tuple[str, ...]:
        return self.audio_stream, self.visual_stream

    @property
    def negatives(self) -> tuple[str, ...]:
        return (self.visual_stream,)


PUBLISHED = Options(
    audio_stream="audio_vggish",
    audio_width=128,
    visual_stream="visual_resnet18_map",  # every sixth second, and so the grid of all
    visual_width=512,
)
"""Inputs of the paper; with `n_words=93` and compat="released" official weights fit."""


class Model(GroundedAnswer):
    def __init__(self, options: Options) -> None:
        width, reads_padding = options.width, options.compat == "released"
        super().__init__(width, options.n_words, options.n_heads, options.dropout, reads_padding)
        self.options = options
        self.audio_in = nn.Linear(options.audio_width, width)
        self.audio_out = nn.Linear(width, width)
        same = options.visual_width == width
        self.pixels = nn.Identity() if same else nn.Linear(options.visual_width, width)

    def forward(self, batch: Batch) -> Output:
        audio = self._hear(batch)
        pictures = self._pictures(batch.streams)
        visual, places = self.where(audio, pictures)
        output = self.reply(batch, audio, visual, places, self.options.every_nth_second)
        if self.options.visual_stream in batch.negatives:
            loss = self._mismatch(batch, audio, visual, pictures)
            output.losses["match"] = self.options.match_weight * loss
        return output

    def stage_losses(self, stage: str, batch: Batch) -> dict[str, torch.Tensor]:
        """Stage 'grounding': the match task alone. A clip without others teaches nothing here."""
        if self.options.visual_stream not in batch.negatives:
            return {}
        audio = self._hear(batch)
        pictures = self._pictures(batch.streams)
        visual, _ = self.where(audio, pictures)
        return {"match": self._mismatch(batch, audio, visual, pictures)}

    def _mismatch(
        self, batch: Batch, audio: torch.Tensor, visual: torch.Tensor, pictures: Pictures
    ) -> torch.Tensor:
        step = self.options.every_nth_second
        others = drawn_pictures(batch.negatives, pictures, self._pictures, step)
        other, _ = self.where(audio, others)
        return self.mismatch(audio, visual, other, batch.seconds[:, ::step])

    def _hear(self, batch: Batch) -> torch.Tensor:
        """Audio vectors (C, T, D)."""
        audio = batch.streams[self.options.audio_stream][:, :: self.options.every_nth_second]
        return self.audio_out(torch.relu(self.audio_in(audio)))

    def _pictures(self, streams: Mapping[str, torch.Tensor]) -> Pictures:
        """Pixels (C, T, P, D)."""
        maps = streams[self.options.visual_stream][:, :: self.options.every_nth_second]
        return Pictures.of(self.pixels(maps.flatten(-2).transpose(-1, -2)))


OFFICIAL = replace(RELEASED, epochs=80)
GROUNDING = Recipe(
    epochs=30, batch_clips=6, learning_rate=1e-4, optimizer="adam", schedule="step", step_epochs=8,
    max_questions_per_clip=1, seed=1,
)  # fmt: skip
"""Of the stage: 64 pairs of seconds there, six clips of ten seconds here."""

RECIPES = {
    "default": USUAL,
    "music_avqa": OFFICIAL,
}  # fmt: skip

STAGES = {
    "grounding": {
        "default": Recipe(
            epochs=5, batch_clips=16, learning_rate=3e-4, weight_decay=0.01,
            warmup_epochs=1, gradient_clip=1.0, max_questions_per_clip=1,
        ),
        "music_avqa": GROUNDING,
    },
}  # fmt: skip
"""The match task alone comes first."""

REPRODUCTION = Reproduction(
    OFFICIAL,
    "GeWu-Lab/MUSIC-AVQA net_grd_avst and grounding_gen; the log there stops after 20 epochs, with "
    "71.75 % on validation, and the paper says 30 epochs and a step after every ten",
    stages={"grounding": GROUNDING},
)

OFFICIAL_KEYS = {"fc_a1.": "audio_in.", "fc_a2.": "audio_out.", **OFFICIAL_ANSWER_KEYS}

DEAD_KEYS = (
    "visual_net.", "fc.", "fc_a1_pure.", "fc_a2_pure.", "fc_aq.", "fc_vq.", "fc_st.", "fc_v.",
    "norm3.",
)  # fmt: skip
"""Official parameters that reach no output."""

"""Two frozen encoders that see each other through adapters, and AVST's reading of what comes out.

What DG-SCT (Duan et al., NeurIPS 2023) and AVMoE (Cheng et al., NeurIPS 2024) share: Swin-V2 looks,
HTS-AT listens, each of HTS-AT's blocks meets one of Swin's.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.backbones.names import official_htsat, official_swin
from musicavqa.backbones.swin import HtsAtTower, SwinV2Tower
from musicavqa.backbones.tower import Frozen
from musicavqa.methods.layers.grounded_answer import OFFICIAL_ANSWER_KEYS
from musicavqa.methods.layers.seeing_answer import SeeingAnswer
from musicavqa.methods.layers.two_towers import (
    OFFICIAL_LISTS,
    Make,
    Meetings,
    RealSeconds,
    official_meetings,
)
from musicavqa.records import Batch, Output

EARS = {"tiny": "tiny", "swin_v2_l": "htsat"}
"""Size of Swin -> that of HTS-AT."""
MATCH_INNER = 512
"""Width of the match head's first layer in the released code, whatever the rest."""


class AdaptedAnswer(SeeingAnswer):
    """`options` has streams, backbone, frozen, frozen_stream, width, n_heads, dropout, n_words."""

    def __init__(self, options: Any, make: Make, skip_every: int = 1) -> None:
        width = options.width
        super().__init__(
            width, options.n_words, options.n_heads, options.dropout,
            options.compat == "released", min(width, MATCH_INNER),
        )  # fmt: skip
        self.options = options
        self.eye = Frozen(SwinV2Tower(options.backbone), learns=not options.frozen)
        self.ear = Frozen(HtsAtTower(EARS[options.backbone]), learns=not options.frozen)
        self.ear.tower.network.norm.requires_grad_(False)  # nobody reads its last norm
        self.meetings = Meetings(self.ear.tower, self.eye.tower, make, skip_every)
        self.audio_in = nn.Linear(self.ear.tower.width, width)
        self.audio_out = nn.Linear(width, width)
        same = self.eye.tower.width == width
        self.pixels = nn.Identity() if same else nn.Linear(self.eye.tower.width, width)

    @property
    def weights(self) -> dict[str, str]:
        """Where official weights belong, and which."""
        if self.options.backbone == "tiny":
            return {}
        ear = EARS[self.options.backbone]
        return {"eye.tower.network": self.options.backbone, "ear.tower.network": ear}

    def forward(self, batch: Batch) -> Output:
        seconds = RealSeconds(batch.seconds)
        audio, pixels = self._walk(batch, seconds)
        visual, places = self.where(audio, pixels)
        output = self.reply(batch, audio, visual, places)
        output.losses.update(self.mismatch_loss(batch, audio, visual, seconds))
        return output

    def pool(self, tokens: Tensor, said: Tensor | None) -> Tensor:
        """One vector (N, D) of the tokens (N, P, D) of a sound; `said` by its last adapter."""
        return tokens.mean(1)

    def _walk(self, batch: Batch, seconds: RealSeconds) -> tuple[Tensor, Tensor]:
        """Audio vectors (C, T, D) and pixels (C, T, P, D)."""
        options, eye, ear = self.options, self.eye.tower, self.ear.tower
        pictures = eye.normalised(seconds.take(batch.streams[options.visual_stream]))
        seen = self.eye.alone(eye.begin, pictures)
        heard = self.ear.alone(ear.begin, seconds.take(batch.streams[options.audio_stream]))
        heard, seen, said = self.meetings.walk(ear, eye, heard, seen, whole=True)
        audio = self.audio_out(torch.relu(self.audio_in(self.pool(heard, said))))
        return seconds.back(audio), seconds.back(self.pixels(eye.end(seen)))


OFFICIAL_KEYS = {
    "fc_a1.": "audio_in.",
    "fc_a2.": "audio_out.",
    **OFFICIAL_ANSWER_KEYS,
    **OFFICIAL_LISTS,
    "swin.": "eye.tower.network.",
    "htsat.": "ear.tower.network.",
}

DEAD_KEYS = (
    "fc_a1_pure.", "fc_a2_pure.", "norm3.", "swin.head.", "swin.norm_head.",
    *(f"htsat.{name}" for name in (
        "spectrogram_extractor.", "logmel_extractor.", "tscam_conv.", "head.",
    )),
)  # fmt: skip
"""Official parameters that reach no output."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names and shapes inside the adapters, of timm's Swin and of the original HTS-AT."""
    return official_meetings(official_htsat(official_swin(state, "swin."), "htsat."))

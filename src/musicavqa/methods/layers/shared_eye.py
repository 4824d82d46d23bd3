"""One encoder for both senses, adapters within, and AVST's reading of what comes out.

LAVisH (Lin et al., CVPR 2023): Swin-V2 sees pictures, and spectra as pictures; around attention and
feed-forward half of each block an adapter per sense lets it see the other. LAST-Att builds upon it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from musicavqa.backbones.names import official_swin
from musicavqa.backbones.swin import SwinV2Tower, fitted
from musicavqa.backbones.tower import Frozen
from musicavqa.methods.layers.adapters import Bottleneck, LatentAdapter, Shape
from musicavqa.methods.layers.grounded_answer import OFFICIAL_ANSWER_KEYS
from musicavqa.methods.layers.seeing_answer import SeeingAnswer
from musicavqa.methods.layers.two_towers import (
    OFFICIAL_LISTS,
    Meetings,
    RealSeconds,
    official_meetings,
)
from musicavqa.records import Batch, Output


class SharedEye(SeeingAnswer):
    """`options` are those of LAVisH."""

    def __init__(self, options: Any) -> None:
        width, released = options.width, options.compat == "released"
        super().__init__(width, options.n_words, options.n_heads, options.dropout, released)
        self.options = options
        self.eye = Frozen(SwinV2Tower(options.backbone), learns=not options.frozen)
        sizes = Bottleneck(
            options.n_latents, options.reduction, options.groups, True, options.batch_norm
        )

        def make(shape: Shape, is_eye: bool) -> nn.Module:
            return LatentAdapter(shape, replace(sizes, gated=is_eye or not released))

        tower = self.eye.tower
        self.meetings = Meetings(tower, tower, make)
        self.sounds, self.pixels = (nn.Linear(tower.width, width) for _ in range(2))
        self.audio_out = nn.Linear(width, width)

    @property
    def weights(self) -> dict[str, str]:
        """Where official weights belong, and which."""
        name = self.options.backbone
        return {} if name == "tiny" else {"eye.tower.network": name}

    def forward(self, batch: Batch) -> Output:
        seconds = RealSeconds(batch.seconds)
        audio, pixels = self._walk(batch, seconds)
        audio, pixels = self.join(batch, audio, pixels)
        visual, places = self.where(audio, pixels)
        output = self.reply(batch, audio, visual, places)
        output.losses.update(self.mismatch_loss(batch, audio, visual, seconds))
        return output

    def join(self, batch: Batch, audio: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Audio vectors (C, T, D) and pixels (C, T, P, D), as they are."""
        return audio, pixels

    def _walk(self, batch: Batch, seconds: RealSeconds) -> tuple[Tensor, Tensor]:
        """Audio vectors (C, T, D) and pixels (C, T, P, D)."""
        options, tower = self.options, self.eye.tower
        sound = seconds.take(batch.streams[options.audio_stream])[:, None].expand(-1, 3, -1, -1)
        pictures = tower.normalised(seconds.take(batch.streams[options.visual_stream]))
        heard = self.eye.alone(tower.begin, fitted(sound, tower.side))
        seen = self.eye.alone(tower.begin, pictures)
        heard, seen, _ = self.meetings.walk(tower, tower, heard, seen, whole=False)
        sounds = self.sounds(tower.end(heard)).mean(1)
        audio = self.audio_out(torch.relu(sounds))
        return seconds.back(audio), seconds.back(self.pixels(tower.end(seen)))


OFFICIAL_KEYS = {
    "yb_fc_a.": "sounds.",
    "yb_fc_v.": "pixels.",
    "fc_a2.": "audio_out.",
    **OFFICIAL_ANSWER_KEYS,
    **OFFICIAL_LISTS,
    "swin.": "eye.tower.network.",
}

DEAD_KEYS = (
    "fc_a1.", "fc_a1_pure.", "fc_a2_pure.", "fc_v.", "fc_st.", "fc.", "fc_aq.", "fc_vq.", "norm3.",
    "visual_net.", "swin.head.",
)  # fmt: skip
"""Official parameters that reach no output."""


def adapt_official(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names and shapes inside the adapters, and of timm's Swin."""
    return official_meetings(official_swin(state, "swin."))

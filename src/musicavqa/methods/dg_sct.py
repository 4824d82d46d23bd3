"""DG-SCT: adapters between frozen Swin-V2 and HTS-AT, guided both ways (Duan et al., 2023).

Cross-modal Prompts: Adapting Large Pre-trained Models for Audio-Visual Downstream Tasks (NeurIPS
2023). Each block of the ear meets one of the eye (in the third stage one in three). An adapter lets
a few latent tokens gather the other sense, then says which channels and which places of its own
tokens count, and narrows them. The map of places of the ear's last adapter pools the sound. AVST
reads what comes out.

Where we differ:
* Without official weights there is nothing to keep: the default is two small networks of random
  numbers, which learn (`frozen=False`). `PUBLISHED` has Swin-V2-L and HTS-AT, frozen, from the
  weights `swin_v2_l` and `htsat`.
* The paper also weighs the seconds (temporal attention, gamma 0.1); the released code of this task
  does not, and neither do we.
* Adapters of sound have no gate in the released code; compat="paper" has a gate on both.
* Frozen networks stay in evaluation mode. In the release HTS-AT is in training mode while the rest
  learns, so that its batch norm's statistics move and its spectra are masked and mixed up.
* Pictures of other clips come from the same batch, and from a stream of frozen maps
  (`frozen_stream`) once for a clip; the release's check for another video compares other numbers.
* A clip is walked once, however many questions it has; seconds that are not there, not at all.

The official network has 516 849 680 parameters, of which 260 097 692 are frozen and 186 336 456 are
in adapters, most of those in the layers that align the tokens of one network with the other's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from torch import Tensor, nn

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.adapted_answer import (
    DEAD_KEYS,
    OFFICIAL_KEYS,
    AdaptedAnswer,
    adapt_official,
)
from musicavqa.methods.layers.adapters import Bottleneck, GuidedAdapter, Shape
from musicavqa.methods.layers.seeing_answer import EyeStreams

__all__ = ["CARD", "DEAD_KEYS", "OFFICIAL_KEYS", "RECIPES", "Model", "Options", "adapt_official"]

CARD = Card(
    title="Cross-modal Prompts: Adapting Large Pre-trained Models (DG-SCT)",
    year=2023,
    venue="NeurIPS",
    family="adapters",
    streams=("audio_htsat_mel", "visual_frames"),
    spatial_temporal=True,
    reference="official code",
    official_scores="DG-SCT",
)


@dataclass(frozen=True)
class Options(EyeStreams):
    audio_stream: str = "audio_htsat_mel"
    """Log-mel (frames, bands) per second, as HTS-AT reads it."""
    visual_stream: str = "visual_frames"
    """A picture (3, rows, columns) per second, values 0 to 255."""
    frozen_stream: str = ""
    """The map of each picture from the frozen network alone; '' computes it in every step."""
    backbone: Literal["tiny", "swin_v2_l"] = "tiny"
    """Of the pictures; HTS-AT is tiny, or its own size, with it."""
    frozen: bool = False
    """Keep both networks as they are; else they learn with the rest."""
    n_latents: int = 2
    reduction: int = 4
    """Width of the tokens over that of the bottleneck."""
    groups: int = 2
    channel_share: float = 0.3
    """alpha: how much of a token the channels decide."""
    place_share: float = 0.05
    """beta: how much its place adds."""
    width: int = 128
    """Width of the vectors from which is answered."""
    n_heads: int = 4
    dropout: float = 0.1
    n_words: int = N_WORDS
    match_weight: float = 0.5
    compat: Literal["paper", "released"] = "paper"


PUBLISHED = Options(
    frozen_stream="visual_swin_v2", backbone="swin_v2_l", frozen=True,
    reduction=8, groups=4, width=1536,
)  # fmt: skip
"""Sizes of paper and code."""


class Model(AdaptedAnswer):
    def __init__(self, options: Options) -> None:
        released = options.compat == "released"

        def make(shape: Shape, is_eye: bool) -> nn.Module:
            gated = is_eye or not released
            sizes = Bottleneck(options.n_latents, options.reduction, options.groups, gated)
            return GuidedAdapter(shape, sizes, options.channel_share, options.place_share)

        super().__init__(options, make)

    def pool(self, tokens: Tensor, said: Tensor | None) -> Tensor:
        """By the places that the ear's last adapter found to count."""
        assert said is not None
        return (said[..., None] * tokens).sum(1)


OFFICIAL = replace(RELEASED, epochs=80, batch_clips=8, batch_questions=8, patience=3)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "haoyi-duan/DG-SCT DG-SCT/AVQA/net_grd_avst, batches of its command",
    differs=("Training starts from random weights; there from those of AVST's grounding stage.",),
)

OFFICIAL_OPTIONS = {"frozen_stream": ""}
"""The released code computes the maps of negatives in every step."""

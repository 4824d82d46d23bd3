"""AVMoE: mixtures of adapters between frozen Swin-V2 and HTS-AT (Cheng et al., NeurIPS 2024).

Mixtures of Experts for Audio-Visual Learning. As DG-SCT, but an adapter is a mixture: experts that
let latent tokens gather the other sense (LAVisH's), experts that see their own sense only, and a
router that weighs all of them by the means of both senses' tokens.

Where we differ:
* Without official weights there is nothing to keep: the default is two small networks of random
  numbers, which learn (`frozen=False`). `PUBLISHED` has Swin-V2-L and HTS-AT, frozen, from the
  weights `swin_v2_l` and `htsat`.
* Experts for one sense are linear in the released code, which makes a ReLU for them and never calls
  it; compat="paper" calls it. Their attention (`own_heads`, off in the released configuration)
  looks at the tokens of its own row; as released it looks across the rows of the batch.
* Frozen networks stay in evaluation mode; in the release HTS-AT's batch norm and masks go on.
* Pictures of other clips come from the same batch, and from a stream of frozen maps
  (`frozen_stream`) once for a clip. A clip is walked once, however many questions it has.
* The mean of the sound's tokens is read.

The official network has 440 355 104 parameters, of which 260 097 692 are frozen and 109 841 880 are
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
from musicavqa.methods.layers.adapters import Bottleneck, Experts, MixedAdapter, Shape
from musicavqa.methods.layers.seeing_answer import EyeStreams

__all__ = ["CARD", "DEAD_KEYS", "OFFICIAL_KEYS", "RECIPES", "Model", "Options", "adapt_official"]

CARD = Card(
    title="Mixtures of Experts for Audio-Visual Learning (AVMoE)",
    year=2024,
    venue="NeurIPS",
    family="adapters",
    streams=("audio_htsat_mel", "visual_frames"),
    spatial_temporal=True,
    reference="official code",
    official_scores="AVMoE",
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
    gated: bool = False
    """Each expert of the ear times a number that begins at 0; the eye's always are, as released."""
    both_experts: int = 1
    """Experts that see both senses."""
    own_experts: int = 2
    """Experts that see their own sense only."""
    own_heads: int = 0
    """Heads of an attention before the latter; 0 leaves it out."""
    skip_every: int = 1
    """Of the stages, each so many-th has no adapters, as released; 1 skips none."""
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
"""Sizes of the released training script."""


class Model(AdaptedAnswer):
    def __init__(self, options: Options) -> None:
        released = options.compat == "released"
        experts = Experts(
            options.both_experts, options.own_experts, bends=not released,
            heads=options.own_heads, across_rows=released,
        )  # fmt: skip

        def make(shape: Shape, is_eye: bool) -> nn.Module:
            gated = is_eye or options.gated
            sizes = Bottleneck(options.n_latents, options.reduction, options.groups, gated)
            return MixedAdapter(shape, sizes, experts)

        super().__init__(options, make, options.skip_every)

    def pool(self, tokens: Tensor, said: Tensor | None) -> Tensor:
        """Their mean; `said` are the shares of the experts."""
        return tokens.mean(1)


OFFICIAL = replace(RELEASED, epochs=80, batch_clips=2, batch_questions=2, accumulate=4, patience=5)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "yingchengy/AVMOE AVMOE/AVQA/train_v2.sh",
    differs=(
        "42 answers; the script makes room for 50.",
        "Training starts from random weights; the script wants a checkpoint and names none.",
        "Pictures of other clips come from the same batch, so two questions about one clip have "
        "no match loss.",
    ),
)

OFFICIAL_OPTIONS = {"frozen_stream": ""}
"""The released code computes the maps of negatives in every step."""

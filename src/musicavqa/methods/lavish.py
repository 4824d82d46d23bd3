"""LAVisH: one frozen picture network for both senses, and adapters between them (Lin et al., 2023).

Vision Transformers are Parameter-Efficient Audio-Visual Learners (CVPR 2023). Pictures, and spectra
as pictures, go through the same frozen Swin-V2. In each block, around its attention and around its
feed-forward half, a small adapter per sense lets a few latent tokens gather the other sense; the
own tokens ask them, and a grouped bottleneck follows. AVST reads what comes out.

Where we differ:
* Without official weights there is nothing to keep: the default is a small network of random
  numbers, which learns (`frozen=False`), on pictures averaged to its size. `PUBLISHED` is the
  paper's: Swin-V2-L, frozen, from the weights `swin_v2_l`.
* The adapters of sound have no gate in the released code, so they disturb the frozen network from
  the first step on; compat="paper" has a gate on both, "released" on the eye's only.
* Pictures of other clips, for the match task, pass the frozen network without adapters, as
  released. `frozen_stream` reads their maps from a stream (`visual_swin_v2`), so that they are
  computed once for a clip and not in every step.
* A frozen network stays in evaluation mode; in the release its stochastic depth goes on. Seconds
  that a clip does not have are not looked at.
* A clip is walked once, however many questions it has. The release starts from weights of AVST's
  grounding stage; training here starts from none.

In the released configuration (32 latents, reduced 16 times, 4 groups) the official network has
245 516 801 parameters, 228 772 549 of them Swin's with a classifier of 33 569 617 that nothing
reads; of those that learn 4 562 064 are in adapters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from musicavqa.methods.card import RELEASED, USUAL, Card, Reproduction
from musicavqa.methods.layers import N_WORDS
from musicavqa.methods.layers.seeing_answer import EyeStreams
from musicavqa.methods.layers.shared_eye import (
    DEAD_KEYS,
    OFFICIAL_KEYS,
    SharedEye,
    adapt_official,
)

__all__ = ["CARD", "DEAD_KEYS", "OFFICIAL_KEYS", "RECIPES", "Model", "Options", "adapt_official"]

CARD = Card(
    title="Vision Transformers are Parameter-Efficient Audio-Visual Learners (LAVisH)",
    year=2023,
    venue="CVPR",
    family="adapters",
    streams=("audio_fbank_192", "visual_frames"),
    spatial_temporal=True,
    reference="official code",
    official_scores="LAVisH",
)


@dataclass(frozen=True)
class Options(EyeStreams):
    audio_stream: str = "audio_fbank_192"
    """A spectrum (frames, bands) per second, read as a picture."""
    visual_stream: str = "visual_frames"
    """A picture (3, rows, columns) per second, values 0 to 255."""
    frozen_stream: str = ""
    """The map of each picture from the frozen network alone; '' computes it in every step."""
    backbone: Literal["tiny", "swin_v2_t", "swin_v2_l"] = "tiny"
    frozen: bool = False
    """Keep the network as it is; else it learns with the rest."""
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


PUBLISHED = Options(
    frozen_stream="visual_swin_v2", backbone="swin_v2_l", frozen=True,
    n_latents=16, reduction=4, groups=2, width=512,
)  # fmt: skip
"""Sizes of the paper; its code has 32 latents, reduction 16 and 4 groups by default."""


class Model(SharedEye):
    """All of it is shared with what was built upon it, `layers/shared_eye.py`."""


OFFICIAL = replace(RELEASED, epochs=80, batch_clips=32, batch_questions=32, patience=3)

RECIPES = {"default": USUAL, "music_avqa": OFFICIAL}

REPRODUCTION = Reproduction(
    OFFICIAL,
    "GenjiB/LAVISH AVQA/net_grd_avst",
    differs=(
        "Sizes of the adapters are those of the paper, not the defaults of the release.",
        "One rate for all, as in the release; the paper says 8e-5 for the adapters and 3e-6 for "
        "grounding and answer.",
        "Training starts from random weights; there from those of AVST's grounding stage.",
    ),
)

OFFICIAL_OPTIONS = {"n_latents": 32, "reduction": 16, "groups": 4, "frozen_stream": ""}
"""What the released code has by default."""

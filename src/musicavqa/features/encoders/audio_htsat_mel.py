"""What HTS-AT reads of each second: (1001, 64) log-mel of that second repeated ten times.

For methods that put their own layers into HTS-AT (DG-SCT, AVMoE); `audio_htsat` has what the
network alone makes of it. Chen et al. 2022; `htsat.py` says how the spectrum is made. No weights.
"""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.htsat import RATE_HZ, log_mel
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform
from musicavqa.features.encoders.windows import one_second_each
from musicavqa.media import Sound

TILES, N_BANDS = 10, 64

SPEC = Spec(
    name="audio_htsat_mel",
    stream="audio_htsat_mel",
    shape=(1001, N_BANDS),
    reads=(Sound(RATE_HZ, 1),),
    sees_s=0,
)


def load() -> SoundTransform:
    """The transform."""
    return SoundTransform(
        SPEC,
        lambda sound, n: one_second_each(sound, n, RATE_HZ),
        lambda seconds: log_mel(np.tile(seconds, (1, TILES)), N_BANDS),
    )

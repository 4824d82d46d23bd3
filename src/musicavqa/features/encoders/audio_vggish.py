"""VGGish as MUSIC-AVQA published it: each second alone, 128 raw numbers ([60, 128] of a minute).

The audio stream of AVST, PSTP-Net, TSPM, QA-TIGER, AV-Master, MCCD and most baselines.
"""

from __future__ import annotations

from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vggish import vggish_encoder
from musicavqa.media import SOUND

SPEC = Spec(
    name="audio_vggish",
    stream="audio_vggish",
    shape=(128,),
    reads=(SOUND,),
    sees_s=0,
    weights=("vggish",),
    licence="Apache-2.0",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The network with Google's weights."""
    return vggish_encoder(SPEC, device)

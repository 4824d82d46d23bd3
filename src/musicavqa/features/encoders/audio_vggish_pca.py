"""VGGish behind its principal components, 128 whole numbers from 0 to 255, as AudioSet has it.

Not what MUSIC-AVQA published (that is `audio_vggish`).
"""

from __future__ import annotations

from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vggish import vggish_encoder
from musicavqa.media import SOUND

SPEC = Spec(
    name="audio_vggish_pca",
    stream="audio_vggish_pca",
    shape=(128,),
    reads=(SOUND,),
    sees_s=0,
    weights=("vggish", "vggish_pca"),
    licence="Apache-2.0",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The network and the components with Google's weights."""
    return vggish_encoder(SPEC, device)

"""Raw mono sound at 32 kHz, second by second: what DG-SCT and AVMoE repeat and give to HTS-AT."""

from __future__ import annotations

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform
from musicavqa.features.encoders.windows import one_second_each
from musicavqa.media import Sound

SOUND = Sound(32000, 1)

SPEC = Spec(
    name="audio_waveform_32khz",
    stream="audio_waveform_32khz",
    shape=(SOUND.rate_hz,),
    reads=(SOUND,),
    sees_s=0,
)


def load() -> SoundTransform:
    """The transform: none."""
    return SoundTransform(
        SPEC, lambda sound, n: one_second_each(sound, n, SOUND.rate_hz), lambda seconds: seconds
    )

"""Raw mono sound at 16 kHz, second by second, for methods with a sound network of their own."""

from __future__ import annotations

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform
from musicavqa.features.encoders.windows import one_second_each
from musicavqa.media import SOUND

SPEC = Spec(
    name="audio_waveform", stream="audio_waveform", shape=(SOUND.rate_hz,), reads=(SOUND,), sees_s=0
)


def load() -> SoundTransform:
    """The transform: none."""
    return SoundTransform(
        SPEC, lambda sound, n: one_second_each(sound, n, SOUND.rate_hz), lambda seconds: seconds
    )

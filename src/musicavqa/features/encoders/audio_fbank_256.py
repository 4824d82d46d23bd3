"""The spectrum that Amuse puts through its picture network: 256 frames of 256 Kaldi bands.

The 1.3 s around each second at 16 kHz, 5 ms steps, Hann window, then (x + 5.385) / (2 * 3.593).
Amuse's five windows are 0.975 s each, because its sound is written at 32 kHz and cut as if at 16
(methods/Amuse.md), and their last frames are zeros; here the frames are full.
"""

from __future__ import annotations

from musicavqa.features.encoders.fbank import Fbank
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform, Spectrum
from musicavqa.features.encoders.windows import centred
from musicavqa.media import SOUND

SPECTRUM = Spectrum(
    Fbank(n_bins=256, window="hanning", hop_ms=5.0), 256, mean=-5.385, deviation=3.593
)

SPEC = Spec(
    name="audio_fbank_256", stream="audio_fbank_256", shape=(256, 256), reads=(SOUND,), sees_s=1
)


def load() -> SoundTransform:
    """The transform."""
    return SoundTransform(
        SPEC, lambda sound, n: centred(sound, n, SOUND.rate_hz, SPECTRUM.n_samples), SPECTRUM
    )

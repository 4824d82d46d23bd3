"""The spectrum that LAVisH puts through its picture network: 192 frames of 192 Kaldi bands.

The 1.935 s around each second at 16 kHz, 10 ms steps, Hann window, then
(x + 5.385333) / (2 * 3.592864). LAVisH cuts ten such windows evenly over the clip; here every
second has its own, moved inside the clip at its ends. Repeat it to three channels for a picture.
"""

from __future__ import annotations

from musicavqa.features.encoders.fbank import Fbank
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform, Spectrum
from musicavqa.features.encoders.windows import centred
from musicavqa.media import SOUND

SPECTRUM = Spectrum(Fbank(n_bins=192, window="hanning"), 192, mean=-5.385333, deviation=3.592864)

SPEC = Spec(
    name="audio_fbank_192", stream="audio_fbank_192", shape=(192, 192), reads=(SOUND,), sees_s=1
)


def load() -> SoundTransform:
    """The transform."""
    return SoundTransform(
        SPEC, lambda sound, n: centred(sound, n, SOUND.rate_hz, SPECTRUM.n_samples), SPECTRUM
    )

"""The spectrum of AVSiam and CAV-MAE: 1024 frames of 128 Kaldi bands, one row every ten seconds.

Row i is the 10.24 s that begin at second 10 i, at 16 kHz in 10 ms steps under a Hann window, then
(x + 5.081) / (2 * 4.4849); silence behind the end. AVSiam's dossier gives mean and deviation, not
whether the deviation is doubled; it is here, as in the code that AVSiam was built on.
"""

from __future__ import annotations

from musicavqa.features.encoders.fbank import Fbank
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.spectra import SoundTransform, Spectrum
from musicavqa.features.encoders.windows import in_turn
from musicavqa.media import SOUND

EVERY_S = 10
SPECTRUM = Spectrum(Fbank(n_bins=128, window="hanning"), 1024, mean=-5.081, deviation=4.4849)

SPEC = Spec(
    name="audio_fbank_128",
    stream="audio_fbank_128",
    shape=(1024, 128),
    reads=(SOUND,),
    every_s=EVERY_S,
)


def load() -> SoundTransform:
    """The transform."""
    step = EVERY_S * SOUND.rate_hz
    return SoundTransform(SPEC, lambda sound, n: in_turn(sound, step, SPECTRUM.n_samples), SPECTRUM)

"""HTS-AT (AudioSet): 768 numbers of each second, repeated ten times, as DG-SCT hears it.

DG-SCT and AVMoE store one second at 32 kHz for each position and repeat it to the ten seconds that
the network was trained on; so does this stream. Chen et al. 2022; `htsat.py` has the network.
"""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.htsat import RATE_HZ, load_htsat, log_mel
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import one_second_each
from musicavqa.media import Sound

TILES = 10

SPEC = Spec(
    name="audio_htsat",
    stream="audio_htsat",
    shape=(768,),
    reads=(Sound(RATE_HZ, 1),),
    sees_s=0,
    weights=("htsat",),
    licence="MIT",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The network with the authors' AudioSet weights."""
    path = weight_file("htsat")
    network = frozen(load_htsat(path), device)
    fits(SPEC, (network.encoder.num_features,), path)
    n_bands = network.encoder.config.num_mel_bins

    def spectra(seconds: np.ndarray) -> np.ndarray:
        """(w, 1001, bands) of single seconds."""
        return log_mel(np.tile(seconds, (1, TILES)), n_bands)

    return SoundEncoder(
        SPEC,
        lambda sound, n: one_second_each(sound, n, RATE_HZ),
        spectra,
        network,
        device=device,
        batch=4,
    )

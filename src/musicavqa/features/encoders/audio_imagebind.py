"""ImageBind's sound: the two seconds around each second as 1024 numbers of length one.

The front end is the official one: mono without its mean, Kaldi banks of 128 bands (198 frames,
zeros up to 204), then (x + 4.268) / 9.138. The official program takes three such clips of a file
and averages; here every second has its own. Read by CAT (methods/mllm/cat.md).
"""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.fbank import Fbank, framed
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.imagebind import load_sense
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import centred
from musicavqa.media import SOUND

RATE_HZ, SAMPLES, FRAMES = 16000, 32000, 204
MEAN, DEVIATION = -4.268, 9.138
FBANK = Fbank(n_bins=128, window="hanning")

SPEC = Spec(
    name="audio_imagebind",
    stream="audio_imagebind",
    shape=(1024,),
    reads=(SOUND,),
    sees_s=1,
    weights=("imagebind",),
    licence="CC-BY-NC-SA-4.0",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The sound tower with Meta's weights."""
    path = weight_file("imagebind")
    network = frozen(load_sense(path, "audio"), device)
    fits(SPEC, (network.project.out_features,), path)
    return SoundEncoder(
        SPEC, lambda sound, n: centred(sound, n, RATE_HZ, SAMPLES), spectra, network, device=device
    )


def spectra(windows: np.ndarray) -> np.ndarray:
    """(w, 1, 128, 204) float32 of mono windows (w, 32000)."""
    rows = FBANK(windows - windows.mean(axis=-1, keepdims=True))
    return ((framed(rows, FRAMES) - MEAN) / DEVIATION).transpose(0, 2, 1)[:, None]

"""BEATs (iteration 3): 768 numbers of each second, heard in windows of 10.24 s.

The official front end: 16-bit scale, Kaldi banks of 128 bands with Povey's window, then
(x - 15.41663) / (2 * 6.55582). A window is 1024 frames, so 64 x 8 patches of 0.16 s that follow
each other without a gap; silence is heard behind the end (VAST puts zeros into the spectrum). A row
is the mean of the patches under its second. Read by VAST, ChatBridge and VideoLLaMA 2
(methods/mllm); VAST and ChatBridge hear 64 bands instead of 128.
"""

from __future__ import annotations

import numpy as np

from musicavqa.features.encoders.beats import load_beats
from musicavqa.features.encoders.fbank import Fbank
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import in_turn, pooled
from musicavqa.media import SOUND

RATE_HZ, FRAMES, HOP, BINS = 16000, 1024, 160, 128
STEP, LENGTH = FRAMES * HOP, FRAMES * HOP + 240  # 240 more samples complete the last frame
MEAN, DEVIATION, SCALE = 15.41663, 6.55582, float(1 << 15)
FBANK = Fbank(n_bins=BINS, window="povey")

SPEC = Spec(
    name="audio_beats",
    stream="audio_beats",
    shape=(768,),
    reads=(SOUND,),
    weights=("beats",),
    licence="MIT",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The network with Microsoft's weights."""
    path = weight_file("beats")
    network = frozen(load_beats(path), device)
    fits(SPEC, (network.sizes.encoder_embed_dim,), path)
    patch = network.sizes.input_patch_size

    def pool(tokens: np.ndarray, n: int) -> np.ndarray:
        """(windows, times * bands, D) -> (n, D)."""
        times = tokens.reshape(-1, BINS // patch, tokens.shape[-1]).mean(axis=1)
        patch_s = patch * HOP / RATE_HZ
        return pooled(times, n, patch_s, patch_s)

    return SoundEncoder(
        SPEC, lambda sound, n: in_turn(sound, STEP, LENGTH), spectra, network, pool, device, batch=4
    )


def spectra(windows: np.ndarray) -> np.ndarray:
    """(w, 1024, 128) float32 of mono windows (w, 164080)."""
    return (FBANK(windows * SCALE) - MEAN) / (2 * DEVIATION)

"""Audio Spectrogram Transformer: 768 numbers of each second, heard in windows of 10.24 s.

Gong et al. 2021, fine-tuned on AudioSet; the network is transformers' ASTModel (extra `encoders`).
Front end of the authors: Kaldi banks of 128 bands under a Hann window, 1024 frames, then
(x + 4.2677393) / (2 * 4.5689974); silence is heard behind the end (theirs puts zeros there).
Patches of 16 frames follow every 10 frames, so 100 of the 101 in a window begin in its ten seconds;
a row is the mean of those under its second. LAST-Att adds such tokens to its Swin stream
(methods/LAST-Att.md); how is not published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import config_beside, transformers
from musicavqa.features.encoders.fbank import Fbank
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import in_turn, pooled
from musicavqa.media import SOUND

RATE_HZ, HOP, WINDOW = 16000, 160, 400
MEAN, DEVIATION = -4.2677393, 4.5689974
MARKS = 2  # class and distillation tokens before the patches
HEAD = ("classifier.",)

SPEC = Spec(
    name="audio_ast",
    stream="audio_ast",
    shape=(768,),
    reads=(SOUND,),
    weights=("ast",),
    licence="BSD-3-Clause",
)


def load(device: str = "cpu") -> SoundEncoder:
    """The network with the authors' weights."""
    path = weight_file("ast")
    network = frozen(load_ast(path), device)
    fits(SPEC, (network.config.hidden_size,), path)
    config, fbank = network.config, Fbank(network.config.num_mel_bins, "hanning")
    patch_s, hop_s = (n * HOP / RATE_HZ for n in (config.patch_size, config.time_stride))
    n_bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    step = (config.max_length - config.patch_size) // config.time_stride  # times kept of a window

    def spectra(windows: np.ndarray) -> np.ndarray:
        """(w, frames, bands) float32."""
        return (fbank(windows) - MEAN) / (2 * DEVIATION)

    def tokens(heard: Tensor) -> Tensor:
        """Mean over the bands of each time that is kept: (B, step, D)."""
        states = network(heard).last_hidden_state[:, MARKS:]
        return states.unflatten(1, (n_bands, -1)).mean(dim=1)[:, :step]

    def pool(times: np.ndarray, n: int) -> np.ndarray:
        times = times.reshape(-1, times.shape[-1])
        return pooled(times, n, hop_s, patch_s)

    def cut(sound: np.ndarray, n: int) -> np.ndarray:
        return in_turn(
            sound, step * config.time_stride * HOP, (config.max_length - 1) * HOP + WINDOW
        )

    return SoundEncoder(SPEC, cut, spectra, tokens, pool, device, batch=4)


def load_ast(path: Path) -> Any:
    """ASTModel from a folder in transformers' layout, with or without a classifier.

    transformers reads the folder itself, because it renamed the tensors between its versions.
    """
    config_beside(path)
    network, found = transformers().ASTModel.from_pretrained(
        path.parent, local_files_only=True, weights_only=True, output_loading_info=True
    )
    unknown = [key for key in found["unexpected_keys"] if not key.startswith(HEAD)]
    faults = {"unknown": unknown, "missing": sorted(found["missing_keys"])}
    faults["of another shape"] = [str(key) for key in found["mismatched_keys"]]
    if any(faults.values()):
        raise WeightError(f"{path.name} does not fit ASTModel: {faults}.")
    return network

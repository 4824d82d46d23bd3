"""VGGish: 128 numbers of one second of sound.

Hershey et al. 2017, CNN Architectures for Large-Scale Audio Classification. The front end hears
0.96 s: 96 frames of 64 HTK mel bands from 125 to 7500 Hz, log(mel + 0.01). As the authors of
MUSIC-AVQA did, each second is cut out first and heard alone (its last 25 ms are not), and the 128
numbers are taken behind the last ReLU, before the principal components (`audio_vggish_pca`).
Weights: the torch port's (`features.*`, `embeddings.*`), with or without `pproc.*`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.checkpoints import load_into, read_state
from musicavqa.features.encoders.hearing import SoundEncoder
from musicavqa.features.encoders.mel import magnitudes, mel_matrix
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import fits, frozen
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import one_second_each

RATE_HZ, WINDOW, HOP, N_FFT, BANDS, FRAMES = 16000, 400, 160, 512, 64, 96
RANGE_HZ, OFFSET = (125.0, 7500.0), 0.01
CONVOLUTIONS = (0, 3, 6, 8, 11, 13)  # places in `features`
POOLED = (0, 3, 8, 13)  # a 2 x 2 maximum behind these
DENSE = (0, 2, 4)
CLIP, STEPS = 2.0, 255.0  # of the 8-bit quantiser behind the principal components
PCA_NAMES = ("pca_eigen_vectors", "pca_means")
FILTERS = mel_matrix(RATE_HZ, N_FFT, BANDS, RANGE_HZ, "htk")


class VGGish(nn.Module):
    """Six convolutions, three dense layers; sizes are those of the file."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        for place in CONVOLUTIONS:
            after, before, *_ = state[f"features.{place}.weight"].shape
            self.features[str(place)] = nn.Conv2d(before, after, 3, padding=1)
        self.embeddings = nn.ModuleDict()
        for place in DENSE:
            after, before = state[f"embeddings.{place}.weight"].shape
            self.embeddings[str(place)] = nn.Linear(before, after)

    def forward(self, patches: Tensor) -> Tensor:
        """Log-mel patches (B, 96, 64) -> (B, 128), none below zero."""
        x = patches[:, None]
        for place in CONVOLUTIONS:
            x = torch.relu(self.features[str(place)](x))
            if place in POOLED:
                x = nn.functional.max_pool2d(x, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # time, pitch, channel: TensorFlow's order
        for place in DENSE:
            x = torch.relu(self.embeddings[str(place)](x))
        return x


class PrincipalComponents(nn.Module):
    """Rotate and whiten, clip to -2 ... 2, and round to 0 ... 255, as AudioSet was published."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("pca_eigen_vectors", torch.zeros(width, width))
        self.register_buffer("pca_means", torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        rotated = (x - self.pca_means) @ self.pca_eigen_vectors.T
        return torch.round((rotated.clamp(-CLIP, CLIP) + CLIP) * (STEPS / (2 * CLIP)))


def log_mel(samples: np.ndarray) -> np.ndarray:
    """(..., frames, 64) float32 of mono samples (..., n); computed in double precision."""
    mel = magnitudes(samples.astype(np.float64), WINDOW, HOP, N_FFT) @ FILTERS
    return np.log(mel + OFFSET).astype(np.float32)


def patches(seconds: np.ndarray) -> np.ndarray:
    """(n, 96, 64) of mono seconds (n, 16000)."""
    return log_mel(seconds[:, : (FRAMES - 1) * HOP + WINDOW])


def load_vggish(path: Path) -> VGGish:
    """The network of a weight file."""
    state = read_state(path)
    try:
        network = VGGish(state)
    except KeyError as error:
        raise WeightError(f"{path.name} is no VGGish that we know: it lacks {error}.") from error
    load_into(network, state, path, ignored=("pproc.",))
    return network


def load_components(path: Path) -> PrincipalComponents:
    """The principal components of a file; their means may be a column."""
    state = {key.removeprefix("pproc."): tensor for key, tensor in read_state(path).items()}
    state = {key: state[key] for key in state if key in PCA_NAMES}
    if len(state) < len(PCA_NAMES):
        raise WeightError(f"{path.name} lacks one of {', '.join(PCA_NAMES)}.")
    state["pca_means"] = state["pca_means"].flatten()
    components = PrincipalComponents(len(state["pca_means"]))
    load_into(components, state, path)
    return components


def vggish_encoder(spec: Spec, device: str) -> SoundEncoder:
    """The encoder behind `spec`; a second name in its weights means principal components."""
    path = weight_file(spec.weights[0])
    vggish = load_vggish(path)
    fits(spec, (len(vggish.embeddings["4"].weight),), path)
    network: nn.Module = vggish
    if len(spec.weights) > 1:
        network = nn.Sequential(vggish, load_components(weight_file(spec.weights[1])))
    return SoundEncoder(
        spec,
        lambda sound, n: one_second_each(sound, n, RATE_HZ),
        patches,
        frozen(network, device),
        device=device,
    )

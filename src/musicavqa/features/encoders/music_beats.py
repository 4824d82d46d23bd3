"""Beats and downbeats: BeatNet's activations, and the grid of beats that fits them best.

Heydari, Cwitkowitz and Duan 2021 (BeatNet, ISMIR): a convolutional recurrent network over 136
octave bands and their rise, 50 frames per second. The package `BeatNet` (CC BY 4.0) has three sets
of weights; the activation is their mean. Where the paper follows beats with particles, the whole
clip is known here, so the best path through a model of beats is taken (`pulse.py`).

Row (5,) of 20 ms: activation of a beat that is no downbeat, activation of a downbeat, 1 at a beat,
1 at a downbeat, confidence 0 to 1 of the beats around. Music without a usable beat has confidence 0
and no beats at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.features.encoders.mel import centre_padded, octave_matrix
from musicavqa.features.encoders.pulse import Pulse, find_pulse
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Sound

if TYPE_CHECKING:
    from torch import Tensor

    from musicavqa.media import Media

HEARD = Sound(22050, 1)
WINDOW, HOP = 1411, 441  # 64 ms and 20 ms
RANGE_HZ, PER_OCTAVE, N_BANDS = (30.0, 17000.0), 24, 136

SPEC = Spec(
    name="music_beats",
    stream="music_beats",
    shape=(5,),
    reads=(HEARD,),
    rate_hz=HEARD.rate_hz / HOP,
    weights=("beatnet",),
    licence="CC BY 4.0, BeatNet by Mojtaba Heydari, Frank Cwitkowitz and Zhiyao Duan",
)


def load() -> BeatNet:
    """The three networks with their published weights."""
    from musicavqa.features.encoders.checkpoints import read_state

    files = sorted(weight_file("beatnet").parent.glob("model_*.pt"))
    return BeatNet([read_state(path) for path in files])


class BeatNet:
    """Frozen networks, each in the layout of the published weights."""

    spec = SPEC

    def __init__(self, weights: Sequence[dict[str, Any]]) -> None:
        self.networks = [_network(each) for each in weights]
        # The network learnt with the odd window counted as an even one of 1410 samples.
        bins_hz = np.arange(WINDOW // 2) * HEARD.rate_hz / (WINDOW - 1)
        self.filters = octave_matrix(bins_hz, PER_OCTAVE, RANGE_HZ)  # (705, 136)
        self.window = np.hanning(WINDOW).astype(np.float32)

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 5) float16; zeros without sound."""
        n = n_rows(media.duration_s, SPEC.rate_hz)
        sound = media[HEARD]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        activations = self.activations(self.features(centre_padded(sound[0], WINDOW, HOP, n)))
        return as_rows(activations, find_pulse(activations, SPEC.rate_hz)).astype(np.float16)

    def features(self, samples: np.ndarray) -> np.ndarray:
        """(frames, 272) float32: log magnitudes of 136 bands, and by how much each has risen."""
        frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
        magnitudes = np.abs(np.fft.rfft(frames * self.window))[:, : WINDOW // 2]
        bands = np.log10(1 + magnitudes.astype(np.float32) @ self.filters)
        rise = np.maximum(0, np.diff(bands, axis=0, prepend=bands[:1]))
        return np.concatenate([bands, rise], axis=1)

    def activations(self, features: np.ndarray) -> np.ndarray:
        """Probabilities (frames, 2) of a beat, of a downbeat; the mean of the networks."""
        import torch

        heard = torch.from_numpy(features)
        with torch.inference_mode():
            each = [torch.softmax(network(heard), dim=-1) for network in self.networks]
        return torch.stack(each).mean(dim=0)[:, :2].numpy()


def as_rows(activations: np.ndarray, pulse: Pulse) -> np.ndarray:
    """Rows (frames, 5) of the activations (frames, 2) and what was found in them."""
    marks = np.zeros((len(activations), 2), np.float32)
    marks[pulse.beats, 0] = 1
    marks[pulse.beats[pulse.is_downbeat], 1] = 1
    return np.concatenate([activations, marks, pulse.confidence[:, None]], axis=1)


def _network(weights: dict[str, Any]) -> Any:
    """The network of `weights`; RuntimeError names keys that are missing or unknown."""
    from torch import nn
    from torch.nn import functional

    class Network(nn.Module):
        """Over frequency: convolution, halving, one layer; over time: two LSTM layers."""

        def __init__(self) -> None:
            super().__init__()
            channels, _, kernel = weights["conv1.weight"].shape
            width, wide = weights["linear0.weight"].shape
            self.conv1 = nn.Conv1d(1, channels, kernel)
            self.linear0 = nn.Linear(wide, width)
            self.lstm = nn.LSTM(width, weights["lstm.weight_hh_l0"].shape[1], 2, batch_first=True)
            self.linear = nn.Linear(self.lstm.hidden_size, 3)

        def forward(self, features: Tensor) -> Tensor:
            """Logits (frames, 3) for beat, downbeat, neither; features is (frames, 272)."""
            pitch = functional.max_pool1d(functional.relu(self.conv1(features[:, None])), 2)
            return self.linear(self.lstm(self.linear0(pitch.flatten(1))[None])[0])[0]

    network = Network()
    network.load_state_dict(weights, strict=True)
    return network.eval().requires_grad_(False)

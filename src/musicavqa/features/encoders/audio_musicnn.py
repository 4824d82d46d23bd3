"""musicnn: a 200-d music embedding and 50 tags of the three seconds around each second.

Pons and Serra 2019 (musicnn), trained on MagnaTagATune. The weights are a TensorFlow checkpoint; it
is read here without TensorFlow, and the network is written again in torch. Seconds near the ends
of a clip take the nearest three seconds that lie inside it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from musicavqa.features.encoders.mel import magnitudes, mel_matrix
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import mono
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

RATE_HZ, N_FFT, HOP, BANDS, PATCH = 16000, 512, 256, 96, 187
FRAMES_HZ = RATE_HZ / HOP
EPS = 1e-3
EMBEDDING = 200
TALL, LONG = ("", "_1"), ("_2", "_3", "_4")  # suffixes of conv2d
TAGS = (
    "guitar", "classical", "slow", "techno", "strings", "drums", "electronic", "rock", "fast",
    "piano", "ambient", "beat", "violin", "vocal", "synth", "female", "indian", "opera", "male",
    "singing", "vocals", "no vocals", "harpsichord", "loud", "quiet", "flute", "woman",
    "male vocal", "no vocal", "pop", "soft", "sitar", "solo", "man", "classic", "choir", "voice",
    "new age", "dance", "male voice", "female vocal", "beats", "harp", "cello", "no voice", "weird",
    "country", "metal", "female voice", "choral",
)  # fmt: skip

SPEC = Spec(
    name="audio_musicnn",
    stream="audio_musicnn",
    shape=(EMBEDDING + len(TAGS),),
    reads=(SOUND,),
    weights=("musicnn",),
    licence="ISC",
)


def load() -> MusiCNN:
    """The network with its MagnaTagATune weights."""
    return MusiCNN(weight_file("musicnn"))


class MusiCNN:
    """The frozen network; `variables` holds the checkpoint without the optimiser's state."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        bundle = read_bundle(path, path.with_suffix(".data"))
        self.variables = {
            name: torch.from_numpy(array) for name, array in bundle.items() if "Adam" not in name
        }
        self.filters = mel_matrix(RATE_HZ, N_FFT, BANDS, (0.0, RATE_HZ / 2), "slaney")

    def encode(self, media: Media) -> np.ndarray:
        """(T, 250) float16: 200 penultimate activations, then the probabilities of TAGS."""
        n = n_seconds(media.duration_s)
        waveform = media[SOUND]
        if waveform is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        mel = self.log_mel(mono(waveform, n * RATE_HZ))
        mel = np.pad(mel, ((0, max(0, PATCH - len(mel))), (0, 0)))
        centres = (np.arange(n) + 0.5) * FRAMES_HZ - PATCH / 2
        starts = np.clip(np.round(centres).astype(int), 0, len(mel) - PATCH)
        patches = np.stack([mel[start : start + PATCH] for start in starts])
        embedding, tags = self.forward(torch.from_numpy(patches))
        return torch.cat([embedding, tags], dim=1).half().numpy()

    def log_mel(self, samples: np.ndarray) -> np.ndarray:
        """(frames, 96) of a mono signal; frames centred, the ends mirrored."""
        samples = np.pad(samples.astype(np.float32), N_FFT // 2, mode="reflect")
        power = magnitudes(samples, N_FFT, HOP, N_FFT) ** 2
        return np.log10(10000 * (power @ self.filters) + 1)

    @torch.inference_mode()
    def forward(self, patches: Tensor) -> tuple[Tensor, Tensor]:
        """Embedding (N, 200) and tag probabilities (N, 50) of log-mel patches (N, 187, 96)."""
        x = self._norm("", patches[:, None])  # (N, 1, time, pitch)
        front = torch.cat([self._tall(x), self._long(x)], dim=1)  # (N, 561, time)
        features = [front, self._middle("_5", "_6", front)]
        for convolution, norm in (("_6", "_7"), ("_7", "_8")):
            features.append(features[-1] + self._middle(convolution, norm, features[-1]))
        merged = torch.cat(features, dim=1)  # (N, 753, time)
        pooled = torch.stack([merged.amax(dim=2), merged.mean(dim=2)], dim=2).flatten(1)
        pooled = self._norm("_9", pooled)  # max and mean of each feature side by side
        hidden = self._norm("_10", functional.relu(self._dense("", pooled)))
        return hidden, torch.sigmoid(self._dense("_1", hidden))

    def _tall(self, x: Tensor) -> Tensor:
        """Timbre: tall filters slid over pitch, the strongest place kept: (N, 408, time)."""
        padded = functional.pad(x, (0, 0, 3, 3))
        maps = [self._convolve(suffix, f"_{i}", padded) for i, suffix in enumerate(TALL, start=1)]
        return torch.cat([item.amax(dim=3) for item in maps], dim=1)

    def _long(self, x: Tensor) -> Tensor:
        """Rhythm: filters along time, the strongest pitch kept: (N, 153, time)."""
        maps = []
        for i, suffix in enumerate(LONG, start=3):
            n = len(self.variables[f"conv2d{suffix}/kernel"])
            # TensorFlow's 'same' padding puts the odd row of an even kernel at the end
            padded = functional.pad(x, (0, 0, (n - 1) // 2, n // 2))
            maps.append(self._convolve(suffix, f"_{i}", padded).amax(dim=3))
        return torch.cat(maps, dim=1)

    def _middle(self, suffix: str, norm: str, x: Tensor) -> Tensor:
        """One mid-end layer over time: (N, C, time) to (N, 64, time)."""
        padded = functional.pad(x.transpose(1, 2)[:, None], (0, 0, 3, 3))  # (N, 1, time + 6, C)
        return self._convolve(suffix, norm, padded)[..., 0]

    def _convolve(self, suffix: str, norm: str, x: Tensor) -> Tensor:
        """Convolution, ReLU, then batch norm, in this order: (N, 1, ...) to (N, C, ...)."""
        kernel = self.variables[f"conv2d{suffix}/kernel"].permute(3, 2, 0, 1)
        x = functional.conv2d(x, kernel, self.variables[f"conv2d{suffix}/bias"])
        return self._norm(norm, functional.relu(x))

    def _dense(self, suffix: str, x: Tensor) -> Tensor:
        kernel = self.variables[f"dense{suffix}/kernel"]
        return x @ kernel + self.variables[f"dense{suffix}/bias"]

    def _norm(self, suffix: str, x: Tensor) -> Tensor:
        mean, variance, gamma, beta = (
            self.variables[f"batch_normalization{suffix}/{part}"]
            for part in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return functional.batch_norm(x, mean, variance, gamma, beta, eps=EPS)


def read_bundle(index: Path, data: Path) -> dict[str, np.ndarray]:
    """Variables of a TensorFlow checkpoint: float32 arrays by name.

    The index is a LevelDB table whose values are BundleEntryProto messages; the data file is raw
    little-endian numbers.
    """
    table, numbers = index.read_bytes(), data.read_bytes()
    _, i = _varint(table, len(table) - 48)  # footer: two (offset, size) pairs, the second is ours
    _, i = _varint(table, i)
    variables = {}
    for _, place in _entries(table, *_pair(table, i)):
        for key, value in _entries(table, *_pair(place, 0)):
            if not key:  # the bundle's header
                continue
            shape, offset, size = _entry(value)
            array = np.frombuffer(numbers, "<f4", size // 4, offset)
            variables[key.decode()] = array.reshape(shape).copy()
    return variables


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of an uncompressed LevelDB block; a key may share the start of the last."""
    block = table[offset : offset + size]
    (n_restarts,) = struct.unpack("<I", block[-4:])
    i, key = 0, b""
    while i < len(block) - 4 - 4 * n_restarts:
        n_shared, i = _varint(block, i)
        n_own, i = _varint(block, i)
        n_value, i = _varint(block, i)
        key = key[:n_shared] + block[i : i + n_own]
        i += n_own
        yield key, block[i : i + n_value]
        i += n_value


def _entry(message: bytes) -> tuple[list[int], int, int]:
    """Shape, offset and size in bytes of a BundleEntryProto (fields 2, 4 and 5)."""
    fields = dict(_fields(message))
    dims = [dict(_fields(dim))[1] for number, dim in _fields(fields[2]) if number == 2]
    return dims, fields.get(4, 0), fields[5]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Field numbers and values of a protobuf message: numbers, or bytes; checksums are skipped."""
    i = 0
    while i < len(message):
        key, i = _varint(message, i)
        if key & 7 == 5:
            i += 4
            continue
        value, i = _varint(message, i)
        if key & 7 == 2:
            yield key >> 3, message[i : i + value]
            i += value
        else:
            yield key >> 3, value


def _pair(data: bytes, i: int) -> tuple[int, int]:
    first, i = _varint(data, i)
    return first, _varint(data, i)[0]


def _varint(data: bytes, i: int) -> tuple[int, int]:
    """A base-128 number at `i`, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[i]
        value |= (byte & 0x7F) << shift
        i, shift = i + 1, shift + 7
        if byte < 0x80:
            return value, i

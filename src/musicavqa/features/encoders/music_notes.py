"""Notes: which of the 88 keys of a piano sound, in 100 ms rows, and note events on request.

Basic Pitch (Bittner et al. 2022, ICASSP), the ONNX file of the package `basic-pitch`. Row (88,):
the mean of the note posteriorgram, 0 to 1, from A0 (MIDI 21) up; a key that does not sound lies
near 0.1, one above 0.3 sounds. `posteriors` gives the three posteriorgrams at their own rate and
`find_notes` the published decoding of them.

Windows of 43,844 samples at 22.05 kHz overlap by 30 frames of 256 samples, and 15 frames are
cropped at either end, as published. A window moves on by 141.27 frames and gives 142; the released
code counts frames as if they were even and corrects the times by a fitted constant, here every
frame has its exact time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Sound

if TYPE_CHECKING:
    from musicavqa.media import Media

HEARD = Sound(22050, 1)
WINDOW, FRAME, N_FRAMES = 43844, 256, 172
CROP = 15
HOP = WINDOW - 2 * CROP * FRAME
KEYS, LOWEST = 88, 21
INPUT = "serving_default_input_2:0"
OUTPUTS = [f"StatefulPartitionedCall:{i}" for i in (1, 2, 0)]  # note, onset, contour

SPEC = Spec(
    name="music_notes",
    stream="music_notes",
    shape=(KEYS,),
    reads=(HEARD,),
    rate_hz=10.0,
    weights=("basic_pitch",),
    licence="Apache-2.0",
)


@dataclass(frozen=True)
class Posteriors:
    """Probabilities per frame: `note` and `onset` (frames, 88), `contour` (frames, 264)."""

    time_s: np.ndarray
    note: np.ndarray
    onset: np.ndarray
    contour: np.ndarray


@dataclass(frozen=True)
class Decoding:
    """Thresholds of the published decoding; lengths in frames of 11.6 ms."""

    onset: float = 0.5
    frame: float = 0.3
    shortest: int = 11
    """Notes of this many frames or fewer are dropped."""
    patience: int = 11
    """A note ends when it stays below `frame` for so long."""


@dataclass(frozen=True, order=True)
class Note:
    """One note; the velocity is its mean probability, 0 to 1."""

    onset_s: float
    offset_s: float
    pitch: int
    velocity: float


def load() -> Notes:
    """The network on one thread."""
    return Notes(weight_file("basic_pitch"))


class Notes:
    """The ONNX session."""

    spec = SPEC

    def __init__(self, path: Path) -> None:
        self.session = _session(path)

    def encode(self, media: Media) -> np.ndarray:
        """(rows, 88) float16; zeros without sound."""
        n = n_rows(media.duration_s, SPEC.rate_hz)
        sound = media[HEARD]
        if sound is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        heard = self.posteriors(sound[0])
        return _rows(heard.time_s, heard.note, n).astype(np.float16)

    def posteriors(self, samples: np.ndarray) -> Posteriors:
        """The posteriorgrams of a mono signal at 22.05 kHz."""
        kept = [[part[0, CROP:-CROP] for part in parts] for parts in self._windows(samples)]
        note, onset, contour = (np.concatenate(part) for part in zip(*kept, strict=True))
        starts = np.arange(len(kept))[:, None] * HOP
        time_s = (starts + np.arange(N_FRAMES - 2 * CROP) * FRAME).reshape(-1) / HEARD.rate_hz
        n = int(np.searchsorted(time_s, len(samples) / HEARD.rate_hz))
        return Posteriors(time_s[:n], note[:n], onset[:n], contour[:n])

    def find_notes(self, samples: np.ndarray, decoding: Decoding | None = None) -> list[Note]:
        """Note events of a mono signal at 22.05 kHz, in order of onset."""
        heard = self.posteriors(samples)
        return sorted(
            Note(float(heard.time_s[start]), float(heard.time_s[stop]), LOWEST + key, velocity)
            for start, stop, key, velocity in decode(heard.note, heard.onset, decoding)
        )

    def _windows(self, samples: np.ndarray) -> Iterator[list[np.ndarray]]:
        """Outputs of the network for each window; the signal begins after half the overlap."""
        padded = np.pad(samples.astype(np.float32), (CROP * FRAME, WINDOW))
        for start in range(0, CROP * FRAME + len(samples), HOP):
            window = padded[None, start : start + WINDOW, None]
            yield self.session.run(OUTPUTS, {INPUT: window})


def decode(
    note: np.ndarray, onset: np.ndarray, decoding: Decoding | None = None
) -> list[tuple[int, int, int, float]]:
    """Notes (first frame, end frame, key 0..87, mean probability) by section 2.4 of the paper.

    `note` and `onset` are (frames, 88). From the last onset to the first, each one is followed
    until it dies away; what is taken by a note is cleared, with the neighbouring keys. Then the
    strongest place left over is followed both ways, until nothing strong is left.
    """
    rule = decoding or Decoding()
    left = note.astype(np.float64)
    found = []
    for start, key in reversed(_peaks(np.maximum(onset, _rises(note, onset)), rule.onset)):
        stop = _dies(left[start + 1 : -1, key], rule) + start + 1
        if start < len(note) - 1 and stop - start > rule.shortest:
            _clear(left, start, stop, key)
            found.append((start, stop, key))
    found += _left_over(left, rule)
    return [(start, stop, key, float(note[start:stop, key].mean())) for start, stop, key in found]


def _left_over(left: np.ndarray, rule: Decoding) -> Iterator[tuple[int, int, int]]:
    """Notes without an onset, the strongest first; `left` is cleared on the way."""
    while left.size and left.max() > rule.frame:
        middle, key = map(int, np.unravel_index(left.argmax(), left.shape))
        left[middle, key] = 0.0
        ahead, behind = left[middle + 1 : -1, key].copy(), left[middle - 1 : 0 : -1, key].copy()
        if middle == 0:
            behind = behind[:0]
        n_ahead, n_behind = _dies(ahead, rule), _dies(behind, rule)
        read_ahead = min(len(ahead), n_ahead + rule.patience)
        read_behind = min(len(behind), n_behind + rule.patience)
        _clear(left, middle + 1, middle + 1 + read_ahead, key)
        _clear(left, middle - read_behind, middle, key)
        # the last frame that is strong, but not the frame after it, as the released code has it
        start, stop = middle - n_behind, middle + n_ahead
        if stop - start > rule.shortest:
            yield start, stop, key


def _dies(strength: np.ndarray, rule: Decoding) -> int:
    """Frames until `strength` (frames,) falls below the threshold for good."""
    weak = 0
    for place, value in enumerate(strength.tolist()):
        weak = weak + 1 if value < rule.frame else 0
        if weak == rule.patience:
            return place + 1 - weak
    return len(strength) - weak


def _clear(left: np.ndarray, start: int, stop: int, key: int) -> None:
    left[start:stop, max(0, key - 1) : key + 2] = 0.0


def _rises(note: np.ndarray, onset: np.ndarray) -> np.ndarray:
    """How much each key rises over one and two frames, scaled to the strongest onset."""
    note, rise = note.astype(np.float64), np.zeros(note.shape)
    rise[2:] = np.minimum(note[2:] - note[1:-1], note[2:] - note[:-2]).clip(min=0.0)
    highest = rise.max(initial=0.0)
    return rise * (onset.max() / highest) if highest else rise


def _peaks(strength: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """(frame, key) above both neighbours in time and not below the threshold, in order."""
    inner = strength[1:-1]
    peak = (inner > strength[:-2]) & (inner > strength[2:]) & (inner >= threshold)
    frames, keys = np.nonzero(peak)
    return list(zip((frames + 1).tolist(), keys.tolist(), strict=True))


def _rows(time_s: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Means (n, ...) of the frames whose time lies in each row; a row without frames is zero."""
    row = np.minimum((time_s * SPEC.rate_hz).astype(int), n - 1)
    total = np.zeros((n, values.shape[1]))
    np.add.at(total, row, values)
    return total / np.maximum(np.bincount(row, minlength=n), 1)[:, None]


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )

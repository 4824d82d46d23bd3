"""A file read piece by piece into a Reading, with a few pictures and its sound to show.

Nothing is held of a piece but what eye and ear say of it, so hours take little more than minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.extraction.encoding import with_one_blas_thread

if TYPE_CHECKING:
    from musicavqa.features.extraction.encoding import Encoder
    from musicavqa.media import Account, Limits, Media, Piece
    from musicavqa.methods.layers.glimpses import Glimpse
    from musicavqa.methods.registry import Checkpoint
    from musicavqa.records import Reading

PIECE_S = 60
"""Seconds that are decoded, encoded and perceived at once."""
TOGETHER, TOGETHER_S = 2, 1800
"""So many streams are encoded at once; of a longer file one, which takes less memory."""
MOST_PICTURES = 64
"""Kept of a file to be shown; of a long one every second, fourth ... is dropped."""
PEAKS_PER_S = 20
"""Of the sound, to be drawn."""

Tell = Callable[[float, float | None], None]


@dataclass
class Shown:
    """What is kept of a file to be looked at."""

    pictures: list[np.ndarray] = field(default_factory=list)
    """uint8 (H, W, 3)."""
    times_s: list[float] = field(default_factory=list)
    """When each of them is on the screen."""
    peaks: list[np.ndarray] = field(default_factory=list)
    """Highest sample of every twentieth of a second, by pieces."""
    every: int = 1

    def add(self, media: Media, from_s: float) -> None:
        """Take every few seconds a picture, and the peaks, of a piece that begins at `from_s`."""
        from musicavqa.media import FRAMES, SOUND

        frames, sound = media[FRAMES], media[SOUND]
        for second in range(0, 0 if frames is None else len(frames), 2):
            assert frames is not None
            if (int(from_s) + second) % (2 * self.every) == 0:
                self.pictures.append(frames[second].copy())
                self.times_s.append(from_s + second + 0.5)
        while len(self.pictures) > MOST_PICTURES:
            self.pictures, self.times_s = self.pictures[::2], self.times_s[::2]
            self.every *= 2
        if sound is not None:
            step = SOUND.rate_hz // PEAKS_PER_S
            mono = np.abs(sound.mean(0))
            self.peaks.append(mono[: len(mono) // step * step].reshape(-1, step).max(1))

    @property
    def sound(self) -> np.ndarray:
        """(n,) peaks of the whole file; empty without sound."""
        return np.concatenate(self.peaks) if self.peaks else np.zeros(0, np.float32)


def sense(
    path: Path | str, checkpoint: Checkpoint, limits: Limits, tell: Tell, device: str = "cpu"
) -> tuple[Reading, Shown, Account]:
    """Decode, encode and perceive the file; MediaError where it has neither picture nor sound."""
    from musicavqa.features.encoders import load_encoder
    from musicavqa.media import FRAMES, SOUND, announced_s, read_pieces
    from musicavqa.methods.layers.glimpses import joined
    from musicavqa.training.memory import give_back

    encoders = [load_encoder(name, device) for name in checkpoint.streams]
    wanted = [FRAMES, SOUND, *(item for encoder in encoders for item in encoder.spec.reads)]
    around_s = max(encoder.spec.sees_s or 0 for encoder in encoders)
    shown, glimpses, done_s, account = Shown(), [], 0.0, None
    announced = announced_s(path)
    expected_s = None if announced is None else min(announced, limits.seconds)
    at_once = TOGETHER if expected_s and expected_s <= TOGETHER_S else 1
    for piece in read_pieces(path, wanted, PIECE_S, around_s, require="any", limits=limits):
        own = piece.around(0)
        shown.add(own, done_s)
        done_s, account = done_s + own.duration_s, own.account
        rows = _encode(piece, encoders, at_once)
        del piece, own  # a minute of pictures is not held while its rows are looked at
        glimpses.append(_perceive(rows, checkpoint))
        del rows
        give_back()
        tell(done_s, expected_s)
    assert account is not None  # the last piece has that of the file
    del encoders  # nor are their networks while hours are put together
    return checkpoint.model.reading(joined(glimpses, give_back)), shown, account


@with_one_blas_thread
def _encode(piece: Piece, encoders: Sequence[Encoder], at_once: int) -> dict[str, np.ndarray]:
    """Rows of each stream, one for each second of the piece itself; so many encoders at once."""
    with ThreadPoolExecutor(at_once) as threads:
        rows = threads.map(partial(_rows, piece), encoders)
        return {encoder.spec.stream: found for encoder, found in zip(encoders, rows, strict=True)}


def _rows(piece: Piece, encoder: Encoder) -> np.ndarray:
    from musicavqa.features.encoders.spec import n_seconds
    from musicavqa.features.grids import on_grid

    spec, sees_s = encoder.spec, encoder.spec.sees_s or 0
    n, before = n_seconds(piece.around(0).duration_s), piece.before_s(sees_s)
    rows = encoder.encode(piece.around(sees_s))
    return on_grid(rows, spec.rate_hz, spec.every_s, 1)[before : before + n]


def _perceive(rows: dict[str, np.ndarray], checkpoint: Checkpoint) -> Glimpse:
    """What the method's senses say of the streams of one piece."""
    import torch

    from musicavqa.records import Clip
    from musicavqa.training.batches import collate

    stores = {name: {"piece": stream} for name, stream in rows.items()}
    batch = collate([Clip("piece", None, None)], {"piece": []}, stores)
    with torch.inference_mode():
        return checkpoint.model.glimpses(batch)[0]

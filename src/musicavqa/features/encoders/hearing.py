"""What all frozen networks on sound share: windows, front end, batches, a device, zeros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.windows import mono

if TYPE_CHECKING:
    from musicavqa.media import Media, Sound


def pass_on(rows: np.ndarray, n: int) -> np.ndarray:
    """One window, one row."""
    return rows[:n]


@dataclass(frozen=True)
class SoundEncoder:
    """Mono sound -> windows -> front end -> network -> rows, one per second."""

    spec: Spec
    cut: Callable[[np.ndarray, int], np.ndarray]
    """Mono sound of n whole seconds, n -> windows (w, samples)."""
    front: Callable[[np.ndarray], np.ndarray]
    """Windows (w, samples) -> what the network reads, float32 (w, ...)."""
    network: Callable[[Tensor], Tensor]
    """(B, ...) -> (B, ...)."""
    pool: Callable[[np.ndarray, int], np.ndarray] = pass_on
    """What the network says of the windows (w, ...), n -> (n, *spec.shape)."""
    device: str = "cpu"
    batch: int = 16

    def encode(self, media: Media) -> np.ndarray:
        """(n, *shape); zeros without sound."""
        n = n_rows(media.duration_s, 1.0)
        waveform = media[self._sound]
        if waveform is None:
            return np.zeros((n, *self.spec.shape), self.spec.dtype)
        windows = self.cut(mono(waveform, n * self._sound.rate_hz), n)
        return self.pool(self.rows(windows), n).astype(self.spec.dtype)

    def rows(self, windows: np.ndarray) -> np.ndarray:
        """float32 (w, ...) of windows (w, samples), each on its own, whatever clip it is from."""
        starts = range(0, len(windows), self.batch)
        return np.concatenate([self._block(windows[i : i + self.batch]) for i in starts])

    @torch.inference_mode()
    def _block(self, windows: np.ndarray) -> np.ndarray:
        heard = torch.from_numpy(np.ascontiguousarray(self.front(windows), np.float32))
        return self.network(heard.to(self.device)).float().cpu().numpy()

    @property
    def _sound(self) -> Sound:
        return self.spec.reads[0]  # type: ignore[return-value]

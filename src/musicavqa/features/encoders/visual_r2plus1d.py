"""R(2+1)D-18: 512 numbers for the motion within each second.

Tran et al. 2018, trained on Kinetics-400. 16 pictures of the second, 128 x 171, the middle
112 x 112, statistics of Kinetics. MUSIC-AVQA's released script gives the network one single picture
at a time, in which nothing can move; `load(still=True)` repeats that (the first of the 16).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from musicavqa.features.encoders.residual import R2Plus1D, load_r2plus1d
from musicavqa.features.encoders.spec import Spec, n_rows
from musicavqa.features.encoders.vision import KINETICS, asked, centre, fits, frozen, normalised
from musicavqa.features.encoders.weights import weight_file
from musicavqa.media import Pictures

if TYPE_CHECKING:
    from musicavqa.media import Media

A_SECOND, SIDE = 16, 112
STILL = Pictures(1.0, (128, 171), filter="pil_bilinear")

SPEC = Spec(
    name="visual_r2plus1d",
    stream="visual_r2plus1d",
    shape=(512,),
    reads=(Pictures(float(A_SECOND), (128, 171), filter="pil_bilinear"),),
    sees_s=0,
    weights=("r2plus1d_18",),
    licence="BSD-3-Clause",
)


def load(device: str = "cpu", still: bool = False) -> MotionEncoder:
    """The network with torchvision's weights; `still` looks at one picture a second."""
    path = weight_file("r2plus1d_18")
    network = frozen(load_r2plus1d(path), device)
    fits(SPEC, (network.width * 8,), path)
    spec = replace(SPEC, reads=(STILL,)) if still else SPEC
    return MotionEncoder(spec, network, device)


@dataclass(frozen=True)
class MotionEncoder:
    """The frozen network on the pictures of one second."""

    spec: Spec
    network: R2Plus1D
    device: str = "cpu"
    batch: int = 4

    def clips(self, pictures: np.ndarray) -> np.ndarray:
        """Rows (n, 512) of clips (n, 16, H, W, 3) uint8, each on its own."""
        starts = range(0, len(pictures), self.batch)
        blocks = [self._block(pictures[start : start + self.batch]) for start in starts]
        return np.concatenate([np.zeros((0, *self.spec.shape), self.spec.dtype), *blocks])

    def encode(self, media: Media) -> np.ndarray:
        """(T, 512); the last picture is held to the end of its second, zeros without pictures."""
        n = n_rows(media.duration_s, self.spec.rate_hz)
        request = asked(self.spec)
        pictures = media[request]
        if pictures is None:
            return np.zeros((n, *self.spec.shape), self.spec.dtype)
        a_second = round(request.rate_hz)
        places = np.minimum(np.arange(n * a_second), len(pictures) - 1)
        return self.clips(pictures[places].reshape(n, a_second, *pictures.shape[1:]))

    @torch.inference_mode()
    def _block(self, pictures: np.ndarray) -> np.ndarray:
        pixels = normalised(centre(pictures, SIDE, SIDE), KINETICS, self.device)
        rows = self.network(pixels.transpose(1, 2))  # (B, 3, T, 112, 112)
        return rows.cpu().numpy().astype(self.spec.dtype)

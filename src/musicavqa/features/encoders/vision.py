"""What all encoders of single pictures share: normalisation, kept seconds, batches, a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from musicavqa.features.encoders.cache import WeightError
from musicavqa.features.encoders.spec import Spec, held, n_kept
from musicavqa.features.encoders.supply import how_to_supply
from musicavqa.media import Pictures

if TYPE_CHECKING:
    from musicavqa.media import Media

Network = TypeVar("Network", bound=nn.Module)


class Statistics(NamedTuple):
    """Mean and deviation of red, green and blue, where white is 1."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
KINETICS = Statistics((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
CLIP = Statistics((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = Statistics((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def normalised(pictures: np.ndarray, statistics: Statistics, device: str = "cpu") -> Tensor:
    """RGB uint8 (..., H, W, 3) as float32 (..., 3, H, W) with the mean at 0, on `device`."""
    width = pictures.shape[-2]
    values = torch.from_numpy(np.ascontiguousarray(pictures)).to(device).float()
    # whole rows at a time: three numbers alone would be worked on one by one
    mean, deviation = (torch.tensor(three, device=device).repeat(width) for three in statistics)
    values.flatten(-2).div_(255).sub_(mean).div_(deviation)
    return values.movedim(-1, -3)


def centre(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle of pictures (..., H, W, 3)."""
    top = round((pictures.shape[-3] - height) / 2)
    left = round((pictures.shape[-2] - width) / 2)
    return pictures[..., top : top + height, left : left + width, :]


def asked(spec: Spec) -> Pictures:
    """The pictures that an encoder of pictures asks for."""
    (request,) = spec.reads
    assert isinstance(request, Pictures)
    return request


def encode_pictures(
    spec: Spec, rows: Callable[[np.ndarray], np.ndarray], media: Media
) -> np.ndarray:
    """`rows` of the kept seconds; the last is held to the end, zeros without pictures."""
    n = n_kept(spec, media.duration_s)
    pictures = media[asked(spec)]
    if pictures is None:
        return np.zeros((n, *spec.shape), spec.dtype)
    return held(rows(pictures[:: spec.every_s][:n]), n)


@dataclass(frozen=True)
class PictureEncoder:
    """A frozen network on single pictures, one row for each kept second."""

    spec: Spec
    network: Callable[[Tensor], Tensor]
    """float32 (B, 3, H, W) -> (B, *spec.shape)."""
    statistics: Statistics
    device: str = "cpu"
    side: int | None = None
    """Cut this square from the middle of what was read; None takes all."""
    batch: int = 16

    def picture_rows(self, pictures: np.ndarray) -> np.ndarray:
        """Rows (n, *shape) of pictures (n, H, W, 3) uint8, each on its own."""
        starts = range(0, len(pictures), self.batch)
        blocks = [self._block(pictures[start : start + self.batch]) for start in starts]
        return np.concatenate([np.zeros((0, *self.spec.shape), self.spec.dtype), *blocks])

    def encode(self, media: Media) -> np.ndarray:
        """Rows of the kept seconds; the last is held to the end, zeros without pictures."""
        return encode_pictures(self.spec, self.picture_rows, media)

    @torch.inference_mode()
    def _block(self, pictures: np.ndarray) -> np.ndarray:
        if self.side is not None:
            pictures = centre(pictures, self.side, self.side)
        pixels = normalised(pictures, self.statistics, self.device)
        return self.network(pixels).cpu().numpy().astype(self.spec.dtype)


def fits(spec: Spec, shape: tuple[int, ...], path: Path) -> None:
    """WeightError where the network of `path` gives other rows than the card says."""
    if shape != spec.shape:
        raise WeightError(
            f"{path.name} gives rows of {shape}, but {spec.name} has {spec.shape}: these are the "
            f"weights of another size. {how_to_supply(spec.weights[0]).capitalize()}."
        )


def frozen(network: Network, device: str) -> Network:
    """The network for inference only, on `device`."""
    return network.eval().requires_grad_(False).to(device)


def keeping(spec: Spec, every_s: int) -> Spec:
    """The card with other seconds kept: another hash, so another store."""
    if every_s < 1:
        raise ValueError(f"every_s is {every_s}; it must be a whole number of seconds above 0.")
    return replace(spec, every_s=every_s)

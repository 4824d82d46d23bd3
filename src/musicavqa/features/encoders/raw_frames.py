"""Pictures as they are, for methods that train or adapt their own eyes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.vision import encode_pictures

if TYPE_CHECKING:
    from musicavqa.media import Media


@dataclass(frozen=True)
class RawFrames:
    """Pictures with the colours in front; no state."""

    spec: Spec

    def picture_rows(self, pictures: np.ndarray) -> np.ndarray:
        """(n, H, W, 3) -> (n, 3, H, W), uint8."""
        return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))

    def encode(self, media: Media) -> np.ndarray:
        """Kept seconds; the last picture is held to the end, zeros (black) without pictures."""
        return encode_pictures(self.spec, self.picture_rows, media)

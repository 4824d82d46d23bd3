"""Rows of several streams side by side, `audio_yamnet+music_onsets`: their cards and encoders.

Every part is pooled to seconds (`grids.on_grid`) and flattened; numbers are as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.features.encoders.spec import Spec
from musicavqa.features.grids import grid_step, on_grid

if TYPE_CHECKING:
    from musicavqa.media import Media

PLUS = "+"


def parts_of(stream: str) -> list[str]:
    """The streams that a name joins; itself, if it joins none."""
    return stream.split(PLUS)


def join_rows(parts: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> np.ndarray:
    """Rows (T, sum of widths) of streams by name, float32; as many as the shortest has.

    `about` has `rate_hz`, `every_s` and `held` of each, a Spec or a Description.
    """
    step_s = step_of(about.values())
    rows = [
        on_grid(part, about[name].rate_hz, about[name].every_s, step_s)
        for name, part in parts.items()
    ]
    n = min(len(part) for part in rows)
    flat = [np.asarray(part[:n], np.float32).reshape(n, -1) for part in rows]
    return np.concatenate(flat, axis=1)


def step_of(about: Iterable[Any]) -> int:
    """Seconds between the rows of streams on their common grid."""
    return grid_step(1 if facts.held else facts.every_s for facts in about)


class JoinedEncoder:
    """Encoders of several streams, as one of their joined rows."""

    def __init__(self, stream: str, encoders: Mapping[str, Any]) -> None:
        self.encoders = encoders
        self.spec = joined_spec(stream, [encoder.spec for encoder in encoders.values()])

    def encode(self, media: Media) -> np.ndarray:
        """(T, width) float32."""
        rows = {name: encoder.encode(media) for name, encoder in self.encoders.items()}
        return join_rows(rows, {name: encoder.spec for name, encoder in self.encoders.items()})


def joined_spec(stream: str, specs: Sequence[Spec]) -> Spec:
    """The card of a joined stream."""
    seen = [spec.sees_s for spec in specs]
    return Spec(
        name=stream,
        stream=stream,
        shape=(sum(math.prod(spec.shape) for spec in specs),),
        reads=tuple(dict.fromkeys(item for spec in specs for item in spec.reads)),
        every_s=step_of(specs),
        sees_s=None if None in seen else max(s or 0 for s in seen),
        dtype="float32",
        weights=tuple(dict.fromkeys(name for spec in specs for name in spec.weights)),
        licence="; ".join(dict.fromkeys(spec.licence for spec in specs)),
    )

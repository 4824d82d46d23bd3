"""One time grid for streams of many rates: what a batch reads of each.

A batch has one row per second for every stream. Streams of a higher rate are pooled to seconds by
the rule of `segments`. Where a stream keeps only every n-th second (ResNet maps keep every sixth),
that is the grid for all, and the other streams give those seconds; unless its rows are held: then
each stands for the seconds up to the next one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from musicavqa.features.segments import to_seconds
from musicavqa.features.store import ClipStore, FeatureError, Store


def grid_step(every_s: Iterable[int]) -> int:
    """Seconds from row to row of a grid that streams kept every so many seconds share."""
    kept = sorted({1, *every_s})
    if any(kept[-1] % step for step in kept):
        raise FeatureError(
            f"Streams kept every {' and every '.join(map(str, kept[1:]))} seconds share no grid. "
            "Extract one of them again with the other's every_s."
        )
    return kept[-1]


def on_grid(rows: np.ndarray, rate_hz: float, every_s: int, step_s: int) -> np.ndarray:
    """The rows (T, ...) of one stream at seconds 0, step_s, 2 step_s ... of its clip.

    Rows that are kept less often are held; the last one then goes on for up to `every_s` seconds.
    """
    if step_s < every_s:
        return np.repeat(rows, every_s // step_s, axis=0)
    return to_seconds(rows, rate_hz)[:: step_s // every_s]


@dataclass(frozen=True)
class OnGrid:
    """A store on the grid of a batch."""

    store: Store
    step_s: int

    def __getitem__(self, clip: str, /) -> np.ndarray:
        facts = self.store.description
        return on_grid(self.store[clip], facts.rate_hz, facts.every_s, self.step_s)

    def __contains__(self, clip: object, /) -> bool:
        return clip in self.store


def on_one_grid(stores: Mapping[str, Store]) -> dict[str, OnGrid]:
    """All streams on the grid that they share; FeatureError where there is none."""
    about = [store.description for store in stores.values()]
    step_s = grid_step(1 if facts.held else facts.every_s for facts in about)
    return {name: OnGrid(store, step_s) for name, store in stores.items()}


def laid_out(stores: Mapping[str, Store], own_grids: bool) -> Mapping[str, ClipStore]:
    """All streams on one grid, or each as it is kept for a method that reads them so."""
    return stores if own_grids else on_one_grid(stores)

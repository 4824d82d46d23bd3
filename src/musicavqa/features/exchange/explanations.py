"""Why rows of others differ from ours: explanations that are fitted on some clips, tried on others.

An explanation is a change in time (a shift, another hop) and a change of the values (a scale, a
normalisation, a linear map such as principal components), which makes of our rows what theirs
should be. What it must fit is fitted on every second clip and judged on the clips between:

    error = |theirs - explained| / |theirs - mean of theirs|        0 exact, 1 as good as the mean

Of explanations that are nearly equally good the simplest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

Clip = tuple[np.ndarray, np.ndarray]
"""Ours (T, D) and theirs (S, D), float32, both from the clip's beginning."""

HOPS = (0.5, 0.96, 1 / 0.96, 2.0)
"""Rows of ours from row to row of theirs; 0.96 is VGGish's own window."""
MOST_SHIFT = 3
NEARLY, EXACT = 1.25, 0.005
"""An explanation is nearly as good as the best up to this factor, or this much more error."""
FITS, FITS_ROUGHLY = 0.05, 0.3
RIDGE = 1e-4
"""Of a linear map, relative to the mean square of a column."""
ROWS_PER_COLUMN = 2
"""Fewer rows than so many for each column, and no linear map is fitted."""
UNCORRELATED = 0.1


@dataclass(frozen=True)
class Explanation:
    """One way from our rows to theirs, and how well it does on clips it was not fitted on."""

    time: str
    """'' where rows stand as ours do."""
    values: str
    """'' where the values are ours."""
    error: float

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.time, self.values))) or "the same rows"

    @property
    def simplicity(self) -> tuple[int, int]:
        """Smaller for a simpler one: how many things change, then what has to be fitted."""
        changes = bool(self.time) + bool(self.values)
        return changes, ORDER.index(self.values) if self.values in ORDER else len(ORDER)


Values = Callable[[Sequence[Clip]], Callable[[Clip], Clip]]
"""Fitted on clips, it gives what to compare: (explained, what it should be)."""


def explain(clips: Sequence[Clip]) -> list[Explanation]:
    """Every explanation that can be tried: the simplest of the nearly best, then the others.

    What needs fitting is left out for a single clip, and a linear map where rows are too few.
    """
    found = []
    for (when, moved), (what, fit) in product(_times(), VALUES.items()):
        aligned = [pair for pair in map(moved, clips) if len(pair[0])]
        error = _error(aligned, what, fit)
        if error is not None:
            found.append(Explanation(when, what, error))
    found.sort(key=lambda item: item.error)
    if not found:
        return []
    limit = max(NEARLY * found[0].error, found[0].error + EXACT)
    near = [item for item in found if item.error <= limit]
    best = min(near, key=lambda item: (item.simplicity, item.error))
    return [best, *(item for item in found if item is not best)]


def kind_of_map(clips: Sequence[Clip]) -> str:
    """Which linear map it is: whose dimensions are uncorrelated, as principal components are."""
    ours, theirs = (np.concatenate([pair[side] for pair in clips]) for side in (0, 1))
    told = [_correlation(rows) for rows in (ours, theirs)]
    if told[1] < UNCORRELATED <= told[0]:
        return "theirs are uncorrelated and ours are not: theirs are principal components"
    if told[0] < UNCORRELATED <= told[1]:
        return "ours are uncorrelated and theirs are not: ours are principal components"
    return "neither side has uncorrelated dimensions alone: another linear map"


def quantised(clips: Sequence[Clip]) -> bool:
    """Whether theirs are whole numbers from 0 to 255, as AudioSet's features were published."""
    rows = np.concatenate([theirs for _, theirs in clips])
    return bool((rows == np.round(rows)).all() and rows.min() >= 0 and 1 < rows.max() <= 255)


def _times() -> Iterator[tuple[str, Callable[[Clip], Clip]]]:
    yield "", lambda pair: _cut(*pair)
    for shift in range(-MOST_SHIFT, MOST_SHIFT + 1):
        if shift:
            side = "ahead of" if shift > 0 else "behind"
            yield f"theirs {abs(shift)} rows {side} ours", partial(_moved, shifted, shift)
    for hop in HOPS:
        yield f"theirs at every {hop:.4g} rows of ours", partial(_moved, _hopped, hop)


def _moved(how: Callable[..., Clip], by: float, pair: Clip) -> Clip:
    return how(*pair, by)


def shifted(ours: np.ndarray, theirs: np.ndarray, by: int) -> Clip:
    """Row t of theirs beside row t + by of ours."""
    return _cut(ours[max(0, by) :], theirs[max(0, -by) :])


def _hopped(ours: np.ndarray, theirs: np.ndarray, hop: float) -> Clip:
    """Row t of theirs beside ours at t * hop, read between rows."""
    places = np.arange(len(theirs)) * hop
    places = places[places <= len(ours) - 1]
    low = np.floor(places).astype(int)
    part = (places - low)[:, None].astype(np.float32)
    high = np.minimum(low + 1, len(ours) - 1)
    return (1 - part) * ours[low] + part * ours[high], theirs[: len(places)]


def _cut(ours: np.ndarray, theirs: np.ndarray) -> Clip:
    n = min(len(ours), len(theirs))
    return ours[:n], theirs[:n]


def _error(clips: Sequence[Clip], what: str, fit: Values) -> float | None:
    """Over the clips that nothing was fitted on; None where the explanation cannot be tried."""
    fitted, tried = (clips[::2], clips[1::2]) if what in FITTED else (clips, clips)
    if not tried or (what == LINEAR and not _enough(fitted)):
        return None
    explained = fit(fitted)
    return relative_error([explained(pair) for pair in tried])


def relative_error(pairs: Sequence[Clip]) -> float:
    """|theirs - explained| / |theirs - mean of theirs| over all rows of all pairs."""
    wanted = np.concatenate([wanted for _, wanted in pairs])
    missed = sum(float(((given - wanted) ** 2).sum(dtype=np.float64)) for given, wanted in pairs)
    spread = float(((wanted - wanted.mean(0)) ** 2).sum(dtype=np.float64))
    return float(np.sqrt(missed / spread)) if spread else float(np.inf if missed else 0.0)


def _enough(clips: Sequence[Clip]) -> bool:
    n_rows, width = sum(len(ours) for ours, _ in clips), clips[0][0].shape[1]
    return n_rows >= ROWS_PER_COLUMN * width


def _unit(rows: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def _standard(rows: np.ndarray) -> np.ndarray:
    spread = rows.std(0)
    centred = rows - rows.mean(0)
    return np.divide(centred, spread, out=np.zeros_like(rows), where=spread > 0)


def _scaled(clips: Sequence[Clip]) -> Callable[[Clip], Clip]:
    ours, theirs = (np.concatenate([pair[side] for pair in clips]) for side in (0, 1))
    spread = float(((ours - ours.mean()) ** 2).sum())
    slope = float(((ours - ours.mean()) * (theirs - theirs.mean())).sum()) / (spread or 1.0)
    shift = float(theirs.mean()) - slope * float(ours.mean())
    return lambda pair: (slope * pair[0] + shift, pair[1])


def _each_scaled(clips: Sequence[Clip]) -> Callable[[Clip], Clip]:
    ours, theirs = (np.concatenate([pair[side] for pair in clips]) for side in (0, 1))
    centred = ours - ours.mean(0)
    spread = (centred**2).sum(0)
    slope = np.divide((centred * (theirs - theirs.mean(0))).sum(0), spread,
                      out=np.zeros_like(spread), where=spread > 0)  # fmt: skip
    shift = theirs.mean(0) - slope * ours.mean(0)
    return lambda pair: (slope * pair[0] + shift, pair[1])


def _linear(clips: Sequence[Clip]) -> Callable[[Clip], Clip]:
    ours, theirs = (np.concatenate([pair[side] for pair in clips]).astype(np.float64)
                    for side in (0, 1))  # fmt: skip
    middle, target = ours.mean(0), theirs.mean(0)
    centred = ours - middle
    square = centred.T @ centred
    square[np.diag_indices_from(square)] += RIDGE * np.trace(square) / len(square) + 1e-12
    weights = np.linalg.solve(square, centred.T @ (theirs - target))
    return lambda pair: (((pair[0] - middle) @ weights + target).astype(np.float32), pair[1])


def _correlation(rows: np.ndarray) -> float:
    """Mean absolute correlation of two different dimensions; constant ones do not count."""
    rows = rows[:, rows.std(0) > 0]
    if rows.shape[1] < 2:
        return 1.0
    found = np.abs(np.corrcoef(rows, rowvar=False))
    n = len(found)
    return float((found.sum() - n) / (n * (n - 1)))


LINEAR = "a linear map of ours"
VALUES: dict[str, Values] = {
    "": lambda clips: lambda pair: pair,
    "rows of length 1": lambda clips: lambda pair: (_unit(pair[0]), pair[1]),
    "ours are theirs at length 1": lambda clips: lambda pair: (_unit(pair[1]), pair[0]),
    "negatives cut off": lambda clips: lambda pair: (np.maximum(pair[0], 0), pair[1]),
    "ours are theirs with negatives cut off": lambda clips: (
        lambda pair: (
            np.maximum(pair[1], 0),
            pair[0],
        )
    ),
    "each clip standardised": lambda clips: lambda pair: (_standard(pair[0]), pair[1]),
    "one scale and offset": _scaled,
    "a scale and offset for each dimension": _each_scaled,
    LINEAR: _linear,
}
"""Changes of values, from simple to what has most to fit."""
ORDER = list(VALUES)
FITTED = {"one scale and offset", "a scale and offset for each dimension", LINEAR}

"""Cut a clip into spans of time, and pool the rows of any stream over them.

Spans are half-open, [start_s, end_s), as a float array (N, 2): in order, disjoint, inside the clip.
The one alignment rule of the house: row i of a stream covers [i / rate_hz, (i + 1) / rate_hz), and
a span takes each row by the time they share. A span that shares no time with any row has no row: it
is masked, never filled in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

How = Literal["mean", "max", "first"]
TINY_S = 1e-6
"""Spans and overlaps shorter than this are rounding errors."""


def cut(duration_s: float, times_s: np.ndarray) -> np.ndarray:
    """The whole clip in spans (N, 2), cut at these times; those outside it do not matter.

    One span, the clip, where there is nothing to cut at. ValueError for a clip without length.
    """
    if not duration_s > TINY_S:
        raise ValueError(f"duration_s is {duration_s}; a clip to be cut must last.")
    times_s = np.unique(np.asarray(times_s, dtype=float))
    apart = np.diff(times_s, prepend=0.0) > TINY_S
    inside = times_s[apart & (times_s > TINY_S) & (times_s < duration_s - TINY_S)]
    edges = np.concatenate([[0.0], inside, [duration_s]])
    return np.stack([edges[:-1], edges[1:]], axis=1)


def seconds(duration_s: float) -> np.ndarray:
    """Uniform seconds; the last one ends with the clip."""
    return cut(duration_s, np.arange(1, int(duration_s) + 1))


def every_nth_second(duration_s: float, n: int = 6) -> np.ndarray:
    """One second of every `n`, the first of each: what AVST and its successors keep of a minute."""
    if n < 1:
        raise ValueError(f"n is {n}; one second of every n needs n of 1 or more.")
    return seconds(duration_s)[::n]


def beats(duration_s: float, rows: np.ndarray, rate_hz: float) -> np.ndarray:
    """From beat to beat, by rows (T, 5) of `music_beats`; one span without a usable beat."""
    return cut(duration_s, event_times(rows[:, 2], rate_hz))


def bars(duration_s: float, rows: np.ndarray, rate_hz: float) -> np.ndarray:
    """From downbeat to downbeat, by rows (T, 5) of `music_beats`."""
    return cut(duration_s, event_times(rows[:, 3], rate_hz))


def onsets(duration_s: float, rows: np.ndarray, rate_hz: float) -> np.ndarray:
    """From onset to onset, by rows (T, 2) of `music_onsets`."""
    return cut(duration_s, event_times(rows[:, 1], rate_hz))


def structure(duration_s: float, rows: np.ndarray, rate_hz: float) -> np.ndarray:
    """From boundary to boundary, by rows (T, 2) of `music_structure`."""
    return cut(duration_s, event_times(rows[:, 1], rate_hz))


UNIFORM: dict[str, Callable[[float], np.ndarray]] = {
    "second": seconds,
    "every 6th second": every_nth_second,
}
BY_MUSIC: dict[str, tuple[str, Callable[[float, np.ndarray, float], np.ndarray]]] = {
    "beat": ("music_beats", beats),
    "bar": ("music_beats", bars),
    "onset": ("music_onsets", onsets),
    "structure": ("music_structure", structure),
}
"""Name -> the stream whose rows it reads, and the segmenter."""


def segment(
    name: str, duration_s: float, rows: np.ndarray | None = None, rate_hz: float = 1.0
) -> np.ndarray:
    """Spans (N, 2) by the name of a segmenter; those in `BY_MUSIC` need their stream's rows."""
    if name in UNIFORM:
        return UNIFORM[name](duration_s)
    if name not in BY_MUSIC:
        names = ", ".join([*UNIFORM, *BY_MUSIC])
        raise ValueError(f"There is no segmenter {name!r}. There are: {names}.")
    stream, cutter = BY_MUSIC[name]
    if rows is None:
        raise ValueError(f"The segmenter {name!r} needs the rows of {stream!r}; pass rows.")
    return cutter(duration_s, rows, rate_hz)


def event_times(marks: np.ndarray, rate_hz: float) -> np.ndarray:
    """Seconds of the marked rows (T,): the middle of each, where its frame is centred."""
    return (np.flatnonzero(np.asarray(marks) > 0.5) + 0.5) / rate_hz


def pool(
    rows: np.ndarray, rate_hz: float, spans: np.ndarray, how: How = "mean"
) -> tuple[np.ndarray, np.ndarray]:
    """One row per span (N, ...) float32, and which spans have one, bool (N,); the others are zeros.

    rows is (T, ...). 'mean' weighs each row by the time it shares with the span; 'max' is the
    largest of the rows that share any, 'first' the earliest of them.
    """
    if how not in get_args(How):
        raise ValueError(f"how is {how!r}; choose one of {get_args(How)}.")
    if not rate_hz > 0:
        raise ValueError(f"rate_hz is {rate_hz}; it must be above 0.")
    spans = _checked(spans)
    rows = np.asarray(rows)
    pooled = np.zeros((len(spans), *rows.shape[1:]), dtype=np.float32)
    mask = np.zeros(len(spans), dtype=bool)
    for index, (start_s, end_s) in enumerate(spans):
        first, shared_s = overlaps(len(rows), rate_hz, start_s, end_s)
        mask[index] = len(shared_s) > 0
        if mask[index]:
            touched = rows[first : first + len(shared_s)].astype(np.float32)
            pooled[index] = _pooled(touched, shared_s, how)
    return pooled, mask


def overlaps(n_rows: int, rate_hz: float, start_s: float, end_s: float) -> tuple[int, np.ndarray]:
    """First row that shares time with the span, and the seconds that it and each next one share."""
    first = max(0, int(np.floor((start_s + TINY_S) * rate_hz)))
    last = min(n_rows, int(np.ceil((end_s - TINY_S) * rate_hz)))
    edges = np.arange(first, max(first, last) + 1) / rate_hz
    return first, np.diff(np.clip(edges, start_s, end_s))


def to_seconds(rows: np.ndarray, rate_hz: float) -> np.ndarray:
    """Rows (T, ...) of any rate pooled to whole seconds (round up of T / rate_hz, ...)."""
    rows = np.asarray(rows)
    if rate_hz == 1.0 or not len(rows):
        return rows
    return pool(rows, rate_hz, seconds(len(rows) / rate_hz))[0]


def repeat(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Rows (T, ...) from the start again until there are `n_rows`; a longer stream is cut.

    The published habit for clips under a minute (n_rows 60). It invents music that is not there:
    masks are the default, and this is for comparison with published results.
    """
    if not len(rows):
        raise ValueError("There is no row to repeat.")
    return rows[np.arange(n_rows) % len(rows)]


def _pooled(touched: np.ndarray, shared_s: np.ndarray, how: How) -> np.ndarray:
    if how == "mean":
        return np.tensordot(shared_s / shared_s.sum(), touched.astype(np.float64), axes=1)
    return touched.max(axis=0) if how == "max" else touched[0]


def _checked(spans: np.ndarray) -> np.ndarray:
    """The spans as floats (N, 2); ValueError for one that ends before it starts."""
    spans = np.asarray(spans, dtype=float).reshape(-1, 2)
    wrong = spans[~(spans[:, 1] > spans[:, 0])]
    if len(wrong):
        raise ValueError(f"A span must end after it starts; {wrong[0].tolist()} does not.")
    return spans

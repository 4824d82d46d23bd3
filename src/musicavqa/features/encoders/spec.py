"""What an encoder says about itself, and how many rows it owes."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass

import numpy as np

from musicavqa.media import Wanted

SLACK_S = 1e-3  # containers round durations to a millisecond; that is no new second


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The card of one encoder: what it writes, what it reads, which weights it needs."""

    name: str
    """The file name, without .py."""
    stream: str
    """Name of the rows in a Batch."""
    shape: tuple[int, ...]
    """Of one row."""
    reads: tuple[Wanted, ...] = ()
    """What it asks of the decoder; a text encoder reads questions and has `embed` instead."""
    rate_hz: float = 1.0
    every_s: int = 1
    """Kept rows at one row a second: row i is second i * every_s; the seconds between are dropped.

    The published AVST family reads every sixth second (10 rows of a minute), so that ten maps are
    stored in place of sixty.
    """
    sees_s: int | None = None
    """Seconds before and after a row, in whole ones, on which it depends; None: the whole clip.

    Long clips are encoded in pieces where it is told; it never changes a row.
    """
    dtype: str = "float16"
    weights: tuple[str, ...] = ()
    """Names in `weights.WEIGHTS`."""
    licence: str = "none needed"
    """Of the weights."""
    version: int = 1
    """Raised whenever the same media would give other numbers."""

    def __post_init__(self) -> None:
        if self.every_s > 1 and self.sees_s:
            raise ValueError(f"{self.name}: rows with {self.every_s} s between see only their own.")

    @property
    def hash8(self) -> str:
        """Eight hex digits that change with the card or the weights; part of a store's folder.

        Official weights count with the files that are really there: WeightError without them.
        """
        from musicavqa.features.encoders.weights import digest

        card = {**asdict(self), "sha256": [digest(name) for name in self.weights]}
        del card["sees_s"]
        return hashlib.sha256(json.dumps(card, sort_keys=True).encode()).hexdigest()[:8]


def n_seconds(duration_s: float) -> int:
    """Rows of a clip at one row per second: its seconds rounded up, at least one."""
    return n_rows(duration_s, 1.0)


def n_rows(duration_s: float, rate_hz: float) -> int:
    """Rows of a clip: row i covers i / rate_hz to (i + 1) / rate_hz; at least one."""
    return max(1, math.ceil((duration_s - SLACK_S) * rate_hz))


def n_kept(spec: Spec, duration_s: float) -> int:
    """Rows of a clip when only every `spec.every_s`-th second is kept."""
    return -(-n_rows(duration_s, spec.rate_hz) // spec.every_s)


def held(rows: np.ndarray, n: int) -> np.ndarray:
    """`n` rows, the last one held where the pictures end before the clip."""
    return rows[np.minimum(np.arange(n), len(rows) - 1)]

"""Players and instruments as regions of the picture: rows of a stream `visual_regions`.

A row is (N, 27) for one second, N regions at most: share (that something is there), the box (left,
top, right, bottom, each 0 to 1 from the upper left corner), and a probability for each instrument
in the order of `questions.INSTRUMENTS`, all zero where it is not told. Empty places are zeros.

Regions come from the truth of a rendered clip, from a reading of a clip, or from a detector's file.
`save_regions` writes one .npy a clip, to be brought into a store like any other features.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from musicavqa.files import parse_json, replacing
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading, Seen

MOST = 8
"""Regions of a second, if nothing else is asked for."""
WIDTH = 5 + len(INSTRUMENTS)
WITHOUT_INSTRUMENT = ("person", "player", "conductor", "singer")


@dataclass(frozen=True)
class Detection:
    """What a detector found in one second."""

    second: int
    box: tuple[float, float, float, float]
    """Left, top, right, bottom, 0 to 1."""
    label: str
    """An instrument, or one of `WITHOUT_INSTRUMENT`."""
    score: float

    def __post_init__(self) -> None:
        left, top, right, bottom = self.box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"A box is left < right, top < bottom within 0 and 1, not {self.box}.")
        if self.second < 0 or not 0 <= self.score <= 1:
            raise ValueError(f"Second {self.second} or score {self.score} cannot be.")
        if self.label not in (*INSTRUMENTS, *WITHOUT_INSTRUMENT):
            known = [*INSTRUMENTS, *WITHOUT_INSTRUMENT]
            near = get_close_matches(self.label, known, n=3) or known
            raise ValueError(f"There is no label {self.label!r}. There are: {', '.join(near)}.")


def from_performers(performers: np.ndarray, n_seconds: int, most: int = MOST) -> np.ndarray:
    """Rows (T, N, 27) of the truth 'performers' (M, 6) of a rendered clip; NaN is nobody.

    instrument, x, y, height, heard, moves; the same in all seconds, as nobody walks there.
    """
    seen = []
    for instrument, x, y, height, *_ in performers[~np.isnan(performers[:, 0])].tolist():
        one = np.zeros(len(INSTRUMENTS))
        one[int(instrument)] = 1.0
        plain = np.zeros(0)
        seen.append(Seen(1.0, one, x, y, height, 0.0, plain, 1.0, 1.0))
    return _standing(seen, n_seconds, most)


def from_reading(reading: Reading, n_seconds: int, most: int = MOST) -> np.ndarray:
    """Rows (T, N, 27) of whom a reading saw."""
    return _standing(reading.seen, n_seconds, most)


def from_detections(
    detections: Sequence[Detection], n_seconds: int, most: int = MOST
) -> np.ndarray:
    """Rows (T, N, 27) of what a detector found; the surest of a second where there are more."""
    rows = np.zeros((n_seconds, most, WIDTH), np.float32)
    for second in range(n_seconds):
        here = sorted((d for d in detections if d.second == second), key=lambda d: -d.score)
        for row, found in zip(rows[second], here, strict=False):
            row[:5] = found.score, *found.box
            if found.label in INSTRUMENTS:
                row[5 + INSTRUMENTS.index(found.label)] = 1.0
    return rows


def read_detections(path: Path) -> dict[str, list[Detection]]:
    """Clip -> detections, of a JSON file {clip: [{second, box, label, score}, ...]}.

    ValueError names the clip and the entry that is wrong.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    held = parse_json(path.read_text(encoding="utf-8"))
    if not isinstance(held, dict) or not all(isinstance(rows, list) for rows in held.values()):
        raise ValueError(f"{path} holds no lists of detections by clip.")
    return {
        str(clip): [_detection(path, clip, place, row) for place, row in enumerate(rows)]
        for clip, rows in held.items()
    }


def save_regions(folder: Path, regions: Mapping[str, np.ndarray]) -> None:
    """One `<clip>.npy` (T, N, 27) in float16 for each clip."""
    folder.mkdir(parents=True, exist_ok=True)
    for clip, rows in regions.items():
        with replacing(folder / f"{clip}.npy") as part, part.open("wb") as file:
            np.save(file, rows.astype(np.float16))


def _standing(seen: Sequence[Seen], n_seconds: int, most: int) -> np.ndarray:
    rows = np.zeros((most, WIDTH), np.float32)
    for row, one in zip(rows, sorted(seen, key=lambda s: -s.share), strict=False):
        row[:5] = one.share, *one.box
        row[5:] = one.instruments
    return np.repeat(rows[None], n_seconds, axis=0)


def _detection(path: Path, clip: str, place: int, row: object) -> Detection:
    try:
        assert isinstance(row, dict)
        box = tuple(float(edge) for edge in row["box"])
        score = float(row["score"])
        if len(box) != 4 or not all(map(math.isfinite, (*box, score))):
            raise ValueError(f"box {row['box']}, score {row['score']}")
        return Detection(int(row["second"]), box, str(row["label"]), score)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        told = f"lacks {error}" if isinstance(error, KeyError) else str(error) or "is no object"
        said = json.dumps(row)[:80]
        raise ValueError(f"{path}: detection {place} of clip {clip} ({said}): {told}") from None

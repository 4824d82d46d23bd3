"""Rows that others published against ours: how near they are, and what explains the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from musicavqa.features.exchange import explanations
from musicavqa.features.exchange.explanations import MOST_SHIFT, Explanation
from musicavqa.features.exchange.importing import opened
from musicavqa.features.store import FeatureError, Store
from musicavqa.files import file_name

MOST_VALUES = 4_000_000
"""Numbers of each side on which explanations are tried; clips are drawn evenly up to that."""
SAME = 2e-3
"""Relative error below which two rows are the same but for half precision."""

Reader = Callable[[], np.ndarray]


@dataclass(frozen=True)
class ClipParity:
    """One clip: rows that stand at the same place on both sides."""

    clip: str
    n_ours: int
    n_theirs: int
    cosine: float
    """Mean over rows of the cosine between ours and theirs."""
    error: float
    """|theirs - ours| / |theirs|."""
    shift: int
    """Rows by which ours must be moved for the best fit: theirs at t is ours at t + shift."""


@dataclass(frozen=True)
class Parity:
    """All clips that both sides have, and the explanations that were tried."""

    stream: str
    clips: list[ClipParity]
    missing: list[str]
    """Clips of ours that the original has not."""
    n_others: int
    """Clips of the original that we have not."""
    refused: dict[str, str]
    """Clip -> why its original could not be read."""
    explanations: list[Explanation]
    """The chosen one first, then from best to worst."""
    n_explained: int
    """Clips on which they were tried."""
    remarks: list[str]

    @property
    def same(self) -> int:
        """Clips whose rows are ours but for half precision."""
        return sum(clip.error < SAME for clip in self.clips)

    def spread(self, name: str) -> dict[str, float]:
        """Mean, median and the worst of 'cosine' or 'error' over clips."""
        values = np.array([getattr(clip, name) for clip in self.clips])
        worst = values.min() if name == "cosine" else values.max()
        return {"mean": float(values.mean()), "median": float(np.median(values)),
                "worst": float(worst)}  # fmt: skip

    def shifts(self) -> dict[int, int]:
        """Best shift in rows -> how many clips have it, most frequent first."""
        values, counts = np.unique([clip.shift for clip in self.clips], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return {int(values[place]): int(counts[place]) for place in order}

    def verdict(self) -> str:
        """One sentence: what explains the difference, and how well."""
        if not self.explanations:
            return "No explanation could be tried: a second clip is needed."
        best = self.explanations[0]
        if best.error < explanations.FITS:
            return f"Explained: {best} (error {best.error:.4f} on clips it was not fitted on)."
        if best.error < explanations.FITS_ROUGHLY:
            return f"Roughly explained: {best} (error {best.error:.4f}); more differs than that."
        return f"Not explained: the nearest is {best} (error {best.error:.4f}, 1 is the mean row)."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "stream": self.stream,
            "n_clips": len(self.clips),
            "same": self.same,
            "cosine": self.spread("cosine"),
            "error": self.spread("error"),
            "shifts": self.shifts(),
            "missing": self.missing,
            "n_others": self.n_others,
            "refused": self.refused,
            "verdict": self.verdict(),
            "explanations": [{"text": str(e), **asdict(e)} for e in self.explanations],
            "n_explained": self.n_explained,
            "remarks": self.remarks,
            "clips": [asdict(clip) for clip in self.clips],
        }


def compare_features(store: Path | str, original: Path) -> Parity:
    """Compare the store of one stream with a folder of <clip>.npy, an .h5 file, or another store.

    Rows stand at the same place where ours keep every n-th second and the original has them all.
    Raises FeatureError where no clip is on both sides or rows have another shape.
    """
    ours = Store.open(store)
    with _original(Path(original)) as found:
        known = {file_name(clip): clip for clip in ours.ids()}
        theirs = {known.get(name, name): reader for name, reader in found.items()}
        both = [clip for clip in ours.ids() if clip in theirs]
        if not both:
            first = [min(names, default="none") for names in (theirs, ours.ids())]
            raise FeatureError(
                f"None of the {len(theirs)} arrays in {original} is of a clip of {store} (first "
                f"there: {first[0]!r}, here: {first[1]!r})."
            )
        clips, refused = [], {}
        for clip in both:
            try:
                clips.append(_clip(clip, *_pair(ours, clip, theirs[clip])))
            except FeatureError as error:
                refused[clip] = str(error)
        if not clips:
            clip, reason = next(iter(refused.items()))
            raise FeatureError(f"No clip can be compared; {clip}: {reason}.")
        good = [clip.clip for clip in clips]
        sample = _sample(ours, good)
        pairs = [_pair(ours, clip, theirs[clip]) for clip in sample]
    tried = explanations.explain(pairs)
    return Parity(
        stream=ours.description.encoder,
        clips=clips,
        missing=[clip for clip in ours.ids() if clip not in theirs],
        n_others=len(theirs.keys() - set(ours.ids())),
        refused=refused,
        explanations=tried,
        n_explained=len(sample),
        remarks=list(_remarks(clips, pairs, tried)),
    )


@contextmanager
def _original(place: Path) -> Iterator[Mapping[str, Reader]]:
    """By clip id, how to read its array."""
    if (place / "manifest.json").is_file():
        store = Store.open(place)
        yield {clip: partial(store.__getitem__, clip) for clip in store.ids()}
    else:
        with opened(place) as found:
            yield found


def _pair(ours: Store, clip: str, read: Reader) -> explanations.Clip:
    """Both sides of a clip as (rows, width) float32, of the same seconds."""
    rows, shape = ours[clip], ours.description.shape
    try:
        theirs = np.asarray(read()[:])
    except Exception as error:  # a damaged file is anything, from EOFError to SyntaxError
        raise FeatureError(f"it cannot be read ({type(error).__name__}: {error})") from error
    if not theirs.shape or theirs.shape[1:] != shape:
        raise FeatureError(f"its rows are {theirs.shape[1:]}, ours {shape}")
    every = ours.description.every_s
    if every > 1 and len(theirs) > len(rows) + 1:
        theirs = theirs[::every]
    if not len(theirs) or not np.isfinite(theirs).all():
        raise FeatureError("it has no rows" if not len(theirs) else "it is not finite everywhere")
    return _flat(rows), _flat(theirs)


def _flat(rows: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(rows.reshape(len(rows), -1), dtype=np.float32)


def _clip(name: str, ours: np.ndarray, theirs: np.ndarray) -> ClipParity:
    n = min(len(ours), len(theirs))
    length = float(np.linalg.norm(theirs[:n]))
    missed = float(np.linalg.norm(theirs[:n] - ours[:n]))
    return ClipParity(
        clip=name,
        n_ours=len(ours),
        n_theirs=len(theirs),
        cosine=_cosine(ours[:n], theirs[:n]),
        error=missed / length if length else float(missed > 0),
        shift=_best_shift(ours, theirs),
    )


def _cosine(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Mean over rows; a row of zeros is like another such row, and like nothing else."""
    lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    both_zero = ~ours.any(1) & ~theirs.any(1)
    products = (ours * theirs).sum(1)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
    return float(np.where(both_zero, 1.0, cosines).mean())


def _best_shift(ours: np.ndarray, theirs: np.ndarray) -> int:
    """By the cosine of rows without the clip's mean row, so that what stays the same tells nothing.

    0 where no other shift is better.
    """
    ours, theirs = ours - ours.mean(0), theirs - theirs.mean(0)
    scores = {0: _cosine(*explanations.shifted(ours, theirs, 0))}
    for shift in range(-MOST_SHIFT, MOST_SHIFT + 1):
        pair = explanations.shifted(ours, theirs, shift)
        if shift and len(pair[0]) > MOST_SHIFT:
            scores[shift] = _cosine(*pair)
    best = max(scores, key=lambda shift: scores[shift])
    return best if scores[best] > scores[0] + 1e-6 else 0


def _sample(ours: Store, clips: list[str]) -> list[str]:
    """So many clips, evenly drawn, as the numbers of both sides allow."""
    width = int(np.prod(ours.description.shape))
    n_values = np.cumsum([ours.n_rows(clip) * width for clip in clips])
    if n_values[-1] <= MOST_VALUES:
        return clips
    n_most = max(2, int(len(clips) * MOST_VALUES / n_values[-1]))
    return [clips[place] for place in np.linspace(0, len(clips) - 1, n_most).astype(int)]


def _remarks(
    clips: list[ClipParity], pairs: list[explanations.Clip], tried: list[Explanation]
) -> Iterator[str]:
    other = sum(clip.n_ours != clip.n_theirs for clip in clips)
    if other:
        yield f"{other} of {len(clips)} clips have another number of rows; what both have counts."
    if tried and tried[0].values == explanations.LINEAR:
        yield f"{explanations.kind_of_map(pairs)}."
    if explanations.quantised(pairs):
        yield "theirs are whole numbers from 0 to 255: quantised, as AudioSet's were published."
    if len(pairs) < len(clips):
        yield f"explanations were tried on {len(pairs)} of {len(clips)} clips, evenly drawn."
    if not any(item.values == explanations.LINEAR for item in tried):
        yield "a linear map (principal components) was not tried: too few rows for its width."

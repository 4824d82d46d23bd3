"""Performers of a clip: the peaks of its key frames, brought together from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.methods.layers.performer_map import COLUMNS, ROWS, Sight
from musicavqa.questions import INSTRUMENTS

FAINT = 0.05
"""Peaks below this share are left out."""
SAME_X, SAME_Y = 0.045, 0.25
"""Peaks nearer than this, in shares of the picture, are one performer."""
MOST = 16
"""Peaks kept of one frame, and performers of one clip."""


@dataclass(frozen=True)
class Peak:
    """One performer in one key frame."""

    share: float
    x: float
    y: float
    height: float
    names: np.ndarray
    """(22,) log-probabilities of his instrument."""
    cell: tuple[int, int, int]
    """Frame, row and column of the heat-map that it was read from."""


@dataclass(frozen=True)
class Performer:
    """The peaks of one place over all key frames of a clip."""

    peaks: tuple[Peak, ...]
    n_frames: int
    """Of the clip, also those without a peak here."""

    def mean(self, field: Literal["x", "y", "height"]) -> float:
        """Mean over the peaks, surer ones counting more."""
        shares = [peak.share for peak in self.peaks]
        return float(np.average([getattr(peak, field) for peak in self.peaks], weights=shares))


@torch.no_grad()
def peaks(sight: Sight) -> list[list[Peak]]:
    """Peaks of each frame, the surest first: cells above their neighbours, none twice."""
    share = torch.sigmoid(sight.performer)
    highest = F.max_pool2d(share[:, None], (5, 3), 1, (2, 1))[:, 0]
    names = sight.instrument.log_softmax(1)
    found: list[list[Peak]] = [[] for _ in share]
    for frame, row, column in torch.nonzero((share == highest) & (share > FAINT)).tolist():
        right, down, height = sight.place[frame, :, row, column].tolist()
        x, y = (column + 0.5 + right) / COLUMNS, (row + 0.5 + down) / ROWS
        x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)  # his middle may be out of the picture
        said = names[frame, :, row, column].numpy().copy()  # lets go of all other cells
        cell = frame, row, column
        found[frame].append(Peak(float(share[cell]), x, y, height, said, cell))
    return [_different(frame) for frame in found]


def _different(found: Sequence[Peak]) -> list[Peak]:
    kept: list[Peak] = []
    for peak in sorted(found, key=lambda p: -p.share):
        if not any(_same(peak, other) for other in kept):
            kept.append(peak)
    return kept[:MOST]


def _same(one: Peak, other: Peak) -> bool:
    return abs(one.x - other.x) < SAME_X and abs(one.y - other.y) < SAME_Y


def gather(frames: Sequence[Sequence[Peak]]) -> list[Performer]:
    """Performers from left to right; a peak joins the nearest one, at most one in each frame."""
    groups: list[list[tuple[int, Peak]]] = []
    ranked = sorted(((p.share, i, p) for i, f in enumerate(frames) for p in f), key=lambda r: -r[0])
    for _, frame, peak in ranked:
        near = [g for g in groups if _same(peak, g[0][1])]
        if not near:
            groups.append([(frame, peak)])
        elif all(index != frame for index, _ in near[0]):
            near[0].append((frame, peak))
    found = [Performer(tuple(peak for _, peak in group), len(frames)) for group in groups]
    found.sort(key=lambda p: -sum(peak.share for peak in p.peaks))
    return sorted(found[:MOST], key=lambda p: p.mean("x"))


def evidence(found: Sequence[Performer], sight: Sight | None = None) -> tuple[Tensor, Tensor]:
    """What speaks for each of P performers, and for each instrument of his: (P, 3), (P, 22).

    The first: log-odds of his mean share over all frames and of his highest, and in how many frames
    he is found. The second: log-probabilities summed over frames, each weighted by its share. With
    `sight`, from which the peaks were read, gradients reach it.
    """
    shares, names = [], []
    for performer in found:
        if sight is None:
            share = torch.tensor([peak.share for peak in performer.peaks])
            named = torch.from_numpy(np.stack([peak.names for peak in performer.peaks]))
        else:
            frame, row, column = zip(*(peak.cell for peak in performer.peaks), strict=True)
            share = torch.sigmoid(sight.performer[frame, row, column])
            named = sight.instrument[frame, :, row, column].log_softmax(1)
        mean, often = share.sum() / performer.n_frames, len(share) / performer.n_frames
        odds = torch.stack([mean, share.max()]).clamp(1e-4, 1 - 1e-4).logit()
        shares.append(torch.cat([odds, odds.new_tensor([often])]))
        names.append((share.detach()[:, None] * named).sum(0))
    if not found:
        return torch.zeros(0, 3), torch.zeros(0, len(INSTRUMENTS))
    return torch.stack(shares), torch.stack(names)

"""The eye: where performers stand in a key frame, and which instrument each has.

A heat-map of performers' middles (Zhou et al. 2019, Objects as Points) on a grid of 22 x 28 cells,
and for each cell, as if a performer stood there, his instrument, the way to his middle and his
height. The features are three stages of a frozen network (`visual_keyframes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.questions import INSTRUMENTS

N = len(INSTRUMENTS)
STAGES = (320, 112, 40)
"""Channels of the stages, coarsest first; each later one has twice the cells along each side."""
FOLDED = (320, 4 * 112, 16 * 40)
"""Channels of a row that hold each of them."""
ROWS, COLUMNS = 22, 28
POSITIVE_COLUMNS, POSITIVE_ROWS = 1.6, 2.4
"""Cells so near to a middle learn its instrument and place."""


@dataclass(frozen=True)
class Sight:
    """What the eye says of K key frames, each a grid of 22 x 28 cells."""

    performer: Tensor
    """(K, 22, 28) logits of a performer's middle."""
    instrument: Tensor
    """(K, 22, 22, 28) logits of the instrument, on axis 1."""
    place: Tensor
    """(K, 3, 22, 28): way to the middle in cells (right, down), and height as a share of 336 / 352."""
    outdoor: Tensor
    """(K,) logits of a place outdoors."""


class PerformerMap(nn.Module):
    """Rows of `visual_keyframes` (K, 1438, 11, 14) -> Sight; the photo map is not looked at."""

    def __init__(self, width: int = 128, blocks: int = 3, dropout: float = 0.1) -> None:
        super().__init__()
        coarse, middle, fine = STAGES
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in STAGES)
        self.coarse = nn.Conv2d(coarse, width, 1)
        self.middle = nn.Conv2d(middle, width, 1)
        self.fine = nn.Conv2d(fine, width, 3, stride=2, padding=1)
        self.height = nn.Parameter(torch.zeros(1, width, ROWS, 1))
        self.dropout = nn.Dropout2d(dropout)
        self.norm = nn.BatchNorm2d(width)
        self.body = nn.Sequential(*(Residual(width) for _ in range(blocks)))
        self.out = nn.Conv2d(width, 1 + N + 3, 1)
        self.outdoor = nn.Linear(coarse, 1)
        nn.init.constant_(self.out.bias[:1], -3.0)

    def forward(self, rows: Tensor) -> Sight:
        stages = [norm(s) for norm, s in zip(self.norms, unfolded(rows), strict=True)]
        coarse, middle, fine = (self.dropout(stage) for stage in stages)
        joined = F.interpolate(self.coarse(coarse), scale_factor=2.0, mode="nearest")
        joined = joined + self.middle(middle) + self.fine(fine) + self.height
        said = self.out(self.body(F.relu(self.norm(joined)))).float()
        outdoor = self.outdoor(stages[0].mean((2, 3))).float()[:, 0]
        return Sight(said[:, 0], said[:, 1 : 1 + N], said[:, 1 + N :], outdoor)


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norms[0](self.first(x)))
        return F.relu(x + self.norms[1](self.second(y)))


def unfolded(rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Stages (K, 320, 11, 14), (K, 112, 22, 28), (K, 40, 44, 56) of rows (K, 1438, 11, 14)."""
    sizes = [n * 4**i for i, n in enumerate(STAGES)]
    coarse, middle, fine = rows[:, : sum(sizes)].split(sizes, 1)
    return coarse, F.pixel_shuffle(middle, 2), F.pixel_shuffle(fine, 4)


def targets(frames: list[list[tuple[int, float, float, float]]]) -> dict[str, Tensor]:
    """What is learned from performers (instrument, x, y, height) of each frame; x, y in 0..1.

    heat (K, 22, 28) is 1 at each middle and falls off around it; instrument (K, 22, 28) is -1 away
    from all; place (K, 3, 22, 28).
    """
    heat = torch.zeros(len(frames), ROWS, COLUMNS)
    instrument = torch.full((len(frames), ROWS, COLUMNS), -1)
    place = torch.zeros(len(frames), 3, ROWS, COLUMNS)
    down, right = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    for frame, performers in enumerate(frames):
        nearest = torch.full((ROWS, COLUMNS), torch.inf)
        for name, x, y, height in performers:
            dx, dy = x * COLUMNS - 0.5 - right, y * ROWS - 0.5 - down
            bell = torch.exp(-(dx**2) / (2 * 0.8**2) - dy**2 / (2 * 1.2**2))
            bell[(dx.abs() <= 0.5) & (dy.abs() <= 0.5)] = 1.0
            heat[frame] = torch.maximum(heat[frame], bell)
            distance = (dx / POSITIVE_COLUMNS) ** 2 + (dy / POSITIVE_ROWS) ** 2
            near = (distance < 1) & (distance < nearest)
            nearest[near] = distance[near]
            instrument[frame][near] = name
            place[frame][:, near] = torch.stack([dx, dy, torch.full_like(dx, height)])[:, near]
    return {"heat": heat, "instrument": instrument, "place": place}


def losses(sight: Sight, wanted: dict[str, Tensor], outdoor: Tensor) -> dict[str, Tensor]:
    """Focal loss of the heat-map, cross-entropy of names, distance of places, per middle."""
    share = torch.sigmoid(sight.performer).clamp(1e-4, 1 - 1e-4)
    heat, instrument = wanted["heat"], wanted["instrument"]
    middle, near = heat == 1, instrument >= 0
    found = torch.log(share) * (1 - share) ** 2 * middle
    empty = torch.log(1 - share) * share**2 * (1 - heat) ** 4 * ~middle
    away = F.smooth_l1_loss(sight.place, wanted["place"], reduction="none") * near[:, None]
    named = F.cross_entropy(sight.instrument, instrument, ignore_index=-1, reduction="sum")
    n_near = near.sum().clamp(min=1)
    return {
        "performers": -(found + empty).sum() / middle.sum().clamp(min=1),
        "names": named / n_near,
        "places": away.sum() / n_near,
        "outdoor": 0.3 * F.binary_cross_entropy_with_logits(sight.outdoor, outdoor),
    }

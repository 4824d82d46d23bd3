"""Fit: of several performers with one instrument, whose movements go with its sound.

For each performer the movement around him, the sound of his instrument and, where there is stereo,
how far it comes from his place; then what the others with the same instrument do meanwhile. Nobody
is compared with a fixed tempo or phase: what goes together is learned from rendered performances.
Who sounds at all is the mean of two judgements, of all that this network saw and of rhythm alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.methods.layers.rhythm import NAMES, InTime, standardised
from musicavqa.questions import INSTRUMENTS

N = len(INSTRUMENTS)
TICKS = 10
ZONES, ROWS, COLUMNS = 4, 3, 7
"""Heights of a performer that are looked at, and the points of each."""
POINTS = ZONES * ROWS * COLUMNS
MOVEMENTS = 4 * ZONES
"""Numbers that describe his movement at a tick; see `zones_of`."""
WINDOW = 0.11
"""Width of what is looked at around a performer, as a share of the picture: no more, lest it show
the neighbours."""
ABOVE, BELOW = 0.55, 0.45
"""What is looked at above and below his middle, in his own heights."""
EDGE_PAN = 0.8
"""Panning of a performer at the edge of the picture."""
LAGS = (-1, 0, 1, 2)
"""Ticks by which a movement may come after a sound that it belongs to."""
SOUNDS = 6
"""Numbers that describe the sound of an instrument at a tick; see `sound_of`."""


@dataclass(frozen=True)
class Fit:
    """What is said of P performers of one clip, as logits."""

    plays: Tensor
    """(P, K) that he sounds at this tick, given that his instrument does."""
    sounds: Tensor
    """(P,) that he sounds at all, given that his instrument does."""
    moves: Tensor
    """(P,) that he moves as players do."""


class Fitting(nn.Module):
    """Movement and sound of the performers of one clip -> Fit."""

    def __init__(self, width: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.read = nn.Sequential(
            nn.Conv1d(MOVEMENTS + SOUNDS, width, 5, padding=2),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.GELU(),
        )
        self.join = nn.Sequential(
            nn.Conv1d(2 * width + 1, width, 5, padding=2),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, padding=4, dilation=2),
            nn.GELU(),
        )
        self.plays = nn.Conv1d(width, 1, 1)
        self.in_time = InTime(POINTS, N, 2 * dropout)
        self.names = nn.Linear(N, NAMES, bias=False)
        together = 2 * 2 * len(LAGS) * MOVEMENTS // 2
        self.whole = nn.Sequential(
            nn.Linear(3 * width + together + NAMES, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, 2),
        )

    def forward(self, points: Tensor, sound: Tensor, shares: Tensor) -> Fit:
        """points (P, K, 84) of movement, sound (P, K, 6), shares (P, 22) of instruments."""
        equal, movement = shares @ shares.T, zones_of(points)
        own = self.read(torch.cat([movement, sound], 2).transpose(1, 2))  # (P, D, K)
        others = equal * (1 - torch.eye(len(equal), device=equal.device))
        n_others = others.sum(1, keepdim=True)
        mean = torch.einsum("pq,qdk->pdk", others / n_others.clamp(min=1e-3), own)
        alone = n_others.clamp(max=1)[..., None].expand(-1, 1, own.shape[2])
        joined = self.join(torch.cat([own, mean, alone], 1))
        plays = self.plays(joined)
        active = sound[..., :1].transpose(1, 2) * torch.sigmoid(plays)
        heard = (joined * active).sum(2) / active.sum(2).clamp(min=1e-3)
        go = together(movement, sound)
        others_go = others @ go / n_others.clamp(min=1e-3)
        facts = [heard, joined.mean(2), joined.amax(2), go, others_go, self.names(shares)]
        whole = self.whole(torch.cat(facts, 1))
        in_time = self.in_time(points, sound, shares, others)
        return Fit(plays[:, 0], (whole[:, 0] + in_time) / 2, whole[:, 1])


def together(movement: Tensor, sound: Tensor) -> Tensor:
    """(P, 64) correlations over time of movement with the sound of the same instrument.

    Of each kind of movement with onsets and with activity, at every lag.
    """
    moved = standardised(movement[..., : MOVEMENTS // 2], 1)  # (P, K, 8)
    heard = standardised(sound[..., [1, 0]], 1)  # (P, K, 2)
    found = []
    for lag in LAGS:
        first, last = max(0, -lag), min(heard.shape[1], heard.shape[1] - lag)
        if last <= first:
            found.append(moved.new_zeros(len(moved), MOVEMENTS // 2, 2))
            continue
        later = moved[:, first + lag : last + lag]
        found.append(torch.einsum("pkm,pks->pms", later, heard[:, first:last]) / (last - first))
    return torch.stack(found, 1).flatten(1)


def points_around(movement: Tensor, x: Tensor, y: Tensor, height: Tensor) -> Tensor:
    """(P, K, 84) from movement (K, 24, 32) around P performers; x, y, height (P,) in 0..1.

    Twelve rows from head to feet of seven points; as logarithms, so that a large gesture close to
    the camera does not drown the others.
    """
    down = torch.linspace(-ABOVE, BELOW, ZONES * ROWS, device=x.device)
    right = torch.linspace(-WINDOW / 2, WINDOW / 2, COLUMNS, device=x.device)
    across = (x[:, None, None] + right).expand(-1, ZONES * ROWS, -1)
    along = (y[:, None] + height[:, None] * down)[..., None].expand(-1, -1, COLUMNS)
    places = torch.stack([across, along], -1) * 2 - 1  # (P, 12, 7, 2)
    maps = movement.clamp(min=0).log1p()[None].expand(len(x), -1, -1, -1)
    return F.grid_sample(maps, places, align_corners=False).flatten(2)


def zones_of(points: Tensor) -> Tensor:
    """(P, K, 16) of `points_around` the largest and the mean of four zones from head to feet, and
    the same as shares of the largest that this performer ever makes."""
    zones = points.unflatten(2, (ZONES, ROWS * COLUMNS))  # (P, K, 4, 21)
    found = torch.cat([zones.amax(3), zones.mean(3)], 2)  # (P, K, 8)
    return torch.cat([found, found / found.amax((1, 2), keepdim=True).clamp(min=0.1)], 2)


def sound_of(shares: Tensor, x: Tensor, activity: Tensor, onsets: Tensor, pan: Tensor) -> Tensor:
    """(P, K, 6) the sound of each performer's instrument, from all instruments (K, 22).

    Activity, onsets, panning against his place in the picture (signed and squared), how much there
    is of stereo, and the activity of all instruments. shares (P, 22) which one is his.
    """
    sure = shares @ activity.T  # (P, K)
    panned = (shares @ (activity * pan).T) / sure.clamp(min=1e-3)
    away = (panned - EDGE_PAN * (2 * x - 1)[:, None]) * (sure > 0.05)
    wide = (activity * pan.abs()).sum() / activity.sum().clamp(min=1e-3)
    wide = wide.expand_as(sure)
    rate = shares @ (activity * onsets).T
    return torch.stack(
        [sure, rate, away * wide, away**2 * wide, wide, activity.sum(1).expand_as(sure)], 2
    )


def losses(
    fit: Fit, heard: Tensor, active: Tensor, plays: Tensor, moves: Tensor
) -> dict[str, Tensor]:
    """heard, moves (P,) of each performer; active, plays (P, K): his instrument sounds, he does."""
    ticks = F.binary_cross_entropy_with_logits(fit.plays, plays, reduction="none") * active
    asked = active.amax(1)
    at_all = F.binary_cross_entropy_with_logits(fit.sounds, heard, reduction="none") * asked
    return {
        "plays": ticks.sum() / active.sum().clamp(min=1),
        "sounds": at_all.sum() / asked.sum().clamp(min=1),
        "moves": 0.3 * F.binary_cross_entropy_with_logits(fit.moves, moves),
    }

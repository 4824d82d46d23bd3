"""Rhythm: how far the movements of performers keep time with the sound of their instruments.

A hand is a few pixels of a performer, and which ones depends on the instrument. So each of some
heads learns where to look at whom, and which moments of a sound a movement there goes with: notes
that begin, a little earlier or later, or all that sounds. What counts is their correlation over
time, which no tempo, size of picture or loudness changes. A few such numbers are all that is judged
by: from some hundred scenes more cannot be learned but by heart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEADS = 8
HIDDEN = 32
FACTS = 7
"""Numbers beside rhythms and name; see `InTime.forward`."""
NAMES = 6
"""Numbers that stand for an instrument: a bow moves otherwise than a stick."""
TAPS = 7
"""Ticks around a movement whose sound it may go with."""
SMOOTH = 5
LEAST = 0.02
"""Deviation below which a curve counts as steady."""


class Rhythm(nn.Module):
    """Points of movement, sound and instrument of P performers -> correlations (P, 8)."""

    def __init__(self, n_points: int, n_names: int) -> None:
        super().__init__()
        self.where = nn.Parameter(0.5 * torch.randn(HEADS, n_points))
        self.where_by_name = nn.Parameter(torch.zeros(n_names, HEADS, n_points))
        self.smooth = nn.Conv1d(HEADS, HEADS, SMOOTH, padding=SMOOTH // 2, groups=HEADS)
        self.when = nn.Parameter(0.05 * torch.randn(HEADS, 2, TAPS) + _lags())
        self.when_by_name = nn.Parameter(torch.zeros(n_names, HEADS, 2, TAPS))
        with torch.no_grad():  # at first each tick against those around it
            self.smooth.weight.fill_(-0.15)
            self.smooth.weight[..., SMOOTH // 2] += 1

    def forward(self, points: Tensor, sound: Tensor, shares: Tensor) -> Tensor:
        """points (P, K, n), sound (P, K, 2) onsets and activity, shares (P, 22) of instruments."""
        moved = moved_where(points, shares, self.where, self.where_by_name)
        moved = self.smooth(beside_the_most(moved))
        when = self.when + torch.einsum("pn,nhct->phct", shares, self.when_by_name)
        around = F.pad(sound.transpose(1, 2), (TAPS // 2, TAPS // 2)).unfold(2, TAPS, 1)
        awaited = torch.einsum("pckt,phct->phk", around, when)
        return (standardised(moved, 2) * standardised(awaited, 2)).mean(2)


def moved_where(points: Tensor, shares: Tensor, where: Tensor, by_name: Tensor) -> Tensor:
    """(P, H, K) movement where each of H heads looks: where (H, n) for all, by_name (22, H, n)."""
    looked = where + torch.einsum("pn,nhs->phs", shares, by_name)
    return torch.einsum("pks,phs->phk", points, looked.softmax(2))


def beside_the_most(moved: Tensor) -> Tensor:
    """Curves (P, H, K) as shares of the largest that each comes to."""
    return moved / moved.amax(2, keepdim=True).clamp(min=0.1)


class InTime(nn.Module):
    """That each of P performers sounds at all (P,), as logits, by rhythm, place and name alone."""

    def __init__(self, n_points: int, n_names: int, dropout: float) -> None:
        super().__init__()
        self.rhythm = Rhythm(n_points, n_names)
        self.names = nn.Linear(n_names, NAMES, bias=False)
        self.sounds = nn.Sequential(
            nn.Linear(4 * HEADS + FACTS + NAMES, HIDDEN),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(HIDDEN, 1),
        )

    def forward(self, points: Tensor, sound: Tensor, shares: Tensor, others: Tensor) -> Tensor:
        """As `fitting.Fitting`; others (P, P) how surely each has the instrument of another.

        Each beside the mean of the others and the one of them that keeps time best; how much he
        moves, how much there is to keep time with, and where the sound comes from.
        """
        n_others = others.sum(1, keepdim=True)
        share = others / n_others.clamp(min=1e-3)
        rhythm = self.rhythm(points, sound[..., [1, 0]], shares)  # (P, H)
        rivals = torch.where(others[..., None] > 0.5, rhythm, -1.0).amax(1) * (n_others > 0.5)
        n_onsets = sound[..., 1].sum(1, keepdim=True).log1p() / 3
        level = points.amax(2).mean(1, keepdim=True)
        active = sound[..., :1]
        panned = (sound[..., 2:5] * active).sum(1) / active.sum(1).clamp(min=1e-3)
        facts = [level, share @ level, n_others.clamp(max=1), n_onsets, panned]
        rhythms = [rhythm, share @ rhythm, rivals, rhythm * n_onsets]
        return self.sounds(torch.cat([*rhythms, *facts, self.names(shares)], 1))[:, 0]


def _lags() -> Tensor:
    """(8, 2, 7): six heads wait for onsets at four lags, two for activity."""
    found = torch.zeros(HEADS, 2, TAPS)
    for head in range(HEADS):
        of_activity = head >= HEADS - 2
        lag = 0 if of_activity else head % 4 - 1
        found[head, int(of_activity), TAPS // 2 + lag] = 1
    return found


def standardised(curves: Tensor, time: int) -> Tensor:
    """Curves with mean 0 and deviation 1 over their axis `time`."""
    centred = curves - curves.mean(time, keepdim=True)
    # clamped before the root, whose slope at nothing is infinite
    return centred / centred.square().mean(time, keepdim=True).clamp(min=LEAST**2).sqrt()

"""Gestures: when somebody plays, by his movement, and whether what sounds goes with it.

A hand, a bow or a stick moves while its player plays, so movement alone tells most of *when*: more
than an ear that does not know the sound of his instrument. Three judgements are made of it. What he
does with his hands (`Gestures`); when he sounds, if he sounds at all, by movement and ear together
(`Times`); and whether the sound as a whole, of whatever instruments it may be, goes with his
movement (`InStep`), which tells players from those who only pretend to play.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.methods.layers.fitting import MOVEMENTS, N, zones_of
from musicavqa.methods.layers.listening import FRAMES_PER_TICK
from musicavqa.methods.layers.rhythm import beside_the_most, moved_where, standardised

HEADS = 12
NAMES = 16
"""Numbers that stand for an instrument."""
REACHES = (1, 2, 4, 1, 2, 4)
"""Ticks between the five that each layer over time reads."""
BANDS, COARSE = 16, 8
"""Of the whole sound, for `InStep` and for `Times`."""
LAGS = (-1, 0, 1)
"""Ticks by which an onset may come before the movement that belongs to it."""
RIDGE = 0.05
FACTS = 8 * (1 + len(LAGS)) + 5
MOST_IN_STEP = 4.0
"""Logit that this judgement comes to at most."""


class Gestures(nn.Module):
    """Movement around P performers, and their instruments -> (P, 2, K).

    Logits that each plays, or pretends to, at each tick; and the logarithm of the number of onsets.
    """

    def __init__(self, n_points: int, width: int, dropout: float) -> None:
        super().__init__()
        self.where = nn.Parameter(0.5 * torch.randn(HEADS, n_points))
        self.where_by_name = nn.Parameter(torch.zeros(N, HEADS, n_points))
        self.names = nn.Linear(N, NAMES, bias=False)
        self.read = nn.Conv1d(2 * HEADS + MOVEMENTS + NAMES, width, 5, padding=2)
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for _ in REACHES)
        self.time = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * apart, dilation=apart) for apart in REACHES
        )
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Conv1d(width, 2, 1)

    def forward(self, points: Tensor, shares: Tensor) -> Tensor:
        """points (P, K, 84) as `fitting.points_around`, shares (P, 22) of instruments."""
        moved = moved_where(points, shares, self.where, self.where_by_name)
        names = self.names(shares)[..., None].expand(-1, -1, points.shape[1])
        zones = zones_of(points).transpose(1, 2)
        seen = torch.cat([moved, beside_the_most(moved), zones, names], 1)
        x = F.gelu(self.read(self.dropout(seen)))
        for norm, layer in zip(self.norms, self.time, strict=True):
            x = x + self.dropout(F.gelu(layer(norm(x))))
        plays, onsets = self.out(x).unbind(1)
        return torch.stack([plays, onsets.clamp(-6, 2)], 1)


class Times(nn.Module):
    """When each of P performers sounds, if he sounds at all: logits (P, K)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.read = nn.Conv1d(6 + COARSE, width, 5, padding=2)
        self.time = nn.ModuleList(
            nn.Conv1d(width, width, 5, padding=2 * apart, dilation=apart) for apart in (2, 4)
        )
        self.out = nn.Conv1d(width, 1, 1)
        nn.init.zeros_(self.out.weight)  # at first the ear alone counts
        nn.init.zeros_(self.out.bias)

    def forward(self, gestures: Tensor, heard: Tensor, moves: Tensor, flux: Tensor) -> Tensor:
        """gestures (P, 2, K), heard (P, 3, K) of `heard_at`, moves (P,) as shares, flux (K, 8).

        flux may be (P, K, 8) of as many clips.
        """
        plays, onsets = gestures.unbind(1)
        own = [moves[:, None] * plays / 3, moves[:, None] * onsets.exp()]
        own += [moves[:, None].expand_as(plays)]
        rise = flux.transpose(-1, -2).expand(len(heard), -1, -1)
        facts = torch.cat([heard, torch.stack(own, 1), rise], 1)
        x = F.gelu(self.read(self.dropout(facts)))
        for layer in self.time:
            x = x + F.gelu(layer(x))
        return self.out(x)[:, 0] + 2 * heard[:, 0]


class InStep(nn.Module):
    """That what sounds goes with the movements of each of P performers: logits (P,).

    The sound is taken as bands, whose loudness and onsets the curves of all performers together
    should explain; what counts is how much less is explained without one of them.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.sounds = nn.Sequential(
            nn.Linear(FACTS, 24), nn.GELU(), nn.Dropout(3 * dropout), nn.Linear(24, 1)
        )

    def forward(self, gestures: Tensor, moves: Tensor, bands: Tensor) -> Tensor:
        """gestures (P, 2, K), moves (P,) that he is there and moves, bands (2, K, 16).

        Who does not move gets 0, which means that nothing can be told.
        """
        return self.by_facts(facts_of(gestures, moves, bands), moves)

    def by_facts(self, facts: Tensor, moves: Tensor) -> Tensor:
        """The same from `facts_of`."""
        return moves * self.sounds(facts)[:, 0].clamp(-MOST_IN_STEP, MOST_IN_STEP)


def facts_of(gestures: Tensor, moves: Tensor, bands: Tensor) -> Tensor:
    """(P, 37) how the movements of each performer go with the loudness and the onsets of bands."""
    plays, onsets = torch.sigmoid(gestures[:, 0]), gestures[:, 1].exp()
    loudness, flux = standardised(bands, 1)
    found = [_explained(standardised(plays, 1) * moves[:, None], loudness)]
    for lag in LAGS:
        later = standardised(onsets.roll(lag, 1), 1) * moves[:, None]
        found.append(_explained(later, flux))
    own = [moves.sum().expand_as(moves).log1p(), plays.mean(1), plays.std(1)]
    own += [onsets.sum(1).log1p() / 3, onsets.std(1)]
    return torch.cat([*found, torch.stack(own, 1)], 1)


def _explained(curves: Tensor, bands: Tensor) -> Tensor:
    """(P, 8) of curves (P, K) and bands (K, 16): root of what is lost without one, weights,
    correlations.

    By ridge regression of every band on all curves, and on all but one.
    """
    n = curves.shape[1]
    alike, with_bands = curves @ curves.T / n, curves @ bands / n  # (P, P), (P, 16)
    alone = torch.eye(len(curves), device=curves.device)
    inverse = torch.linalg.inv(alike + RIDGE * alone)
    weight = inverse @ with_bands
    # leaving one out of a ridge regression costs its squared weight by its share of the inverse
    gain = weight.abs() / inverse.diagonal().sqrt()[:, None]
    fitting = gain * (weight > 0)
    return torch.stack(
        [
            gain.mean(1), _top(fitting), fitting.amax(1), weight.amax(1), weight.mean(1),
            with_bands.amax(1), _top(with_bands), with_bands.mean(1),
        ],
        1,
    )  # fmt: skip


def _top(values: Tensor) -> Tensor:
    """Mean of the four largest of each row."""
    return values.topk(4, 1).values.mean(1)


def bands_of(logmel: Tensor, n_bands: int) -> Tensor:
    """(2, K, n_bands) loudness and rise of the bands of the middle (T, 1, 50, 64) at each tick."""
    frames = logmel[:, 0].flatten(0, 1).float()  # (50 T, 64)
    level = frames.unflatten(1, (n_bands, -1)).amax(2)
    rise = (level[1:] - level[:-1]).clamp(min=0)
    rise = F.pad(rise, (0, 0, 1, 0))
    ticks = (-1, FRAMES_PER_TICK)
    return torch.stack([level.unflatten(0, ticks).mean(1), rise.unflatten(0, ticks).sum(1)])


def flux_of(logmel: Tensor) -> Tensor:
    """(K, 8) how much bands of the middle rise at each tick, as `Times` takes it."""
    return bands_of(logmel, COARSE)[1] / 4


def heard_at(activity: Tensor, onsets: Tensor, likeliest: Tensor) -> Tensor:
    """(P, 3, K) what the ear says of the instruments of P performers, as `Times` takes it.

    activity, onsets (P, K); likeliest (P,) activity of the half second in which each is likeliest,
    beside which a tick is judged: that he sounds at all is taken for granted.
    """
    beside = (activity / likeliest[:, None].clamp(min=1e-4)).clamp(max=1)
    return torch.stack([_logit(beside) / 4, _logit(activity) / 4, onsets], 1)


def _logit(share: Tensor) -> Tensor:
    return share.clamp(1e-4, 1 - 1e-4).logit()


def losses(gestures: Tensor, plays: Tensor, onsets: Tensor, known: Tensor) -> dict[str, Tensor]:
    """What gestures (P, 2, K) learn from: plays, onsets (P, K) of each, where `known` (P,) is 1."""
    said, rate = gestures.unbind(1)
    n = known.sum().clamp(min=1)
    wrong = F.binary_cross_entropy_with_logits(said, plays, reduction="none").mean(1)
    counted = (rate.exp() - onsets * rate).mean(1)
    return {
        "gestures": (wrong * known).sum() / n,
        "gestured_onsets": 0.5 * (counted * known).sum() / n,
    }

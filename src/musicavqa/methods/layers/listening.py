"""The ear: which of the 22 instruments sound at each tenth of a second, how loud, how fast, where.

A convolution network over time on stereo log-mel (`audio_logmel`), whose bands are channels: the
first layer reads windows of 0.22 s, so that what follows has ten ticks a second and a wider and
wider reach. What a frame sounds like is told apart from how loud it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.questions import INSTRUMENTS

N = len(INSTRUMENTS)
TICKS = 10
"""A second."""
FRAMES_PER_TICK = 5
"""Of log-mel."""
LEVEL_DB = 8.0
"""Unit of the levels that the network gives."""
BANDS = 64
REACHES = (1, 1, 2, 4, 1, 2, 4, 8)
"""Ticks between the three that each layer over time reads."""


@dataclass(frozen=True)
class Hearing:
    """What the ear says of each of K ticks; (C, K, 22) but for speech."""

    activity: Tensor
    """Logits that the instrument sounds."""
    onsets: Tensor
    """Logarithm of the number of onsets expected within the tick."""
    level_db: Tensor
    """Loudness, of which only differences between instruments mean anything."""
    pan: Tensor
    """Where it comes from: -1 left to 1 right, where there is stereo."""
    speech: Tensor
    """(C, K) logits that somebody speaks."""


class Listener(nn.Module):
    """Rows of `audio_logmel` (C, T, 2, 50, 64) -> Hearing."""

    def __init__(self, width: int = 256, dropout: float = 0.1) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(3 * BANDS + 1)
        self.windows = nn.Conv1d(3 * BANDS + 1, width, 11, stride=5, padding=3, bias=False)
        self.windows_norm = nn.BatchNorm1d(width)
        self.around = nn.Conv1d(width, width, 3, padding=1, bias=False)
        self.around_norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)
        self.time = nn.Sequential(*(Reach(width, ticks) for ticks in REACHES))
        self.whole = nn.Linear(2 * width, width)
        self.last_norm = nn.BatchNorm1d(width)
        self.out = nn.Conv1d(width, 4 * N + 1, 1)
        nn.init.constant_(self.out.bias, -2.0)

    def forward(self, rows: Tensor) -> Hearing:
        x = self.norm(_described(rows))  # (C, 193, 50 T)
        x = F.relu(self.windows_norm(self.windows(x)))  # (C, D, K)
        x = self.time(F.relu(self.around_norm(self.around(self.dropout(x)))))
        whole = self.whole(torch.cat([x.mean(2), x.amax(2)], 1))
        x = F.gelu(self.last_norm(x + whole[..., None]))
        said = self.out(self.dropout(x)).float().transpose(1, 2)
        activity, onsets, level, pan, speech = said.split([N, N, N, N, 1], 2)
        return Hearing(activity, onsets.clamp(-6, 3), level * LEVEL_DB, pan, speech[..., 0])


def _described(rows: Tensor) -> Tensor:
    """(C, 193, 50 T): of each frame the shape of its spectrum, panning, level and change."""
    loudness, panning = rows.transpose(1, 2).flatten(2, 3).unbind(1)  # (C, 50 T, 64)
    level = loudness.mean(2, keepdim=True)
    change = F.pad(loudness[:, 1:] - loudness[:, :-1], (0, 0, 1, 0))
    return torch.cat([loudness - level, panning, level, change], 2).transpose(1, 2)


class Reach(nn.Module):
    """Three ticks, `apart` from each other, beside the identity."""

    def __init__(self, width: int, apart: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.around = nn.Conv1d(width, width, 3, padding=apart, dilation=apart)
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mix(F.gelu(self.around(self.norm(x))))


def losses(said: Hearing, truth: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the ear learns from; truth as `Hearing`, but `onsets` counted and levels (C, 22).

    Levels are NaN where an instrument is not heard; `stereo` (C,) is true where panning is known.
    Onsets are Poisson counts, and their rate while an instrument plays is compared by its
    logarithm; levels are compared as differences from the clip's mean.
    """
    activity, onsets = truth["activity"], truth["onsets"]
    playing, share = activity > 0, (activity > 0.5).sum().clamp(min=1)
    rate = said.onsets.exp()
    counted = ((rate - onsets * said.onsets) * playing).sum() / share
    panned = (truth["stereo"][:, None, None] & playing).float()
    return {
        "activity": 10 * F.binary_cross_entropy_with_logits(said.activity, activity),
        "onsets": 0.5 * counted,
        "rates": 0.3 * _rate_loss(rate, onsets, activity),
        "rests": (rate * ~playing).mean(),
        "levels": 0.15 * _level_loss(said.level_db, activity, truth["level_db"]),
        "pan": 2 * (_huber(said.pan, truth["pan"]) * panned).sum() / panned.sum().clamp(min=1),
        "speech": 0.5 * F.binary_cross_entropy_with_logits(said.speech, truth["speech"]),
    }


def _rate_loss(said: Tensor, onsets: Tensor, activity: Tensor) -> Tensor:
    """How far the notes per tick of playing are from the true ones, in natural logarithms."""
    said, onsets = (said * activity).sum(1), (onsets * (activity > 0)).sum(1)  # (C, 22)
    known = (onsets > 0).float()
    return _mean_huber(said.clamp(min=1e-3).log() - onsets.clamp(min=1).log(), known)


def _level_loss(said_db: Tensor, activity: Tensor, truth_db: Tensor) -> Tensor:
    known = (~truth_db.isnan()).float()  # (C, 22)
    heard_db = (said_db * activity).sum(1) / activity.sum(1).clamp(min=1e-3)
    away = _centred(heard_db, known) - _centred(torch.nan_to_num(truth_db), known)
    return _mean_huber(away, known)


def _centred(level_db: Tensor, known: Tensor) -> Tensor:
    mean = (level_db * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
    return level_db - mean


def _mean_huber(away: Tensor, known: Tensor) -> Tensor:
    return (_huber(away, torch.zeros_like(away)) * known).sum() / known.sum().clamp(min=1)


def _huber(said: Tensor, truth: Tensor) -> Tensor:
    return F.smooth_l1_loss(said, truth, reduction="none")

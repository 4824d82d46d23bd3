"""What stays and what moves in a sequence: DCL's disentangled sequential encoder.

A variational encoder of frames: one static code s for all of them and a dynamic code z for each,
from which the frames are made again. Lv et al., Disentangled Counterfactual Learning (NeurIPS
2023), after sequential variational encoders of video.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, cross_entropy, leaky_relu, normalize

from musicavqa.methods.layers.words import BothWaysLSTM, after_last_word

SLOPE = 0.1
"""Of the leaky rectifiers."""
LOG_2PI = math.log(2 * math.pi)
CONTRAST_TEMPERATURE = 0.5


@dataclass(frozen=True)
class Codes:
    """What the encoder says of frames (C, T, D); each Gaussian is a mean and a log variance."""

    static: Tensor
    """(C, D), a draw while training (its mean otherwise)."""
    static_mean: Tensor
    static_log_variance: Tensor
    dynamic: Tensor
    """(C, T, D) likewise."""
    dynamic_mean: Tensor
    dynamic_log_variance: Tensor
    prior_mean: Tensor
    """(C, T, D) what the past lets expect of the dynamic code."""
    prior_log_variance: Tensor
    remade: Tensor
    """(C, T, D)."""
    summary: Tensor
    """(C, D) of the dynamic codes."""


class Gaussian(nn.Module):
    """States (..., E) -> mean and log variance (..., D)."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.mean = nn.Linear(width_in, width)
        self.log_variance = nn.Linear(width_in, width)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean(states), self.log_variance(states)


class Step(nn.Module):
    """Frames (C, T, E) -> (C, T, D): linear, batch norm, leaky rectifier.

    While training, the norm counts only frames that are `there` (C, T).
    """

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, frames: Tensor, there: Tensor) -> Tensor:
        made = self.linear(frames)
        if self.training:
            return leaky_relu(
                made.masked_scatter(there[..., None], self._of_real(made[there])), SLOPE
            )
        return leaky_relu(self.norm(made.flatten(0, 1)).view_as(made), SLOPE)

    def _of_real(self, frames: Tensor) -> Tensor:
        """A single frame has no variance of its own, so that of all frames before stands in."""
        if len(frames) > 1:
            return self.norm(frames).to(frames.dtype)
        norm = self.norm
        known = norm.running_mean, norm.running_var, norm.weight, norm.bias
        return batch_norm(frames, *known, eps=norm.eps).to(frames.dtype)


class Expectation(nn.Module):
    """Dynamic codes (C, T, D) -> the Gaussian of each, from those before it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.LSTM(width, width, batch_first=True)
        self.second = nn.LSTM(width, width, batch_first=True)
        self.gaussian = Gaussian(width, width)

    def forward(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        past = nn.functional.pad(codes[:, :-1], (0, 0, 1, 0))
        return self.gaussian(self.second(self.first(past)[0])[0])


class Disentangler(nn.Module):
    """Frames (C, T, D), of which those `there` (C, T) count, -> Codes.

    As released, the summary of the dynamic codes reads one LSTM of width 2 D forwards and joins the
    first half of its last state with the second half of its first. Otherwise it joins the ends of
    an LSTM that reads both ways. `draws` says whether codes are drawn while training (released:
    never).
    """

    def __init__(self, width: int, dropout: float, released: bool) -> None:
        super().__init__()
        self.width, self.draws, self.released = width, not released, released
        self.frame_in = Step(width, 2 * width)
        self.frame_out = Step(2 * width, 2 * width)
        self.both_ways = BothWaysLSTM(2 * width, width)
        self.static = Gaussian(2 * width, width)
        self.moving = nn.RNN(2 * width, width, batch_first=True)
        self.dynamic = Gaussian(width, width)
        self.expectation = Expectation(width)
        self.codes_in = nn.Linear(2 * width, 2 * width)
        self.remake = Step(2 * width, 2 * width)
        self.remade = Step(2 * width, width)
        kind = nn.LSTM(width, 2 * width, batch_first=True)
        self.summary_states = kind if released else BothWaysLSTM(width, width)
        self.summary = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, there: Tensor) -> Codes:
        numbers = there.long()
        states = self.frame_out(self.frame_in(frames, there), there)
        forwards, backwards = self.both_ways(states, numbers)
        ends = torch.cat([after_last_word(forwards, numbers), backwards[:, 0]], dim=-1)
        static_mean, static_spread = self.static(ends)
        moving, _ = self.moving(torch.cat([forwards, backwards], dim=-1))
        mean, spread = self.dynamic(moving)
        static, dynamic = self._draw(static_mean, static_spread), self._draw(mean, spread)
        prior_mean, prior_spread = self.expectation(dynamic)
        both = torch.cat([dynamic, static[:, None].expand_as(dynamic)], dim=-1)
        remade = self.remade(self.remake(leaky_relu(self.codes_in(both), SLOPE), there), there)
        summary = self.dropout(self.summary(self._ends(dynamic, numbers)))
        return Codes(
            static, static_mean, static_spread, dynamic, mean, spread,
            prior_mean, prior_spread, remade, summary,
        )  # fmt: skip

    def _draw(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        if not (self.training and self.draws):
            return mean
        return mean + torch.randn_like(mean) * (0.5 * log_variance).exp()

    def _ends(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """What the summary is made of, (C, 2 D)."""
        if self.released:
            states, _ = self.summary_states(codes)
            last = after_last_word(states, numbers)
            return torch.cat([last[:, : self.width], states[:, 0, self.width :]], dim=-1)
        forwards, backwards = self.summary_states(codes, numbers)
        return torch.cat([after_last_word(forwards, numbers), backwards[:, 0]], dim=-1)


def losses(codes: Codes, frames: Tensor, there: Tensor, n_clips: int) -> dict[str, Tensor]:
    """Sums over frames and channels, means over the C clips (eq. 5, without its contrasts).

    remade: squared error; static, dynamic: divergence from a standard normal and from what the past
    lets expect; apart: mutual information of the two codes, where positive, as a batch out of
    `n_clips` clips estimates it.
    """
    real = there[..., None]
    error = (codes.remade - frames).square().masked_fill(~real, 0.0)
    mean, spread = codes.static_mean, codes.static_log_variance
    static = 0.5 * (spread.exp() + mean.square() - 1 - spread)
    wider = codes.prior_log_variance
    distance = codes.dynamic_log_variance.exp() + (codes.dynamic_mean - codes.prior_mean).square()
    dynamic = 0.5 * (wider - codes.dynamic_log_variance + distance / wider.exp() - 1)
    dynamic = dynamic.masked_fill(~real, 0.0)
    return {
        "remade": error.sum() / len(frames),
        "static": static.sum() / len(frames),
        "dynamic": dynamic.sum() / len(frames),
        "apart": shared_information(codes, there, n_clips),
    }


def shared_information(codes: Codes, there: Tensor, n_clips: int) -> Tensor:
    """Mean over frames of log q(s, z) - log q(s) - log q(z), where positive.

    Each q is a mixture over the clips of the batch. The released code takes log variances where
    log deviations belong; so does this, to give its numbers.
    """
    static = _log_density(codes.static, codes.static_mean, codes.static_log_variance)  # (C, C)
    dynamic = _log_density(
        codes.dynamic.transpose(0, 1),
        codes.dynamic_mean.transpose(0, 1),
        codes.dynamic_log_variance.transpose(0, 1),
    )  # (T, C, C)
    constant = math.log(len(there) * n_clips)
    present = there.T[:, None]  # (T, 1, C): a clip's density counts in its own seconds
    static = static.expand_as(dynamic).masked_fill(~present, -torch.inf)
    dynamic = dynamic.masked_fill(~present, -torch.inf)
    both = (static + dynamic).logsumexp(2) - static.logsumexp(2) - dynamic.logsumexp(2) + constant
    return both[there.T].relu().mean()


def _log_density(values: Tensor, means: Tensor, log_deviations: Tensor) -> Tensor:
    """(..., C, D) under each of C Gaussians -> (..., C, C), summed over channels."""
    distance = (values[..., :, None, :] - means[..., None, :, :]) / log_deviations.exp()[
        ..., None, :, :
    ]
    density = distance.square() + 2 * log_deviations[..., None, :, :] + LOG_2PI
    return -0.5 * density.sum(-1)


def agreement(codes: Tensor, others: Tensor) -> Tensor:
    """Contrast (eq. 3) of codes (C, D) with those of the same clips, seen another way.

    The other 2 C - 2 codes are what they should differ from.
    """
    every = normalize(torch.cat([codes, others]), dim=-1)
    scores = every @ every.T / CONTRAST_TEMPERATURE
    scores = scores.masked_fill(torch.eye(len(every), device=every.device).bool(), -torch.inf)
    partner = torch.arange(len(every), device=every.device).roll(len(codes))
    return cross_entropy(scores, partner)

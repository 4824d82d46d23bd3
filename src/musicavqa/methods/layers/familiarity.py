"""How much a picture or a sound is like those that eye and ear learned from.

Rows of features are compared with those of the training clips: their mean, the directions in which
these differ most, and how far they usually stray from them (probabilistic principal components;
Tipping and Bishop 1999). What lies far outside is from another world: a photograph among drawings.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

BLOCK = 1000
"""Rows that are compared at once: those of hours, in double precision, would take much memory."""


class Familiarity(nn.Module):
    """What rows (n, D) of one kind are usually like; before `learn`, all are familiar."""

    mean: Tensor
    scale: Tensor
    directions: Tensor
    variances: Tensor
    rest: Tensor
    usual: Tensor

    def __init__(self, width: int, n_directions: int, steepness: float) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("directions", torch.zeros(n_directions, width))
        self.register_buffer("variances", torch.ones(n_directions))
        self.register_buffer("rest", torch.tensor(1.0))
        self.register_buffer("usual", torch.tensor(torch.inf))
        self.steepness = steepness

    def strangeness(self, rows: Tensor) -> Tensor:
        """(n,) logarithm of the mean squared distance; about 0 for rows like those learned from."""
        return torch.cat([self._strangeness(block) for block in rows.split(BLOCK)])

    def _strangeness(self, rows: Tensor) -> Tensor:
        scaled = (rows.double() - self.mean) / self.scale
        along = scaled @ self.directions.double().T
        beside = (scaled.square().sum(1) - along.square().sum(1)).clamp(min=0)
        total = (along.square() / self.variances).sum(1) + beside / self.rest
        return torch.log(total / self.width)

    def odds(self, rows: Tensor) -> float:
        """Logit that a clip with these rows is like those learned from, by its median row."""
        if self.usual.isinf() or not len(rows):
            return math.inf
        return float(self.steepness * (self.usual - self.strangeness(rows).median()))

    @torch.no_grad()
    def learn(self, rows: Tensor, usual: float) -> None:
        """Take what `rows` (n, D) have in common; `usual` is the strangeness that is as likely
        familiar as not, chosen on others. ValueError for fewer rows than directions.
        """
        n_directions = len(self.directions)
        if len(rows) <= n_directions:
            raise ValueError(
                f"{len(rows)} rows are too few for {n_directions} directions. Give more rows."
            )
        rows = rows.double()
        # channels that never changed do not decide alone
        scale = rows.std(0, correction=0) + 0.02 * rows.std(correction=0)
        scaled = (rows - rows.mean(0)) / scale
        _, values, directions = torch.linalg.svd(scaled, full_matrices=False)
        variances = values[:n_directions].square() / len(rows)
        left = scaled.square().sum(1).mean() - variances.sum()
        self.mean.copy_(rows.mean(0))
        self.scale.copy_(scale)
        self.directions.copy_(directions[:n_directions])
        self.variances.copy_(variances)
        self.rest.copy_((left / max(1, rows.shape[1] - n_directions)).clamp(min=1e-9))
        self.usual.fill_(usual)

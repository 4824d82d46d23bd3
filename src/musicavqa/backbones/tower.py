"""What a tower is: an encoder in steps, each of which gives what is to be added to its tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Place:
    """One block: which stage it is in, and what its tokens are like."""

    stage: int
    width: int
    n_tokens: int
    side: int
    """Rows of the tokens' grid, where they have one."""


class Tower(nn.Module):
    """Inputs -> `begin` -> for each block i: `attend`, `think`, `after` -> `end` -> tokens.

    `attend` and `think` return what the block adds, without adding it, so that `x + attend(i, x)`
    and then `x + think(i, x)` is the block as it was trained. `places` tells the sizes of each.
    """

    network: nn.Module
    """Under this name, so that weights of an encoder fit."""
    places: tuple[Place, ...]

    def begin(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    def attend(self, i: int, tokens: Tensor) -> Tensor:
        raise NotImplementedError

    def think(self, i: int, tokens: Tensor) -> Tensor:
        raise NotImplementedError

    def after(self, i: int, tokens: Tensor) -> Tensor:
        """What goes from block i to the next one; merged at the end of a stage."""
        return tokens

    def end(self, tokens: Tensor) -> Tensor:
        raise NotImplementedError

    def block(self, i: int, tokens: Tensor) -> Tensor:
        """Both halves, added."""
        tokens = tokens + self.attend(i, tokens)
        return tokens + self.think(i, tokens)

    def forward(self, inputs: Tensor, first: int = 0) -> Tensor:
        """The whole encoder; from block `first` on, where `inputs` are what came before it."""
        tokens = inputs if first else self.begin(inputs)
        for i in range(first, len(self.places)):
            tokens = self.after(i, self.block(i, tokens))
        return self.end(tokens)

    def until(self, first: int, inputs: Tensor) -> Tensor:
        """The tokens that block `first` gets."""
        tokens = self.begin(inputs)
        for i in range(first):
            tokens = self.after(i, self.block(i, tokens))
        return tokens


class Frozen(nn.Module):
    """A tower, or another network, that does not learn: no gradients in it, evaluation mode always.

    Gradients go through it to what stands before its blocks. With `learns` it is a part like any.
    """

    def __init__(self, network: nn.Module, learns: bool = False) -> None:
        super().__init__()
        self.tower, self.learns = network, learns
        self.requires_grad_(learns)
        self.train(self.training)

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode and self.learns)
        return self

    def alone(self, run: Callable[[Any], Tensor], inputs: Tensor) -> Tensor:
        """`run(inputs)`, which nothing that learns stands before: no graph is kept of it."""
        with torch.set_grad_enabled(self.learns and torch.is_grad_enabled()):
            return run(inputs)

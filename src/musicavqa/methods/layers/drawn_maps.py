"""Products with maps that are drawn from others, without a copy of them.

Pictures of other clips are maps that are in memory already; to gather them would write as much
again (257 MB for 64 clips of AVST), which costs more than the products. On a GPU, and where the
model is compiled, they are gathered: there a loop over maps costs more.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def compare_drawn(maps: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
    """`maps[rows] @ vectors`: maps (M, P, D), rows (N,), vectors (N, D) -> (N, P)."""
    if _gathers(maps):
        return torch.einsum("npd,nd->np", maps[rows], vectors)
    return _Compare.apply(maps, rows, vectors.to(maps.dtype))


def sum_drawn(maps: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """`weights @ maps[rows]`: maps (M, P, D), rows (N,), weights (N, P) -> (N, D)."""
    if _gathers(maps):
        return torch.einsum("npd,np->nd", maps[rows], weights)
    return _Sum.apply(maps, rows, weights.to(maps.dtype))


def _gathers(maps: Tensor) -> bool:
    return maps.device.type != "cpu" or torch.compiler.is_compiling()


class _Compare(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
        ctx.save_for_backward(maps, rows, vectors)
        return _compare(maps, rows, vectors)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        maps, rows, vectors = ctx.saved_tensors
        of_maps, _, of_vectors = ctx.needs_input_grad
        return (
            _outer(maps, rows, gradients[0], vectors) if of_maps else None,
            None,
            _sum(maps, rows, gradients[0]) if of_vectors else None,
        )


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(maps, rows, weights)
        return _sum(maps, rows, weights)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, Tensor | None]:
        maps, rows, weights = ctx.saved_tensors
        of_maps, _, of_weights = ctx.needs_input_grad
        return (
            _outer(maps, rows, weights, gradients[0]) if of_maps else None,
            None,
            _compare(maps, rows, gradients[0]) if of_weights else None,
        )


def _compare(maps: Tensor, rows: Tensor, vectors: Tensor) -> Tensor:
    found = vectors.new_empty(len(rows), maps.shape[1])
    for place, row in enumerate(rows.tolist()):
        torch.mv(maps[row], vectors[place], out=found[place])
    return found


def _sum(maps: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    found = weights.new_empty(len(rows), maps.shape[2])
    for place, row in enumerate(rows.tolist()):
        torch.mv(maps[row].T, weights[place], out=found[place])
    return found


def _outer(maps: Tensor, rows: Tensor, weights: Tensor, vectors: Tensor) -> Tensor:
    """Gradient of the maps: of each, the sum of what was drawn from it."""
    found = torch.zeros_like(maps)
    for place, row in enumerate(rows.tolist()):
        found[row].addr_(weights[place], vectors[place])
    return found

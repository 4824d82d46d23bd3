"""Random weights under official names, for networks whose real weights no test may need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def seeded(shapes: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
    """Random weights that keep a network's values in range; the same for the same names."""
    state = {}
    for seed, (key, shape) in enumerate(sorted(shapes.items())):
        generator = torch.Generator().manual_seed(seed)
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif key.endswith("running_var"):
            state[key] = torch.rand(shape, generator=generator) + 0.5
        elif len(shape) > 1:
            scale = (2 / (torch.tensor(shape[1:]).prod())) ** 0.5
            state[key] = torch.randn(shape, generator=generator) * scale
        elif key.endswith("weight"):
            state[key] = torch.rand(shape, generator=generator) * 0.5 + 0.5
        else:
            state[key] = torch.randn(shape, generator=generator) * 0.1
    return state

"""The eye learns where performers stand and what they hold, from stills."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from musicavqa.methods.layers import performer_map
from musicavqa.methods.layers.performer_map import PerformerMap
from musicavqa.training.lessons.shards import Material
from musicavqa.training.lessons.study import Desk, Plan, in_short_numbers, study

BATCH = 32
WARM_SHARE = 0.15


def learn_eye(eye: PerformerMap, stills: Material, n_passes: int, desk: Desk) -> None:
    """Learn from each still `n_passes` times."""
    batch = min(BATCH, len(stills))
    per_pass = len(stills) // batch
    n_steps = n_passes * per_pass
    n_warm = max(1, round(WARM_SHARE * n_steps))
    plan = Plan("eye", n_steps, 2e-3, weight_decay=0.02, gradient_clip=5.0, n_warm=n_warm)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([desk.seed, step // per_pass])
        first = batch * (step % per_pass)
        places = np.sort(rng.permutation(len(stills))[first : first + batch])
        return _losses(eye, stills, places.tolist())

    study(eye, plan, losses, desk)


def _losses(eye: PerformerMap, stills: Material, places: list[int]) -> dict[str, Tensor]:
    truths = [stills.truths[place] for place in places]
    rows = torch.from_numpy(stills.rows(places).astype(np.float32))  # (B, 1408, 11, 14)
    wanted = performer_map.targets([truth["performers"] for truth in truths])
    outdoor = torch.tensor([float(truth["outdoor"]) for truth in truths])
    with in_short_numbers():
        sight = eye(rows)
    return performer_map.losses(sight, wanted, outdoor)

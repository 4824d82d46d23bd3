"""The eyes of the cells: one body, two inputs, and what is said: places, or counts alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.material import KEYFRAME, MAP, stills_at
from musicavqa.methods.layers import performer_map
from musicavqa.methods.layers.performer_map import N, Residual, Sight
from musicavqa.training.lessons.shards import Material
from musicavqa.training.lessons.study import Desk, Plan, study

WIDTH, N_BLOCKS, DROPOUT = 64, 1, 0.1
MOST = 8
"""Players of one instrument, as in bandstand."""
BATCH = 32
SAID = 1 + N + 3
"""Numbers that are said of each cell: performer, instruments, place."""


class Eye(nn.Module):
    """Pictures (K, 1408, 11, 14), or maps (K, 1280, 7, 7) for general input -> what is seen.

    With place a `Sight`; without, (slots (K, 22, 8), outdoor (K,)), both logits: each instrument
    has eight slots, and as many of its players are there as slots are taken.
    """

    def __init__(self, special: bool, place: bool) -> None:
        super().__init__()
        self.special, self.place = special, place
        channels = KEYFRAME[0] if special else MAP[0]
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.dropout = nn.Dropout2d(DROPOUT)
        self.read = nn.Conv2d(channels, WIDTH, 1)
        self.height = nn.Parameter(torch.zeros(1, WIDTH, KEYFRAME[1], 1))
        self.read_norm = nn.BatchNorm2d(WIDTH)
        self.body = nn.Sequential(*(Residual(WIDTH) for _ in range(N_BLOCKS)))
        self.outdoor = nn.Linear(WIDTH, 1)
        if place:
            self.say: nn.Module = nn.Conv2d(WIDTH, 4 * SAID, 1)
            nn.init.constant_(self.say.bias[:4], -3.0)
        else:
            self.say = nn.Linear(2 * WIDTH, N * MOST)
            with torch.no_grad():
                self.say.bias.copy_(-2.0 - torch.arange(MOST).repeat(N))

    def forward(self, rows: Tensor) -> Sight | tuple[Tensor, Tensor]:
        x = self.read(self.dropout(self.norm(rows)))
        if not self.special:
            x = F.interpolate(x, KEYFRAME[1:], mode="bilinear", align_corners=False)
        x = self.body(F.relu(self.read_norm(x + self.height)))
        mean = x.mean((2, 3))
        outdoor = self.outdoor(mean)[:, 0]
        if not self.place:
            return self.say(torch.cat([mean, x.amax((2, 3))], 1)).unflatten(1, (N, MOST)), outdoor
        said = F.pixel_shuffle(self.say(x), 2)  # (K, 26, 22, 28)
        return Sight(said[:, 0], said[:, 1 : 1 + N], said[:, 1 + N :], outdoor)


def count_shares(slots: Tensor) -> Tensor:
    """(..., 9) probabilities that 0 to 8 slots are taken, from logits (..., 8)."""
    taken = torch.sigmoid(slots)
    shares = F.pad(torch.ones_like(taken[..., :1]), (0, MOST))
    for slot in taken.unbind(-1):
        here = slot[..., None]
        shares = shares * (1 - here) + F.pad(shares[..., :-1], (1, 0)) * here
    return shares


def count_loss(slots: Tensor, counts: Tensor) -> Tensor:
    """Mean over pictures of minus the log-likelihood of all counts (K, 22)."""
    likely = count_shares(slots).gather(-1, counts[..., None].long().clamp(max=MOST))
    return -likely[..., 0].clamp(min=1e-6).log().sum(1).mean()


def learn(eye: Eye, name: str, stills: Material, n_steps: int, desk: Desk) -> None:
    """Learn from `n_steps` batches of stills; goes on, or takes the weights that are there."""
    plan = Plan(name, n_steps, 2e-3, weight_decay=0.02, gradient_clip=5.0, n_warm=n_steps // 8)
    per_pass = len(stills) // BATCH

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([desk.seed, step // per_pass])
        first = BATCH * (step % per_pass)
        places = rng.permutation(len(stills))[first : first + BATCH].tolist()
        return _losses(eye, stills, places)

    study(eye, plan, losses, desk)


def _losses(eye: Eye, stills: Material, places: list[int]) -> dict[str, Tensor]:
    said = eye(torch.from_numpy(stills_at(stills, places, eye.special)))
    truths = [stills.truths[place] for place in places]
    outdoor = torch.tensor([float(truth["outdoor"]) for truth in truths])
    if isinstance(said, Sight):
        wanted = performer_map.targets([truth["performers"] for truth in truths])
        return performer_map.losses(said, wanted, outdoor)
    counts = torch.zeros(len(truths), N)
    for row, truth in enumerate(truths):
        for name, *_ in truth["performers"]:
            counts[row, name] += 1
    slots, said_outdoor = said
    return {
        "counts": count_loss(slots, counts),
        "outdoor": 0.3 * F.binary_cross_entropy_with_logits(said_outdoor, outdoor),
    }

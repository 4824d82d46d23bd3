"""The ears of the cells: one body, two inputs, with and without levels and onsets."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ablation.material import LENGTH_S, mix_truth, mixes_at
from musicavqa.features.encoders.audio_logmel import FRAMES
from musicavqa.methods.layers import listening
from musicavqa.methods.layers.listening import (
    BANDS,
    LEVEL_DB,
    REACHES,
    TICKS,
    Hearing,
    N,
    Reach,
)
from musicavqa.training.lessons.shards import Material
from musicavqa.training.lessons.study import Desk, Plan, study

WIDTH, DROPOUT = 64, 0.1
BATCH, CROP_S = 16, 6
PER_TICK = FRAMES // TICKS
DESCRIBED = (PER_TICK + 2) * BANDS + PER_TICK
"""Numbers of a tick: each frame's spectrum and level, panning, and what begins."""
EMBEDDING = 1024


class Ear(nn.Module):
    """Embeddings (C, T, 1024), with special input also log-mel (C, T, 2, 50, 64) -> Hearing.

    Without music, levels and onsets are zero; panning is zero for general input, which is mono.
    """

    def __init__(self, special: bool, music: bool) -> None:
        super().__init__()
        self.special, self.music = special, music
        self.norm = nn.BatchNorm1d(EMBEDDING, affine=False)
        self.read = nn.Conv1d(EMBEDDING, WIDTH, 1)
        if special:
            self.fine_norm = nn.BatchNorm1d(DESCRIBED, affine=False)
            self.fine = nn.Conv1d(DESCRIBED, WIDTH, 3, padding=1)
        self.read_norm = nn.BatchNorm1d(WIDTH)
        self.dropout = nn.Dropout(DROPOUT)
        self.time = nn.Sequential(*(Reach(WIDTH, ticks) for ticks in REACHES))
        self.whole = nn.Linear(2 * WIDTH, WIDTH)
        self.last_norm = nn.BatchNorm1d(WIDTH)
        self.heads = {"activity": N, "speech": 1}
        self.heads |= {"pan": N} if special else {}
        self.heads |= {"onsets": N, "level": N} if music else {}
        self.out = nn.Conv1d(WIDTH, sum(self.heads.values()), 1)
        nn.init.constant_(self.out.bias, -2.0)

    def forward(self, embedding: Tensor, logmel: Tensor | None = None) -> Hearing:
        x = self.read(self.norm(embedding.transpose(1, 2)))
        x = F.interpolate(x, TICKS * embedding.shape[1], mode="linear", align_corners=False)
        if logmel is not None:
            x = x + self.fine(self.fine_norm(described(logmel)))
        x = self.time(self.dropout(F.relu(self.read_norm(x))))
        whole = self.whole(torch.cat([x.mean(2), x.amax(2)], 1))
        x = F.gelu(self.last_norm(x + whole[..., None]))
        said = self.out(self.dropout(x)).transpose(1, 2).split(list(self.heads.values()), 2)
        known = dict(zip(self.heads, said, strict=True))
        nothing = torch.zeros_like(known["activity"])
        return Hearing(
            activity=known["activity"],
            onsets=known.get("onsets", nothing).clamp(-6, 3),
            level_db=known.get("level", nothing) * LEVEL_DB,
            pan=known.get("pan", nothing),
            speech=known["speech"][..., 0],
        )


def described(rows: Tensor) -> Tensor:
    """(C, 453, 10 T): of each tick the spectra of its frames, their levels, panning, beginnings."""
    loudness, panning = rows.transpose(1, 2).flatten(2, 3).unbind(1)  # (C, 50 T, 64)
    level = loudness.mean(2, keepdim=True)
    begins = F.pad((loudness[:, 1:] - loudness[:, :-1]).clamp(min=0), (0, 0, 1, 0))
    ticks = [
        (loudness - level).unflatten(1, (-1, PER_TICK)).flatten(2),
        level.unflatten(1, (-1, PER_TICK)).flatten(2),
        panning.unflatten(1, (-1, PER_TICK)).mean(2),
        begins.unflatten(1, (-1, PER_TICK)).amax(2),
    ]
    return torch.cat(ticks, 2).transpose(1, 2)


class Lesson:
    """Mixes with their truth, read once; batches are crops of six seconds, half of it mirrored."""

    def __init__(self, mixes: Material) -> None:
        self.mixes = mixes
        self.truths = [mix_truth(index) for index in mixes.truths]

    def batch(self, seed: int, step: int, special: bool) -> tuple[list[Tensor], dict[str, Tensor]]:
        """What an ear reads, and truth, of the same moments for all ears of a seed."""
        per_pass = len(self.mixes) // BATCH
        first = BATCH * (step % per_pass)
        order = np.random.default_rng([seed, step // per_pass]).permutation(len(self.mixes))
        places = order[first : first + BATCH].tolist()
        rng = np.random.default_rng([seed, step, 1])
        start, mirrored = int(rng.integers(LENGTH_S - CROP_S + 1)), rng.random(BATCH) < 0.5
        rows = [
            mixes_at(self.mixes, places, kind) for kind in ((False, True) if special else (False,))
        ]
        if special:
            rows[1][mirrored, :, 1] *= -1
        known = [self.truths[place] for place in places]
        ticks = slice(TICKS * start, TICKS * (start + CROP_S))
        wanted = {
            name: np.stack([truth[f"{name}_10hz"][ticks] for truth in known])
            for name in ("activity", "onsets", "pan", "speech")
        }
        wanted["pan"][mirrored] *= -1
        wanted["level_db"] = np.stack([truth["loudness"] for truth in known])
        wanted["stereo"] = np.stack([truth["stereo"][0] > 0 for truth in known])
        read = [torch.from_numpy(one[:, start : start + CROP_S]) for one in rows]
        return read, {name: torch.from_numpy(value) for name, value in wanted.items()}


def learn(ear: Ear, name: str, lesson: Lesson | None, n_steps: int, desk: Desk) -> None:
    """Learn from `n_steps` batches; goes on, or takes the weights that are there.

    `lesson` None is for ears whose weights are there.
    """
    plan = Plan(name, n_steps, 2e-3, weight_decay=0.02, gradient_clip=5.0, n_warm=n_steps // 8)

    def losses(step: int) -> dict[str, Tensor]:
        assert lesson is not None
        rows, wanted = lesson.batch(desk.seed, step, ear.special)
        found = listening.losses(ear(*rows), wanted)
        left_out = set() if ear.music else {"onsets", "rests", "levels"}
        left_out |= set() if ear.special else {"pan"}
        return {name: loss for name, loss in found.items() if name not in left_out}

    study(ear, plan, losses, desk)

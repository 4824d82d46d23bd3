"""Fit learns from scenes with equal instruments: whose movements go with the sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from musicavqa.methods.layers import fitting
from musicavqa.methods.layers.fitting import Fitting, movement_around, sound_of
from musicavqa.methods.layers.listening import TICKS, N
from musicavqa.training.lessons.shards import Made, Material, Tell, make_material
from musicavqa.training.lessons.study import Desk, Plan, study

FIRST_SCENE = 30_000_000
"""Of split train."""
PER_SHARD = 50
ANY_EVERY = 6
"""One scene of so many is taken as it comes; the others have equals of whom somebody sounds."""
LENGTH_S = 10
MIDDLE_S = 5.0
BATCH = 8
SHORTEST = 50
"""Ticks of the shortest piece that is learned from."""
SURE = 0.97
"""Share of a performer's true instrument, the rest being spread over all."""

Scene = dict[str, Any]
Senses = tuple[Tensor, Tensor, Tensor]
"""Movement (P, K, 16), sound (P, K, 6), shares of instruments (P, 22), as `Fitting` takes them."""


def make_scenes(folder: Path, n: int, workers: int, tell: Tell) -> Material:
    """`n` scenes: rows of movement (100, 24, 32) float16 after the codec; truth see `_truth`."""
    return make_material(folder, n, PER_SHARD, _filmed, workers, tell)


def _filmed(start: int, stop: int) -> Made:
    from musicavqa.bandstand.render import filmed
    from musicavqa.features.encoders.visual_movement import movement

    chosen = list(islice(_chosen(), start, stop))
    rows = [movement(filmed(scene)).astype(np.float16) for scene in chosen]
    return np.stack(rows), [_truth(scene) for scene in chosen]


def _chosen() -> Iterator[Scene]:
    from musicavqa.bandstand.scene import sample_scene

    n = 0
    for index in count():
        scene = sample_scene("train", FIRST_SCENE + index)
        seen = [player for player in scene["players"] if player["visible"]]
        names = Counter(player["instrument"] for player in seen)
        equals = any(player["notes"] for player in seen if names[player["instrument"]] > 1)
        if seen and (equals or n % ANY_EVERY == 0):
            n += 1
            yield scene


def _truth(scene: Scene) -> dict[str, Any]:
    """'performers' (name, x, y, height) P; 'heard', 'moves' P; 'plays' (P, 100) of each; and
    'activity', 'onsets', 'pan' (100, 22) of all who are heard."""
    from musicavqa.bandstand.stills import performers
    from musicavqa.bandstand.truth import note_targets, read_truth, tick_targets

    ticks = tick_targets(scene, LENGTH_S)
    both = zip(scene["players"], read_truth(scene).players, strict=True)
    seen = [(player, facts) for player, facts in both if facts.visible]
    plays = [note_targets(player["notes"], LENGTH_S)[0] for player, _ in seen]
    return {
        "performers": performers(scene, MIDDLE_S),
        "heard": [float(facts.heard) for _, facts in seen],
        "moves": [float(facts.moves) for _, facts in seen],
        "plays": [_written(row) for row in plays],
        **{name: _written(ticks[f"{name}_10hz"]) for name in ("activity", "onsets", "pan")},
    }


def _written(values: np.ndarray) -> list[Any]:
    return values.astype(float).round(4).tolist()


def learn_fit(fit: Fitting, scenes: Material, n_passes: int, desk: Desk) -> None:
    """As many steps as `n_passes` over all scenes take; each step draws eight of them."""
    n_steps = max(1, n_passes * len(scenes) // BATCH)
    plan = Plan("fit", n_steps, 1.5e-3, weight_decay=0.03, gradient_clip=1.0, n_warm=50, lowest=0)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([desk.seed, step])
        places = rng.permutation(len(scenes))[:BATCH].tolist()
        found = [_losses(fit, scenes, place, rng) for place in places]
        return {k: torch.stack([one[k] for one in found]).mean() for k in found[0]}

    study(fit, plan, losses, desk)


def _losses(
    fit: Fitting, scenes: Material, place: int, rng: np.random.Generator
) -> dict[str, Tensor]:
    known = scenes.truths[place]
    movement, sound, shares = perceived(scenes.rows([place])[0], known, rng)
    n = int(rng.integers(SHORTEST, TICKS * LENGTH_S + 1))
    first = int(rng.integers(0, TICKS * LENGTH_S + 1 - n))
    piece = slice(first, first + n)
    name = [performer[0] for performer in known["performers"]]
    active = torch.tensor(known["activity"])[piece, name].T > 0.5  # (P, K)
    plays = (torch.tensor(known["plays"])[:, piece] > 0.5).float()
    moves = torch.tensor(known["moves"])
    said = fit(movement[:, piece], sound[:, piece], shares)
    return fitting.losses(said, plays.amax(1), active.float(), plays, moves)


def perceived(movement: np.ndarray, known: dict[str, Any], rng: np.random.Generator) -> Senses:
    """The truth as eye and ear would tell it: blurred, misplaced, sometimes without stereo."""
    moved = torch.from_numpy(movement.astype(np.float32)) * float(np.exp(rng.normal(0, 0.3)))
    names = [performer[0] for performer in known["performers"]]
    seen = np.array([performer[1:] for performer in known["performers"]], np.float32)
    x, y, height = torch.from_numpy(seen).T
    x = x + _noise(0.008, x, rng)
    y = y + _noise(0.01, y, rng)
    height = height * (1 + _noise(0.03, height, rng))
    activity, onsets, pan = _heard(known, rng)
    if rng.random() < 0.5:  # in a mirror
        moved, x, pan = moved.flip(2), 1 - x, -pan
    shares = SURE * torch.eye(N)[names] + (1 - SURE) / N
    sound = sound_of(shares, x, activity, onsets, pan)
    return movement_around(moved, x, y, height), sound, shares


def _heard(known: dict[str, Any], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Activity, onsets and panning (K, 22)."""
    activity, onsets, pan = (np.array(known[name]) for name in ("activity", "onsets", "pan"))
    bell = np.exp(-0.5 * (np.arange(-4, 5) / rng.uniform(0.3, 1.5)) ** 2)
    activity = _blurred(activity, bell) * rng.uniform(0.8, 1, N)
    activity = np.clip(activity + np.abs(rng.normal(0, 0.02, activity.shape)), 0, 1)
    pan = (pan + rng.normal(0, 0.08, pan.shape)) * (rng.random() > 0.15)
    return _tensor(activity), _tensor(_blurred(onsets, bell)), _tensor(pan)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def _blurred(values: np.ndarray, bell: np.ndarray) -> np.ndarray:
    bell = bell / bell.sum()
    return np.stack([np.convolve(column, bell, "same") for column in values.T], 1)


def _noise(size: float, like: Tensor, rng: np.random.Generator) -> Tensor:
    return _tensor(rng.normal(0, size, len(like)))

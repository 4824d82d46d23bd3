"""Fit learns from scenes with equal instruments: whose movements go with the sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from musicavqa.methods.layers import fitting
from musicavqa.methods.layers.fitting import Fitting, points_around, sound_of
from musicavqa.methods.layers.listening import TICKS, N
from musicavqa.training.lessons.ensembles import Cast, draw_roles, sound_together
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
ENSEMBLE_RATE = 0.6
"""Share of ensembles among what is learned from."""
SHORTEST = 50
"""Ticks of the shortest piece that is learned from."""
BLUR = 0.25, 1.0
"""Spread of an onset, in ticks, as the ear tells of it."""
SURE = 0.97
"""Share of a performer's true instrument, the rest being spread over all."""

Scene = dict[str, Any]
Looks = tuple[Tensor, Tensor]
"""Of P performers their places (P,) and the movement around them (P, K, 84)."""


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
    """`performed`, and 'activity', 'onsets', 'pan' (100, 22) of all who are heard."""
    from musicavqa.bandstand.truth import tick_targets

    ticks = tick_targets(scene, LENGTH_S)
    heard = {name: _written(ticks[f"{name}_10hz"]) for name in ("activity", "onsets", "pan")}
    return performed(scene) | heard


def performed(scene: Scene) -> dict[str, Any]:
    """'performers' (name, x, y, height) P; 'heard', 'moves' P; 'line', 'line_onsets' (P, 100) what
    each plays or, unheard, pretends to play."""
    from musicavqa.bandstand.stills import performers
    from musicavqa.bandstand.truth import note_targets, read_truth

    both = zip(scene["players"], read_truth(scene).players, strict=True)
    seen = [(player, facts) for player, facts in both if facts.visible]
    lines = [note_targets(player["notes"] or player["gestures"], LENGTH_S) for player, _ in seen]
    return {
        "performers": performers(scene, MIDDLE_S),
        "heard": [float(facts.heard) for _, facts in seen],
        "moves": [float(facts.moves) for _, facts in seen],
        "line": [_written(played) for played, _ in lines],
        "line_onsets": [_written(counts) for _, counts in lines],
    }


def _written(values: np.ndarray) -> list[Any]:
    return values.astype(float).round(4).tolist()


def learn_fit(fit: Fitting, scenes: Material, n_passes: int, desk: Desk) -> None:
    """As many steps as `n_passes` over all scenes take; each step draws eight of them.

    Some are scenes as they were filmed, the others `ensembles` of their performers.
    """
    n_steps = max(1, n_passes * len(scenes) // BATCH)
    plan = Plan("fit", n_steps, 1.5e-3, weight_decay=0.03, gradient_clip=1.0, n_warm=50, lowest=0)
    cast = Cast.of(scenes.truths)

    def losses(step: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([desk.seed, step])
        found = []
        for place in rng.permutation(len(scenes))[:BATCH].tolist():
            if cast.instruments and rng.random() < ENSEMBLE_RATE:
                group = _ensemble(scenes, cast, rng)
            else:
                group = _scene(scenes, place, rng)
            found.append(_losses(fit, group, rng))
        return {k: torch.stack([one[k] for one in found]).mean() for k in found[0]}

    study(fit, plan, losses, desk)


@dataclass(frozen=True)
class Group:
    """P performers as eye and ear would tell of them, and the truth."""

    points: Tensor
    """(P, K, 84) of movement, as `Fitting` takes them."""
    sound: Tensor
    """(P, K, 6), likewise."""
    shares: Tensor
    """(P, 22), likewise."""
    active: Tensor
    """(P, K) his instrument sounds."""
    plays: Tensor
    """(P, K) he does."""
    moves: Tensor
    """(P,)"""


def _losses(fit: Fitting, group: Group, rng: np.random.Generator) -> dict[str, Tensor]:
    n = int(rng.integers(SHORTEST, TICKS * LENGTH_S + 1))
    first = int(rng.integers(0, TICKS * LENGTH_S + 1 - n))
    piece = slice(first, first + n)
    active, plays = group.active[:, piece], group.plays[:, piece]
    said = fit(group.points[:, piece], group.sound[:, piece], group.shares)
    return fitting.losses(said, plays.amax(1), active, plays, group.moves)


def _scene(scenes: Material, place: int, rng: np.random.Generator) -> Group:
    """A scene as it was filmed."""
    known = scenes.truths[place]
    names = [performer[0] for performer in known["performers"]]
    mirrored = bool(rng.random() < 0.5)
    looks = _looks(scenes.rows([place])[0], known["performers"], mirrored, rng)
    heard = torch.tensor(known["heard"])[:, None]
    plays = (torch.tensor(known["line"]) > 0.5).float() * heard
    sound = {name: np.array(known[name]) for name in ("activity", "onsets", "pan")}
    return _group(names, looks, sound, plays, torch.tensor(known["moves"]), mirrored, rng)


def _ensemble(scenes: Material, cast: Cast, rng: np.random.Generator) -> Group:
    """Players of one instrument, from several scenes."""
    truths = scenes.truths
    name, roles = draw_roles(cast, rng)
    mirrored = bool(rng.random() < 0.5)
    looks, plays, moves = [], [], []
    for role in roles:
        performer = role.look.of(truths, "performers")
        looks.append(_looks(scenes.rows([role.look.scene])[0], [performer], mirrored, rng))
        moves.append(role.look.of(truths, "moves"))
        silence = [0.0] * TICKS * LENGTH_S
        plays.append(torch.tensor(role.line.of(truths, "line") if role.line else silence) > 0.5)
    together = tuple(torch.cat(parts) for parts in zip(*looks, strict=True))
    sound = sound_together(truths, name, roles, rng)
    plays, moves = torch.stack(plays).float(), torch.tensor(moves)
    return _group([name] * len(roles), together, sound, plays, moves, mirrored, rng)


def _group(
    names: Sequence[int],
    looks: Looks,
    sound: dict[str, np.ndarray],
    plays: Tensor,
    moves: Tensor,
    mirrored: bool,
    rng: np.random.Generator,
) -> Group:
    x, points = looks
    active = (torch.from_numpy(sound["activity"])[:, names].T > 0.5).float()
    activity, onsets, pan = _heard(sound, rng)
    shares = SURE * torch.eye(N)[names] + (1 - SURE) / N
    heard = sound_of(shares, x, activity, onsets, -pan if mirrored else pan)
    return Group(points, heard, shares, active, plays, moves)


def _looks(
    movement: np.ndarray,
    performers: Sequence[Sequence[float]],
    mirrored: bool,
    rng: np.random.Generator,
) -> Looks:
    """Movement around performers (name, x, y, height) as the eye finds them: a little misplaced."""
    moved = torch.from_numpy(movement.astype(np.float32)) * float(np.exp(rng.normal(0, 0.3)))
    x, y, height = torch.tensor([list(performer[1:]) for performer in performers]).T
    x = x + _noise(0.008, x, rng)
    y = y + _noise(0.01, y, rng)
    height = height * (1 + _noise(0.03, height, rng))
    if mirrored:
        moved, x = moved.flip(2), 1 - x
    return x, points_around(moved, x, y, height)


def _heard(sound: dict[str, np.ndarray], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Activity, onsets and panning (K, 22) as an ear tells of them: blurred and unsure."""
    activity, onsets, pan = (sound[name] for name in ("activity", "onsets", "pan"))
    missed, false = rng.random(onsets.shape) < rng.uniform(0, 0.25), rng.uniform(0, 0.05)
    onsets = onsets * ~missed + (rng.random(onsets.shape) < false) * (activity > 0.3)
    onsets = onsets * np.exp(rng.normal(0, 0.3, onsets.shape))
    bell = np.exp(-0.5 * (np.arange(-4, 5) / rng.uniform(*BLUR)) ** 2)
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

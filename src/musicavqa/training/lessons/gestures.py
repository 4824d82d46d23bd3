"""Gestures learn from takes: scenes that are filmed and recorded, with what everybody does in them.

First when hands play, from movement alone; then when somebody sounds, from that and the ear; then
whether the whole sound goes with somebody's movements. Eye, ear and fit stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.features.encoders.audio_logmel import BANDS, CENTRE_DB, SPREAD_DB
from musicavqa.methods.layers import gestures
from musicavqa.methods.layers.fitting import COLUMNS, ROWS, ZONES, points_around, sound_of
from musicavqa.methods.layers.gestures import bands_of, heard_at
from musicavqa.methods.layers.judging import Judgement, likeliest
from musicavqa.methods.layers.listening import FRAMES_PER_TICK, TICKS, Listener, N
from musicavqa.training.lessons.fit import LENGTH_S, SURE, performed
from musicavqa.training.lessons.shards import Made, Material, Tell, make_material
from musicavqa.training.lessons.study import Desk, Plan, study

FIRST_SCENE = 40_000_000
"""Of split train."""
PER_SHARD = 50
BATCH = 32
SHORTEST = 50
"""Ticks of the shortest piece that gestures are learned from."""
MAP = 24 * 32
"""Numbers of one tick of `visual_movement`."""
GAIN = (0.7, 1.4)
UNSURE_RATE, LEAST_SURE, WANDER, SHIFT = 0.5, 0.1, 1.2, 0.4
"""An ear that does not know a timbre: how often, and how weak, restless and partial it then is."""
WANDERS = 12
"""Points between which it wanders in ten seconds."""
STILL = 0.2
"""Who moves with a smaller share is not asked whether he is in step."""


@dataclass(frozen=True)
class Steps:
    """How long each of the three is learned, on 32 performers a step."""

    gestures: int
    times: int
    in_step: int


def make_takes(folder: Path, n: int, workers: int, tell: Tell) -> Material:
    """`n` scenes in which somebody moves: rows (100, 1088) float16, of each tick the movement (24,
    32) after the codec and five frames (5, 64) of the middle of `audio_logmel`; truth see
    `fit.performed`."""
    return make_material(folder, n, PER_SHARD, _taken, workers, tell)


def _taken(start: int, stop: int) -> Made:
    from musicavqa.bandstand.render import filmed
    from musicavqa.bandstand.sound import mix
    from musicavqa.features.encoders.visual_movement import movement
    from musicavqa.training.lessons.stems import power

    rows, truths = [], []
    for scene in islice(_chosen(), start, stop):
        moved = movement(filmed(scene)).reshape(TICKS * LENGTH_S, MAP)
        level_db = power(mix(scene).mean(1)).astype(np.float32)
        heard = (level_db - CENTRE_DB) / SPREAD_DB
        rows.append(np.hstack([moved, heard.reshape(len(moved), -1)]).astype(np.float16))
        truths.append(performed(scene))
    return np.stack(rows), truths


def _chosen() -> Iterator[dict[str, Any]]:
    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.bandstand.truth import read_truth

    for index in count():
        scene = sample_scene("train", FIRST_SCENE + index)
        if any(player.visible and player.moves for player in read_truth(scene).players):
            yield scene


@dataclass(frozen=True)
class Take:
    """P performers of one take, as the senses tell of them, and the truth."""

    points: Tensor
    """(P, 100, 84) float16."""
    shares: Tensor
    """(P, 22)"""
    heard_at: Tensor
    """(P, 3, 100)"""
    moves_said: Tensor
    """(P,) that each moves as players do, as fit says."""
    flux: Tensor
    """(100, 8)"""
    bands: Tensor
    """(2, 100, 16)"""
    heard: Tensor
    moves: Tensor
    line: Tensor
    line_onsets: Tensor


def learn_gestures(
    judge: Judgement, ear: Listener, takes: Material, steps: Steps, desk: Desk
) -> None:
    """The three one after the other, each from what the one before came to."""
    ear.eval()
    judge.fitting.eval()
    known = [_take(judge, ear, takes, place) for place in range(len(takes))]
    plan = partial(Plan, gradient_clip=1.0, n_warm=50, lowest=0.01)

    def learn(plan: Plan, losses: Callable[..., dict[str, Tensor]], performers: Performers) -> None:
        study(getattr(judge, plan.name), plan, partial(losses, judge, performers, desk.seed), desk)

    moving = _all(known, lambda take: take.moves > 0)
    learn(plan("gestures", steps.gestures, 2e-3, 0.03), _gesture_losses, moving)
    with torch.no_grad():
        said = [judge.gestures(take.points.float(), take.shares) for take in known]
    sounding = _all(known, lambda take: take.heard > 0, said)
    learn(plan("times", steps.times, 3e-3, 0.02), _time_losses, sounding)
    with torch.no_grad():
        facts = [
            gestures.facts_of(own, take.moves_said, take.bands)
            for own, take in zip(said, known, strict=True)
        ]
    asked = _all(known, lambda take: take.moves_said > STILL, facts)
    learn(plan("in_step", steps.in_step, 3e-3, 0.1), _step_losses, asked)


@torch.no_grad()
def _take(judge: Judgement, ear: Listener, takes: Material, place: int) -> Take:
    row, truth = torch.from_numpy(takes.rows([place])[0].astype(np.float32)), takes.truths[place]
    moved = row[:, :MAP].unflatten(1, (24, 32))
    middle = row[:, MAP:].reshape(LENGTH_S, 1, TICKS * FRAMES_PER_TICK, BANDS)
    name, x, y, height = torch.tensor(truth["performers"]).T
    points = points_around(moved, x, y, height)
    shares = SURE * torch.eye(N)[name.long()] + (1 - SURE) / N
    hearing = ear(torch.cat([middle, torch.zeros_like(middle)], 1)[None])
    activity, onsets = torch.sigmoid(hearing.activity[0]), hearing.onsets[0].exp()
    sound = sound_of(shares, x, activity, onsets, torch.zeros_like(activity))
    heard = heard_at(sound[..., 0], sound[..., 1], shares @ likeliest(activity))
    return Take(
        points.half(),
        shares,
        heard,
        torch.sigmoid(judge.fitting(points, sound, shares).moves),
        gestures.flux_of(middle),
        bands_of(middle, gestures.BANDS),
        *(torch.tensor(truth[key]) for key in ("heard", "moves", "line", "line_onsets")),
    )


@dataclass(frozen=True)
class Performers:
    """Performers of many takes one after the other, and what was said of each."""

    takes: list[Take]
    where: Tensor
    """(M, 2) take, place in it."""
    said: Tensor
    """(M, ...)"""

    def draw(self, rng: np.random.Generator) -> tuple[list[tuple[Take, int]], Tensor]:
        """32 of them, and what was said of these."""
        chosen = torch.from_numpy(rng.integers(0, len(self.where), BATCH))
        places = self.where[chosen].tolist()
        return [(self.takes[take], place) for take, place in places], self.said[chosen]


def _all(takes: list[Take], wanted, said: list[Tensor] | None = None) -> Performers:
    """Those performers for whom `wanted(take)` (P,) is true."""
    said = said or [torch.zeros(len(take.moves), 0) for take in takes]
    where, kept = [], []
    for number, (take, own) in enumerate(zip(takes, said, strict=True)):
        chosen = wanted(take).nonzero()[:, 0]
        where.append(torch.stack([torch.full_like(chosen, number), chosen], 1))
        kept.append(own[chosen])
    whole = Performers(takes, torch.cat(where), torch.cat(kept))
    if not len(whole.where):
        raise ValueError(f"Of {len(takes)} takes nothing can be learned. Make more takes.")
    return whole


def _of(drawn: list[tuple[Take, int]], key: str) -> Tensor:
    return torch.stack([getattr(take, key)[place] for take, place in drawn])


def _gesture_losses(
    judge: Judgement, performers: Performers, seed: int, step: int
) -> dict[str, Tensor]:
    rng = np.random.default_rng([seed, 1, step])
    drawn, _ = performers.draw(rng)
    n = int(rng.integers(SHORTEST, TICKS * LENGTH_S + 1))
    first = int(rng.integers(0, TICKS * LENGTH_S + 1 - n))
    piece = slice(first, first + n)
    points = _of(drawn, "points")[:, piece].float()
    points = points * torch.empty(len(points), 1, 1).uniform_(*GAIN)
    if rng.random() < 0.5:  # left and right exchanged
        points = points.unflatten(2, (ZONES * ROWS, COLUMNS)).flip(3).flatten(2)
    said = judge.gestures(points, _of(drawn, "shares"))
    line, onsets = _of(drawn, "line")[:, piece], _of(drawn, "line_onsets")[:, piece]
    return gestures.losses(said, line, onsets, torch.ones(len(drawn)))


def _time_losses(
    judge: Judgement, performers: Performers, seed: int, step: int
) -> dict[str, Tensor]:
    drawn, said = performers.draw(np.random.default_rng([seed, 2, step]))
    heard = unsure(_of(drawn, "heard_at"))
    flux = torch.stack([take.flux for take, _ in drawn])
    times = judge.times(said, heard, _of(drawn, "moves_said"), flux)
    return {"times": F.binary_cross_entropy_with_logits(times, _of(drawn, "line"))}


def _step_losses(
    judge: Judgement, performers: Performers, seed: int, step: int
) -> dict[str, Tensor]:
    drawn, facts = performers.draw(np.random.default_rng([seed, 3, step]))
    said = judge.in_step.by_facts(facts, _of(drawn, "moves_said"))
    return {"in_step": F.binary_cross_entropy_with_logits(said, _of(drawn, "heard"))}


def unsure(heard: Tensor) -> Tensor:
    """`heard_at` (P, 3, K) of which half is what an ear says of timbres that it never heard."""
    n, _, ticks = heard.shape
    often = (torch.rand(n, 1) < UNSURE_RATE).float()
    weaker = 1 - often * torch.rand(n, 1) * (1 - LEAST_SURE)
    wander = F.interpolate(torch.randn(n, 1, WANDERS), size=ticks, mode="linear")[:, 0]
    added = often * (wander * torch.rand(n, 1) * WANDER + torch.randn(n, 1) * SHIFT)
    logits = heard[:, :2] * weaker[:, None] + added[:, None]
    return torch.cat([logits, heard[:, 2:]], 1)

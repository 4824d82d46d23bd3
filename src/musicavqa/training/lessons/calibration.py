"""The last lesson, on rendered clips: how sure to be, what is familiar, which answers are frequent.

Clips went through the codecs and encoders that any file goes through, so that what was learned from
stills and mixes is weighed as it is met.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from musicavqa.answers import index
from musicavqa.features.store import ClipStore
from musicavqa.methods.bandleader import AUDIBLE, Model
from musicavqa.methods.layers import scene_truth
from musicavqa.methods.layers.glimpses import Glimpse
from musicavqa.methods.layers.judging import Judgement
from musicavqa.records import Clip, Question
from musicavqa.training.batches import make_batches
from musicavqa.training.lessons.shards import Tell

N_ROUNDS = 36
LEARNING_RATE = 8e-2
FADE_ROUNDS = 40
"""The learning rate falls in a line that would end here."""
USUAL_PICTURE, USUAL_SOUND = 1.0, 0.5
"""Strangeness that is as likely familiar as not."""
LEAST = 0.01
"""Count of an answer that never came."""
LEARNED = ("heard", "voiceover", "outdoor", "there", "named")
"""Losses that reach the small weights."""


@dataclass(frozen=True)
class Rehearsal:
    """Rendered clips with what is asked about them, and their streams."""

    clips: Sequence[Clip]
    questions: Sequence[Question]
    streams: Mapping[str, ClipStore]


def calibrate(
    model: Model, rehearsal: Rehearsal, looks: Tensor, tell: Tell
) -> list[dict[str, float]]:
    """Learn the small weights of `judge`, both familiarities and the prior; the senses stay.

    `looks` (n, 640) are those of the stills that the eye learned from, familiar as well. Returns
    the mean losses of each round. ValueError for too few clips to know what is familiar.
    """
    model.eval()
    glimpses = look_and_listen(model, rehearsal, tell)
    learn_familiar(model, list(glimpses.values()), looks)
    scenes = {clip.id: clip for clip in rehearsal.clips}
    known = {clip: _truth(scenes[clip], glimpse) for clip, glimpse in glimpses.items()}
    rows = weigh(model.judge, [(known[clip], glimpse) for clip, glimpse in glimpses.items()], tell)
    learn_prior(model, rehearsal.questions)
    return rows


@torch.no_grad()
def look_and_listen(model: Model, rehearsal: Rehearsal, tell: Tell) -> dict[str, Glimpse]:
    """Clip -> glimpse, of every clip that is asked about."""
    first = list({question.clip: question for question in rehearsal.questions}.values())
    batches = make_batches(rehearsal.clips, first, rehearsal.streams, 1)
    glimpses = {}
    for question, batch in zip(first, batches, strict=True):
        glimpses[question.clip] = model.glimpses(batch)[0]
        tell(len(glimpses), len(first), "looking")
    return glimpses


def learn_familiar(model: Model, glimpses: Sequence[Glimpse], looks: Tensor) -> None:
    """What rendered pictures and sounds have in common, by what each sense is judged by."""
    shown = torch.cat([looks, *(glimpse.looks for glimpse in glimpses)])
    model.pictures.learn(shown, USUAL_PICTURE)
    heard = [
        glimpse.yamnet[(glimpse.logmel[:, 0] > AUDIBLE).flatten(1).any(1), : model.sounds.width]
        for glimpse in glimpses
    ]
    model.sounds.learn(torch.cat(heard), USUAL_SOUND)


def weigh(
    judge: Judgement, known: Sequence[tuple[dict[str, Tensor], Glimpse]], tell: Tell
) -> list[dict[str, float]]:
    """Fit what turns evidence into probabilities; returns mean losses of each round."""
    judge.fitting.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in judge.parameters() if p.requires_grad], LEARNING_RATE)
    rows = []
    for done in range(N_ROUNDS):
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * (1 - done / FADE_ROUNDS)
        optimizer.zero_grad()
        sums = dict.fromkeys(LEARNED, 0.0)
        for truth, glimpse in known:
            said = scene_truth.losses(truth, [glimpse], [judge(glimpse)])
            learned = {name: said[name] / len(known) for name in LEARNED if name in said}
            torch.stack(list(learned.values())).sum().backward()
            sums |= {name: sums[name] + float(loss.detach()) for name, loss in learned.items()}
        optimizer.step()
        rows.append(sums)
        tell(done + 1, N_ROUNDS, "weighing")
    judge.fitting.requires_grad_(True)
    return rows


def _truth(clip: Clip, glimpse: Glimpse) -> dict[str, Tensor]:
    """What `scene_truth` takes, with an axis for one clip."""
    from musicavqa.bandstand.truth import clip_targets, tick_targets

    if clip.scene is None:
        raise ValueError(f"Clip {clip.id} has no scene, so there is no truth to learn from.")
    targets = clip_targets(clip.scene) | tick_targets(clip.scene, glimpse.n_seconds)
    return {name: torch.from_numpy(np.asarray(value))[None] for name, value in targets.items()}


@torch.no_grad()
def learn_prior(model: Model, questions: Sequence[Question]) -> None:
    """How frequent each answer is for each template, and for a question that fits none."""
    counts = torch.full_like(model.prior, LEAST)
    for question in questions:
        assert question.answer is not None
        for row in (question.template - 1, -1):
            counts[row, index(question.answer)] += 1
    model.prior.copy_((counts / counts.sum(1, keepdim=True)).log())

"""What eye, ear, fit and judgement learn from the truth of rendered clips."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from musicavqa.methods.layers import fitting, gestures, listening, performer_map
from musicavqa.methods.layers.glimpses import Glimpse
from musicavqa.methods.layers.judging import Judged, Playing
from musicavqa.methods.layers.listening import Hearing

APART_X = 0.05
"""A found performer farther than this from every true one is none of them."""


def losses(
    truth: dict[str, Tensor], glimpses: Sequence[Glimpse], judged: Sequence[Judged]
) -> dict[str, Tensor]:
    """Mean over the clips; truth as `bandstand.truth.clip_targets`, with an axis for clips."""
    sums: dict[str, Tensor] = {}
    for row, pair in enumerate(zip(glimpses, judged, strict=True)):
        own = {name: value[row] for name, value in truth.items()}
        for name, loss in _of_clip(own, *pair).items():
            sums[name] = sums.get(name, 0) + loss / len(glimpses)
    return sums


def _of_clip(truth: dict[str, Tensor], glimpse: Glimpse, judged: Judged) -> dict[str, Tensor]:
    there = truth["performers"][~truth["performers"][:, 0].isnan()]  # (M, 6)
    said = [glimpse.hearing.activity, glimpse.hearing.speech]
    n_ticks = len(said[0])
    ear = {
        "activity": truth["activity_10hz"][:n_ticks],
        "onsets": truth["onsets_10hz"][:n_ticks],
        "pan": truth["pan_10hz"][:n_ticks],
        "speech": truth["speech_10hz"][:n_ticks],
        "level_db": truth["loudness"],
        "stereo": truth["stereo"][0] > 0,
    }
    whole = Hearing(*(value[None] for value in vars(glimpse.hearing).values()))
    found = listening.losses(whole, {name: value[None] for name, value in ear.items()})
    heard = (truth["heard"] > 0).float()
    found["heard"] = F.binary_cross_entropy_with_logits(judged.heard, heard)
    for name in ("voiceover", "outdoor"):
        logit = getattr(judged, name)[None]
        found[name] = 0.3 * F.binary_cross_entropy_with_logits(logit, truth[name])
    if glimpse.sight is not None:
        frames = [[(int(p[0]), *p[1:4].tolist()) for p in there]] * len(glimpse.frames)
        wanted = performer_map.targets(frames)
        outdoor = truth["outdoor"].expand(len(glimpse.frames))
        found |= performer_map.losses(glimpse.sight, wanted, outdoor)
    if judged.found and len(there):
        found |= _of_performers(there, ear["activity"], ear["onsets"], judged)
    return found


def _of_performers(
    there: Tensor, activity: Tensor, onsets: Tensor, judged: Judged
) -> dict[str, Tensor]:
    x = torch.tensor([performer.mean("x") for performer in judged.found], device=there.device)
    distance, who = (x[:, None] - there[:, 1]).abs().min(1)
    real = distance < APART_X
    found = {"there": F.binary_cross_entropy_with_logits(judged.share, real.float())}
    if real.any():
        matched = there[who[real]]
        name = matched[:, 0].long()
        found["named"] = F.nll_loss(judged.names[real], name)
        active = (activity[:, name].T > 0.5).float()
        fit = fitting.Fit(judged.fit.plays[real], judged.fit.sounds[real], judged.fit.moves[real])
        heard, moves = matched[:, 4], matched[:, 5]
        said = fitting.losses(fit, heard, active, active * heard[:, None], moves)
        found |= {key: said[key] for key in ("sounds", "moves")}
        own = Playing(*(value[real] for value in vars(judged.playing).values()))
        alone = (there[:, 0] == matched[:, :1]).sum(1) == 1
        found |= _of_playing(own, active, onsets[:, name].T, heard, moves, heard * alone)
    return found


def _of_playing(
    playing: Playing, active: Tensor, onsets: Tensor, heard: Tensor, moves: Tensor, line: Tensor
) -> dict[str, Tensor]:
    """active, onsets (P, K) of the instrument of each; these are his own where `line` (P,) is 1."""
    times = F.binary_cross_entropy_with_logits(playing.times, active, reduction="none").mean(1)
    in_step = F.binary_cross_entropy_with_logits(playing.in_step, heard, reduction="none")
    return gestures.losses(playing.gestures, active, onsets, line * moves) | {
        "times": (times * line).sum() / line.sum().clamp(min=1),
        "in_step": (in_step * moves).sum() / moves.sum().clamp(min=1),
    }

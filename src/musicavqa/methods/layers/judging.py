"""From what the senses say to a Reading: who is there, what sounds, who of several equals plays.

Each judgement is a small weighted sum of a few numbers; its weights are learned from rendered
performances, so that what is said with 80 % holds in 80 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicavqa.methods.layers.fitting import POINTS, Fit, Fitting, points_around, sound_of
from musicavqa.methods.layers.gestures import (
    BANDS,
    Gestures,
    InStep,
    Times,
    bands_of,
    flux_of,
    heard_at,
)
from musicavqa.methods.layers.glimpses import Glimpse
from musicavqa.methods.layers.listening import TICKS, Hearing
from musicavqa.methods.layers.performers import Performer, evidence, gather
from musicavqa.records import Reading, Seen
from musicavqa.rules.tables import SHORTEST_TICKS

WINDOW = 600
"""Ticks of movement and sound that are held against each other at once."""

IN_STEP_TOO = 0.4
"""Weight of being in step with all that sounds where it is decided who of equals sounds."""
SURER = 4
"""Exponent of a tick's activity beside the likeliest half second: what level and rate rest on."""


@dataclass(frozen=True)
class Playing:
    """What is said of P performers of one clip by their gestures, as logits."""

    times: Tensor
    """(P, K) that he sounds at this tick, if he sounds at all."""
    in_step: Tensor
    """(P,) that what sounds goes with his movements, whatever its name; 0 tells nothing."""
    gestures: Tensor
    """(P, 2, K) what his movements alone say: that he plays, and the logarithm of onsets."""


@dataclass(frozen=True)
class Judged:
    """A reading as tensors, so that gradients reach the senses; shares are logits."""

    found: list[Performer]
    share: Tensor
    """(P,)"""
    names: Tensor
    """(P, 22) log-probabilities."""
    fit: Fit
    playing: Playing
    heard: Tensor
    """(22,)"""
    voiceover: Tensor
    outdoor: Tensor

    @property
    def sounds(self) -> Tensor:
        """(P,) logits that he sounds, if his instrument does and several have it."""
        return self.fit.sounds + IN_STEP_TOO * self.playing.in_step


class Judgement(nn.Module):
    """Glimpse -> Judged."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.fitting = Fitting(width, dropout)
        self.gestures = Gestures(POINTS, width, dropout)
        self.times = Times(width // 2, dropout)
        self.in_step = InStep(dropout)
        self.there = nn.Linear(3, 1)
        self.sureness = nn.Parameter(torch.zeros(2))
        self.audible = nn.Linear(3, 1)
        self.spoken = nn.Linear(2, 1)
        self.outside = nn.Linear(1, 1)
        for judge in (self.there, self.audible, self.spoken, self.outside):
            nn.init.zeros_(judge.weight)  # at first the surest look or sound alone counts
            nn.init.zeros_(judge.bias)
            nn.init.ones_(judge.weight[:, :1])

    def forward(self, glimpse: Glimpse) -> Judged:
        found = gather(glimpse.frames)
        seen, named = evidence(found, glimpse.sight)
        # n frames of one clip are no n independent looks: between 1 and n counts are learned
        n_frames = max(1, len(glimpse.frames))
        names = (
            named * self.sureness[0].exp() / n_frames ** torch.sigmoid(self.sureness[1])
        ).log_softmax(1)
        hearing = glimpse.hearing
        share = self.there(seen)[:, 0]
        fit, playing = self.watch(glimpse, found, names, share)
        return Judged(
            found=found,
            share=share,
            names=names,
            fit=fit,
            playing=playing,
            heard=self.audible(heard_by(hearing))[:, 0],
            voiceover=self.spoken(spoken_by(hearing))[0],
            outdoor=self.outside(glimpse.outdoor.mean()[None])[0],
        )

    def watch(
        self, glimpse: Glimpse, found: list[Performer], names: Tensor, share: Tensor
    ) -> tuple[Fit, Playing]:
        """Who of the performers plays, and when; see `fitting` and `gestures`."""
        n_ticks = len(glimpse.movement)
        if not found:
            nobody = torch.zeros(0, n_ticks)
            return Fit(nobody, *nobody.new_zeros(2, 0)), Playing(
                nobody, nobody.new_zeros(0), nobody.new_zeros(0, 2, n_ticks)
            )
        x, y, height = (
            torch.tensor([p.mean(f) for p in found], device=names.device)
            for f in ("x", "y", "height")
        )
        shares, hearing = names.detach().exp(), glimpse.hearing
        fits, playings, active = [], [], []
        for start in range(0, n_ticks, WINDOW):  # of hours, all performers at once would not fit
            part = slice(start, start + WINDOW)
            activity = torch.sigmoid(hearing.activity[part]).detach()
            onsets, pan = hearing.onsets[part].exp().detach(), hearing.pan[part].detach()
            sound = sound_of(shares, x, activity, onsets, pan)
            points = points_around(glimpse.movement[part].float(), x, y, height)
            fits.append(self.fitting(points, sound, shares))
            active.append(sound[..., 0].sum(1))
            moves = torch.sigmoid(fits[-1].moves).detach()
            logmel = glimpse.logmel[start // TICKS : (start + WINDOW) // TICKS]
            heard = heard_at(sound[..., 0], sound[..., 1], shares @ likeliest(activity))
            there = moves * torch.sigmoid(share).detach()
            playings.append(self.play(self.gestures(points, shares), heard, moves, there, logmel))
        return _over_time(fits, torch.stack(active)), _joined(playings)

    def play(
        self, gestures: Tensor, heard: Tensor, moves: Tensor, there: Tensor, logmel: Tensor
    ) -> Playing:
        """What gestures (P, 2, K) say beside the ear (P, 3, K) and the whole sound (T, 1, 50, 64).

        moves (P,) that each moves as players do; there (P,) likewise, and is there at all.
        """
        return Playing(
            self.times(gestures, heard, moves, flux_of(logmel)),
            self.in_step(gestures, there, bands_of(logmel, BANDS)),
            gestures,
        )


def _joined(playings: list[Playing]) -> Playing:
    return Playing(
        torch.cat([playing.times for playing in playings], 1),
        torch.stack([playing.in_step for playing in playings]).mean(0),
        torch.cat([playing.gestures for playing in playings], 2),
    )


def _over_time(fits: list[Fit], active: Tensor) -> Fit:
    """One judgement of the windows of a clip, by how long each instrument sounds in them (W, P)."""
    if len(fits) == 1:
        return fits[0]
    weight = (active + 1e-3) / (active + 1e-3).sum(0)
    return Fit(
        torch.cat([fit.plays for fit in fits], 1),
        (torch.stack([fit.sounds for fit in fits]) * weight).sum(0),
        torch.stack([fit.moves for fit in fits]).amax(0),
    )


def heard_by(hearing: Hearing) -> Tensor:
    """(22, 3) what an instrument's sounding at all is judged by: highest activity, its time."""
    sure = torch.sigmoid(hearing.activity)  # (K, 22)
    highest = likeliest(sure).clamp(1e-4, 1 - 1e-4).logit()
    playing_s = (sure > 0.5).float().sum(0) / TICKS
    return torch.stack([highest, torch.log1p(playing_s), torch.log1p(sure.sum(0) / TICKS)], 1)


def likeliest(sure: Tensor) -> Tensor:
    """(22,) activity of the half second in which each instrument is likeliest; sure (K, 22)."""
    return F.avg_pool1d(sure.T[:, None], min(SHORTEST_TICKS, len(sure)), 1)[:, 0].amax(1)


def spoken_by(hearing: Hearing) -> Tensor:
    """(2,) what a voice-over is judged by: surest half second of speech, seconds of it."""
    sure = torch.sigmoid(hearing.speech)
    smooth = F.avg_pool1d(sure[None, None], min(SHORTEST_TICKS, len(sure)), 1)[0, 0]
    highest = smooth.amax().clamp(1e-4, 1 - 1e-4).logit()
    return torch.stack([highest, torch.log1p(sure.sum() / TICKS)])


def _per_second(onsets: Tensor, playing: Tensor, ticks: int) -> Tensor:
    """Notes per second of playing, from logarithms of onsets in each tick of the axis `ticks`."""
    return (onsets.exp() * playing).sum(ticks) / playing.sum(ticks) * TICKS


def reading_of(glimpse: Glimpse, judged: Judged) -> Reading:
    """The judgement as a record of plain numbers."""
    hearing, fit = glimpse.hearing, judged.fit
    activity = torch.sigmoid(hearing.activity).detach()
    # level and rate are those of the surest ticks, however sure the ear is of the instrument
    playing = (activity / likeliest(activity)).clamp(max=1) ** SURER
    level = (hearing.level_db.detach() * playing).sum(0) / playing.sum(0)
    rate = _per_second(hearing.onsets.detach(), playing, 0)
    share, heard = torch.sigmoid(judged.share).detach(), torch.sigmoid(judged.heard).detach()
    logits = fit.plays, judged.sounds, fit.moves
    plays, sounds, moves = (torch.sigmoid(t).detach() for t in logits)
    times = torch.sigmoid(judged.playing.times).detach().float().cpu().numpy()
    in_step = judged.playing.in_step.detach().cpu().tolist()
    gestured, strokes = judged.playing.gestures.detach().unbind(1)
    own_rate = _per_second(strokes, torch.sigmoid(gestured), 1).cpu()
    seen = tuple(
        Seen(
            share=float(share[i]),
            instruments=judged.names[i].detach().exp().cpu().double().numpy(),
            x=performer.mean("x"),
            y=performer.mean("y"),
            height=performer.mean("height"),
            x_spread=0.0,
            plays=plays[i].float().cpu().numpy(),
            sounds=float(sounds[i]),
            moves=float(moves[i]),
            times=times[i],
            in_step=in_step[i],
            onset_rate=float(own_rate[i]),
        )
        for i, performer in enumerate(judged.found)
    )
    return Reading(
        duration_s=float(glimpse.n_seconds),
        tick_s=1 / TICKS,
        seen=seen,
        heard=heard.cpu().double().numpy(),
        activity=activity.float().cpu().numpy(),
        level_db=level.float().cpu().numpy(),
        onset_rate=rate.float().cpu().numpy(),
        voiceover=float(torch.sigmoid(judged.voiceover).detach()),
        outdoor=float(torch.sigmoid(judged.outdoor).detach()),
        has_sound=glimpse.has_sound,
        has_picture=glimpse.has_picture,
    )

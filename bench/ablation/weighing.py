"""How sure a cell is: a few weights that turn what its parts say into probabilities, from val.

All are fitted on clips of val alone, by logistic regression with a little pull towards zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ablation.design import Cell
from ablation.eyes import count_shares
from ablation.perceived import Heard, Seen, highest
from musicavqa.bandstand.truth import clip_targets
from musicavqa.methods.layers.fitting import EDGE_PAN
from musicavqa.methods.layers.listening import TICKS
from musicavqa.records import Clip

SAME_PLACE = 0.05
"""A performer found farther than this from every true one, in widths of the picture, is none."""
SMOOTH = 5
LAGS = range(4)
"""Ticks by which a movement may come after the sound that it belongs to."""
PULL = 1.0
"""Of weights towards zero, in units of the log-likelihood of one observation."""
SCALES = np.geomspace(0.15, 3.0, 31)


@dataclass(frozen=True)
class Weights:
    """Of a logistic regression on standardised features; the last weight is the constant."""

    mean: np.ndarray
    spread: np.ndarray
    weight: np.ndarray

    def shares(self, features: np.ndarray) -> np.ndarray:
        """(n,) probabilities from features (n, m)."""
        x = (features - self.mean) / self.spread
        return _sigmoid(x @ self.weight[:-1] + self.weight[-1])


@dataclass(frozen=True)
class Spreads:
    """Standard deviations of what the ear says of sources that sound, against the truth."""

    level_db: float = 0.0
    rate: float = 0.0
    """Of the logarithm of the onset rate."""


@dataclass(frozen=True)
class Judge:
    """All that is fitted for one cell and seed."""

    outdoor: Weights
    voiceover: Weights
    heard: Weights
    there: Weights | None
    """That somebody stands there; None without place, as the next."""
    sounds: Weights | None
    """That he is heard, where his instrument is."""
    names: float
    """Scale of the eye's log-probabilities of names."""
    slots: tuple[float, float]
    """Scale and shift of the logits of slots."""
    spreads: Spreads


def fit_weights(features: np.ndarray, true: np.ndarray) -> Weights:
    """Logistic regression by Newton's method, features (n, m) and truth (n,) of both kinds."""
    if not 0 < true.sum() < len(true):
        raise ValueError(
            f"{int(true.sum())} of {len(true)} observations are true: none to compare."
        )
    mean, spread = features.mean(0), features.std(0) + 1e-6
    x = np.concatenate([(features - mean) / spread, np.ones((len(features), 1))], 1)
    pull = np.diag([PULL] * features.shape[1] + [1e-6])
    weight = np.zeros(x.shape[1])
    for _ in range(50):
        share = _sigmoid(x @ weight)
        slope = x.T @ (share - true) + pull @ weight
        step = np.linalg.solve((x * (share * (1 - share))[:, None]).T @ x + pull, slope)
        weight = weight - step * min(1.0, 2.0 / max(1e-9, np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return Weights(mean, spread, weight)


def fit_judge(
    cell: Cell, clips: Sequence[Clip], seen: Sequence[Seen], heard: Sequence[Heard]
) -> Judge:
    """The weights of a cell, from what its parts say of clips with known scenes."""
    truths = [clip_targets(clip.scene) for clip in clips if clip.scene is not None]
    outdoor = np.array([[one.outdoor] for one in seen])
    spoken = np.array([_spoken(one) for one in heard])
    audible = np.concatenate([_audible(one) for one in heard])
    return Judge(
        outdoor=fit_weights(outdoor, np.array([t["outdoor"][0] for t in truths])),
        voiceover=fit_weights(spoken, np.array([t["voiceover"][0] for t in truths])),
        heard=fit_weights(audible, np.concatenate([t["heard"] > 0 for t in truths])),
        **_of_places(cell, truths, seen, heard),
        slots=(1.0, 0.0) if cell.place_time else _fit_slots(seen, truths),
        spreads=_spreads(truths, heard) if cell.music else Spreads(),
    )


def _of_places(
    cell: Cell,
    truths: Sequence[dict[str, np.ndarray]],
    seen: Sequence[Seen],
    heard: Sequence[Heard],
) -> dict[str, object]:
    if not cell.place_time:
        return {"there": None, "sounds": None, "names": 1.0}
    there, real, named, names, fits, sounds = [], [], [], [], [], []
    for truth, eye, ear in zip(truths, seen, heard, strict=True):
        known = truth["performers"][~np.isnan(truth["performers"][:, 0])]
        fit = fit_features(cell, eye, ear, eye.names)
        for performer, own in matched(eye, known).items():
            there.append(eye.there[performer])
            real.append(own is not None)
            if own is None:
                continue
            names.append(eye.names[performer])
            named.append(int(own[0]))
            if truth["heard"][int(own[0])] > 0:
                fits.append(fit[performer])
                sounds.append(own[4] > 0)
    return {
        "there": fit_weights(np.array(there), np.array(real, float)),
        "sounds": fit_weights(np.array(fits), np.array(sounds, float)),
        "names": _fit_names(np.array(names), np.array(named)),
    }


def matched(seen: Seen, known: np.ndarray) -> dict[int, np.ndarray | None]:
    """The true performer (row of `known`) of each that is seen, or None; none is taken twice.

    The surest choose first: a faint peak beside a performer who is found is nobody.
    """
    free = list(known)
    found: dict[int, np.ndarray | None] = {}
    for performer in np.argsort(-seen.there[:, 0], kind="stable").tolist():
        distance = [abs(float(row[1]) - float(seen.x[performer])) for row in free]
        near = int(np.argmin(distance)) if free else -1
        found[performer] = free.pop(near) if free and distance[near] < SAME_PLACE else None
    return found


def _fit_names(names: np.ndarray, named: np.ndarray) -> float:
    def likelihood(scale: float) -> float:
        logs = torch.from_numpy(names * scale).log_softmax(1).numpy()
        return float(logs[np.arange(len(named)), named].mean())

    return float(max(SCALES, key=likelihood))


def _fit_slots(
    seen: Sequence[Seen], truths: Sequence[dict[str, np.ndarray]]
) -> tuple[float, float]:
    slots = torch.from_numpy(np.stack([one.slots for one in seen])).double()
    counts = torch.from_numpy(np.stack([truth["seen"] for truth in truths])).long()

    def likelihood(pair: tuple[float, float]) -> float:
        shares = count_shares(pair[0] * slots + pair[1]).gather(-1, counts[..., None])
        return float(shares.clamp(min=1e-6).log().mean())

    pairs = [(float(scale), shift) for scale in SCALES[::2] for shift in (-0.5, 0.0, 0.5)]
    return max(pairs, key=likelihood)


def sources(heard: Heard) -> tuple[np.ndarray, np.ndarray]:
    """Level in dB and onsets per second of each instrument (22,), while it plays."""
    playing = (heard.activity > 0.5) * heard.activity + 1e-3 * heard.activity
    time = np.maximum(playing.sum(0), 1e-6)
    return (heard.level_db * playing).sum(0) / time, (heard.onsets * playing).sum(0) / time * TICKS


def _spreads(truths: Sequence[dict[str, np.ndarray]], heard: Sequence[Heard]) -> Spreads:
    levels, rates = [], []
    for truth, ear in zip(truths, heard, strict=True):
        known = truth["heard"] > 0
        level, rate = sources(ear)
        away = (level - truth["loudness"])[known]
        levels += list(away - away.mean()) if known.sum() > 1 else []
        rates += list(np.log(np.maximum(rate[known], 1e-2) / truth["onset_rate"][known]))
    return Spreads(float(np.std(levels)), float(np.std(rates)))


def _audible(heard: Heard) -> np.ndarray:
    """(22, 3) what an instrument's sounding at all is judged by; the clip as a whole."""
    sure = heard.activity
    playing = np.log1p((sure > 0.5).sum(0) / TICKS)
    return np.stack([highest(sure, SMOOTH), playing, np.log1p(sure.sum(0) / TICKS)], 1)


def _spoken(heard: Heard) -> np.ndarray:
    """(2,)"""
    sure = heard.speech[:, None]
    return np.array([highest(sure, SMOOTH)[0], np.log1p(sure.sum() / TICKS)])


def audible_shares(judge: Judge, heard: Heard) -> np.ndarray:
    """(22,) that each instrument sounds, by ear alone."""
    return judge.heard.shares(_audible(heard))


def voiceover_share(judge: Judge, heard: Heard) -> float:
    """That somebody speaks."""
    return float(judge.voiceover.shares(_spoken(heard)[None])[0])


def fit_features(cell: Cell, seen: Seen, heard: Heard, names: np.ndarray) -> np.ndarray:
    """(P, m) by what each performer is judged to sound, given that his instrument does.

    How his movement goes with the activity of his instrument, how much he moves meanwhile, and
    with special input, which is stereo, how far its sound comes from his place; with music how his
    movement goes with its onsets. Each as it is, and against the mean of all performers.
    """
    if not len(seen.x):
        return np.zeros((0, 2 * _n_fits(cell)))
    shares = torch.from_numpy(names).softmax(1).numpy()
    active = shares @ heard.activity.T  # (P, K)
    moves = np.log1p(np.maximum(seen.moves, 0))
    found = [
        _together(moves, active),
        (moves * active).sum(1) / np.maximum(1e-3, active.sum(1)) - moves.mean(1),
        moves.mean(1),
    ]
    if cell.input:
        pan = (shares @ (heard.activity * heard.pan).T).sum(1) / np.maximum(1e-3, active.sum(1))
        wide = (heard.activity * np.abs(heard.pan)).sum() / max(1e-3, heard.activity.sum())
        found.append(np.abs(pan - EDGE_PAN * (2 * seen.x - 1)) * wide)
    if cell.music:
        found.append(_together(moves, shares @ (heard.activity * heard.onsets).T))
    own = np.stack(found, 1)
    return np.concatenate([own, own - own.mean(0)], 1)


def _n_fits(cell: Cell) -> int:
    return 3 + cell.input + cell.music


def _together(moves: np.ndarray, sound: np.ndarray) -> np.ndarray:
    """(P,) highest correlation over time of movement (P, K) with sound (P, K) before it."""
    n = moves.shape[1]
    by_lag = [_correlation(moves[:, lag:], sound[:, : n - lag]) for lag in LAGS]
    return np.max(by_lag, axis=0)


def _correlation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    one, other = (x - x.mean(1, keepdims=True) for x in (one, other))
    size = np.sqrt((one**2).sum(1) * (other**2).sum(1))
    return (one * other).sum(1) / np.maximum(size, 1e-6)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))

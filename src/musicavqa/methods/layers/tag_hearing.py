"""What is heard on recordings, by the AudioSet classes that YAMNet gives.

Nothing here is trained. What counts is the logarithm of a class's probability: in a mixture all
classes are far below the usual thresholds, yet they rise by powers of ten when their instrument
enters. An instrument is compared with what is needed to be sure of it, and with the strongest of
the clip: one that is far below it is its shadow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicavqa.questions import INSTRUMENTS

TAGS: dict[str, dict[int, float]] = {
    "accordion": {204: 1.0},
    "acoustic_guitar": {138: 1.0, 141: 1.0, 139: 0.3, 135: 0.5},
    "bagpipe": {205: 1.0},
    "banjo": {142: 1.0},
    "bassoon": {190: 0.1},
    "cello": {188: 1.0, 189: 0.5, 184: 0.3, 185: 0.2},
    "clarinet": {193: 1.0, 190: 0.05},
    "congas": {165: 0.6, 168: 0.6, 243: 0.5, 251: 0.5, 252: 0.5, 159: 0.4, 156: 0.2},
    "drum": {157: 1.0, 160: 1.0, 161: 0.5, 162: 1.0, 163: 1.0, 166: 1.0, 167: 1.0, 159: 0.4},
    "electric_bass": {137: 1.0},
    "erhu": {186: 0.1, 184: 0.1, 255: 0.3},
    "flute": {191: 1.0},
    "guzheng": {145: 0.7, 194: 0.2, 255: 0.2},
    "piano": {148: 1.5, 147: 1.0, 149: 1.0},
    "pipa": {143: 0.3, 144: 0.2, 145: 0.2, 255: 0.2},
    "saxophone": {192: 1.0},
    "suona": {205: 0.2, 207: 0.3, 255: 0.2},
    "trumpet": {182: 1.0},
    "tuba": {180: 0.15, 181: 0.3, 183: 0.3},
    "ukulele": {146: 1.0},
    "violin": {186: 1.0, 184: 0.3, 185: 0.2},
    "xylophone": {175: 1.0, 174: 0.7, 176: 0.7, 177: 0.7},
}
"""YAMNet classes (0 to 520) that speak for each instrument, and how much. Of some there is no
class; their nearest relatives speak for them, more softly."""

SPEECH, SINGING = 0, (24, 25, 26, 27, 30)


LOOKALIKES = (
    ("violin", "cello", "erhu"),
    ("flute", "clarinet", "saxophone", "trumpet", "bassoon", "tuba", "suona"),
    ("acoustic_guitar", "banjo", "ukulele", "pipa", "guzheng", "electric_bass", "piano"),
    ("drum", "congas"),
)
"""Instruments of one sound: several of them at once are mostly one that is not told apart."""


@dataclass(frozen=True)
class Hearing:
    """How probabilities of classes become instruments that sound."""

    usual: float = 0.11
    """As in `rules.tables.Beliefs`."""
    doubtful: float = -1.3
    """log10 of a summed probability that says neither yes nor no."""
    sharpness: float = 2.0
    """Powers of ten of the odds for each of the probability."""
    shadow: float = 1.0
    """Powers of ten below the strongest of the second from which on it may be its shadow."""
    lookalike: float = 2.0
    """Sharpness of the choice among instruments of one sound."""
    one_of: float = 0.7
    """How far several of one sound are taken for one: 1 wholly, 0 not at all."""
    limits: tuple[float, float] = (-2.0, 2.5)
    """Of the logarithm (10) of the ratio of the odds."""
    seconds: float = 0.9
    """Quantile over the seconds that counts: not the best one, which may be a mistake."""
    entry: float = 1.0
    """Powers of ten below its loudest at which an instrument sounds as often as not."""
    alone: float = 2.0
    """Likewise while nobody else sounds."""


def tag_strengths(probabilities: np.ndarray) -> np.ndarray:
    """(T, 22): log10 of the summed probability of each instrument's classes (T, 521)."""
    weights = np.zeros((probabilities.shape[1], len(INSTRUMENTS)))
    for instrument, classes in TAGS.items():
        for place, weight in classes.items():
            weights[place, INSTRUMENTS.index(instrument)] = weight
    return np.log10(np.asarray(probabilities, np.float64) @ weights + 1e-7)


def heard(strengths: np.ndarray, hearing: Hearing = Hearing()) -> np.ndarray:
    """(22,): that each instrument sounds at all, where `usual` was expected of each.

    An instrument is judged second by second, since another may hide it in some; those of one sound
    are told apart over the whole clip.
    """
    strongest = strengths.max(1, keepdims=True)
    sure = 1 / (1 + 10 ** (hearing.sharpness * (hearing.doubtful - strongest)))  # (T, 1)
    below = np.maximum(0.0, strongest - hearing.shadow - strengths)
    ratio = hearing.sharpness * (strengths - hearing.doubtful - below)
    ratio = np.where(
        ratio < 0, ratio * sure, ratio
    )  # silence of a class proves little in a mixture
    ratio = np.clip(np.quantile(ratio, hearing.seconds, axis=0), *hearing.limits)
    odds = 10**ratio * hearing.usual / (1 - hearing.usual)
    shares = _told_apart(np.quantile(strengths, hearing.seconds, axis=0), hearing)
    return odds / (1 + odds) * shares ** float(hearing.one_of * sure.mean())


def _told_apart(strengths: np.ndarray, hearing: Hearing) -> np.ndarray:
    """(22,): each instrument's share among those of its sound; 1 where there is no other."""
    shares = np.ones_like(strengths)
    for family in LOOKALIKES:
        places = [INSTRUMENTS.index(name) for name in family]
        powers = 10 ** (hearing.lookalike * strengths[places])
        shares[places] = powers / powers.sum()
    return shares


def activity(
    strengths: np.ndarray,
    loud: np.ndarray,
    heard: np.ndarray,
    tick_s: float,
    hearing: Hearing = Hearing(),
) -> np.ndarray:
    """(K, 22): that each instrument sounds at each tick, if it does at all.

    `strengths` (T, 22) are of whole seconds; `loud` (K,) says that anything sounds, `heard` (22,)
    who sounds at all. What sounds while nobody else does is played by who is less weak then.
    """
    usual = np.quantile(strengths, 0.9, axis=0)
    entered, alone = (
        1 / (1 + 10 ** (3 * (usual - below - strengths)))
        for below in (hearing.entry, hearing.alone)
    )
    silent = np.maximum(1 - heard * entered, 1e-9)
    nobody_else = silent.prod(1, keepdims=True) / silent
    shares = entered + (alone - entered) * nobody_else
    middles = np.arange(len(strengths)) + 0.5
    ticks = (np.arange(len(loud)) + 0.5) * tick_s
    between = np.stack([np.interp(ticks, middles, column) for column in shares.T], 1)
    return between * loud[:, None]


def voiceover(probabilities: np.ndarray) -> float:
    """That somebody speaks for a while: speech in a tenth of the seconds (T, 521), not singing."""
    spoken = probabilities[:, SPEECH] * (1 - probabilities[:, list(SINGING)].max(1))
    return float(np.quantile(spoken, 0.9))

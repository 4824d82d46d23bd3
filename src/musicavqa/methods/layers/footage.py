"""The reading of real footage, from what networks trained on photographs and recordings know."""

from __future__ import annotations

import numpy as np

from musicavqa.methods.layers import photo_sight, tag_hearing
from musicavqa.methods.layers.photo_sight import Sight
from musicavqa.methods.layers.tag_hearing import Hearing
from musicavqa.questions import INSTRUMENTS
from musicavqa.records import Reading

SIGHT, HEARING = Sight(), Hearing()
TICK_S = 0.1
FLOOR_DB, CENTRE_DB, SPREAD_DB = -97.0, -50.0, 25.0
"""Silence; middle and spread by which the stream `audio_logmel` scales its decibels."""
QUIET_DB = 35.0
"""This far below its loudest tick a clip rests."""
FRAMES, LATER = 50, 3
"""Frames of log-mel in a second, and in the 60 ms within which a note starts."""
BLOCK_S = 600
ONSET_DB = 3.0
"""A rise of the mean band by this within 60 ms is the start of a note."""
EMBEDDING = 1024
"""Columns of the stream `audio_yamnet` before its probabilities."""


def read_footage(
    maps: np.ndarray,
    yamnet: np.ndarray,
    logmel: np.ndarray,
    duration_s: float,
    sight: Sight = SIGHT,
    hearing: Hearing = HEARING,
) -> Reading:
    """The reading of one clip.

    `maps` (n, groups, rows, columns) are the photo maps of its key frames, zeros where it has no
    picture; `yamnet` (T, 1545) and `logmel` (T, n, 50, 64) have one row per second, the middle of
    left and right first.
    """
    has_picture = photo_sight.shows_something(maps)
    n_ticks = max(1, round(duration_s / TICK_S))
    levels = tick_levels(logmel, n_ticks)
    loud = sounding(levels)
    probabilities = yamnet[:, EMBEDDING:].astype(np.float64)
    strengths = tag_hearing.tag_strengths(probabilities)
    audible = by_second(loud, len(strengths)) > 0.5
    has_sound = bool(audible.any())
    heard = (
        tag_hearing.heard(strengths[audible], hearing) if has_sound else np.zeros(len(INSTRUMENTS))
    )
    activity = tag_hearing.activity(strengths, loud, heard, TICK_S, hearing)
    return Reading(
        duration_s=duration_s,
        tick_s=TICK_S,
        seen=photo_sight.players(maps, n_ticks, sight) if has_picture else (),
        heard=heard,
        activity=activity,
        level_db=levels_apart(levels, activity * heard),
        onset_rate=onset_rates(logmel, activity),
        voiceover=tag_hearing.voiceover(probabilities),
        outdoor=photo_sight.outdoor(maps) if has_picture else photo_sight.USUALLY_OUTDOORS,
        footage=True,
        has_sound=has_sound,
        has_picture=has_picture,
    )


def tick_levels(logmel: np.ndarray, n_ticks: int) -> np.ndarray:
    """(K,) loudness in dB of each tick of log-mel (T, n, 50, 64); silence behind its end."""
    powers = [(10 ** (_decibels(block) / 10)).sum(1) for block in _blocks(logmel)]  # (50 n,)
    ticks = np.concatenate(powers).reshape(-1, 5).mean(1)
    ticks = np.pad(ticks, (0, max(0, n_ticks - len(ticks))))[:n_ticks]
    return 10 * np.log10(ticks + 1e-10)


def sounding(levels: np.ndarray) -> np.ndarray:
    """(K,): that anything sounds at each tick, against the loudest; zeros for a silent track."""
    if levels.max() < FLOOR_DB + 25:
        return np.zeros(len(levels))
    return 1 / (1 + np.exp(np.clip((levels.max() - QUIET_DB - levels) / 2, -50, 50)))


def by_second(ticks: np.ndarray, n_seconds: int) -> np.ndarray:
    """(T,) mean of the ticks (K,) of each second; the last second has only those that there are."""
    of = np.minimum((np.arange(len(ticks)) * TICK_S).astype(int), n_seconds - 1)
    counts = np.bincount(of, minlength=n_seconds)
    return np.bincount(of, ticks, n_seconds) / np.maximum(counts, 1)


def levels_apart(levels: np.ndarray, activity: np.ndarray, rounds: int = 200) -> np.ndarray:
    """(22,) dB of each instrument: powers that add up, where they are active (K, 22), to the whole.

    Least squares without negative powers, by multiplicative steps (Lee and Seung 2001).
    """
    whole = 10 ** ((levels - levels.max()) / 10)
    powers = np.ones(activity.shape[1])
    for _ in range(rounds):
        powers *= (activity.T @ whole + 1e-9) / (activity.T @ (activity @ powers) + 1e-9)
    return np.clip(10 * np.log10(powers + 1e-6), -40, 10)


def onset_rates(logmel: np.ndarray, activity: np.ndarray) -> np.ndarray:
    """(22,) starts of notes per second of playing, whoever plays them."""
    first, *others = _blocks(logmel, before=1)
    again = FRAMES - LATER  # rises that the block before has had
    rise = np.concatenate([_rises(first), *(_rises(block)[again:] for block in others)])
    peak = (rise[1:-1] >= rise[:-2]) & (rise[1:-1] > rise[2:]) & (rise[1:-1] > ONSET_DB)
    ticks = np.minimum((np.flatnonzero(peak) + LATER) // 5, len(activity) - 1)
    played = activity.sum(0) * TICK_S
    return np.maximum(activity[ticks].sum(0) / np.maximum(played, TICK_S), 0.1)


def _blocks(logmel: np.ndarray, before: int = 0) -> list[np.ndarray]:
    """Ten minutes each, all but the first with `before` seconds in front: decibels of hours at once
    would take gigabytes."""
    starts = range(0, max(1, len(logmel)), BLOCK_S)
    return [logmel[max(0, start - before) : start + BLOCK_S] for start in starts]


def _rises(logmel: np.ndarray) -> np.ndarray:
    """(50 T - 3,) how much louder bands are than 60 ms before, on the mean."""
    levels = _decibels(logmel)
    return np.maximum(levels[LATER:] - levels[:-LATER], 0).mean(1)


def _decibels(logmel: np.ndarray) -> np.ndarray:
    """(50 T, 64) of the middle signal."""
    return logmel[:, 0].astype(np.float32).reshape(-1, logmel.shape[-1]) * SPREAD_DB + CENTRE_DB

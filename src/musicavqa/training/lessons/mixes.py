"""Mixes of stems for the ear: who plays, how loud, from where, in what room, with exact truth.

Powers of independent sounds add, so stems are mixed as powers of bands: hundreds of mixes in the
time that one takes as sound. What is lost is the beating between stems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from musicavqa.bandstand.scene import LEVELS_DB
from musicavqa.methods.layers.listening import BANDS, FRAMES_PER_TICK, TICKS, N
from musicavqa.training.lessons.shards import Material
from musicavqa.training.lessons.stems import LENGTH_S, N_FRAMES

MOST_PLAYERS = 5
USUAL_FONT_RATE = 0.6
"""Share of mixes of the first font alone, without equalizer: what clips are rendered with."""
SCENE_RATE, DRAWN_RATE = 0.66, 0.31
"""Shares of mixes of the players of one scene, and of players drawn at will; the rest is empty."""
N_DRAWN = (0.15, 0.3, 0.3, 0.15, 0.1)
"""Share of 1, 2, ... players drawn at will."""
SUBSET_RATE, APART_RATE, MONO_RATE, EQUALIZED_RATE, SPEECH_RATE = 0.4, 0.6, 0.5, 0.6, 0.35
EQUALIZER_DB = (3.0, 3.0, 2.0, 1.5)
"""Spread of each wave over the bands, the longest first."""
PACED_RATE, MOVED_RATE, SHIFTED_RATE = 0.5, 0.3, 0.5
"""How often a stem is played at another pace, from another moment, or with its bands shifted."""
PACES, WIDEST_SHIFT = (0.8, 1.25), 1.5


@dataclass(frozen=True)
class Part:
    """One stem in a mix."""

    place: int
    """In the material."""
    level_db: float
    pan: float
    """-1 left to 1 right."""
    equalizer_db: np.ndarray | None = None
    """(64,)"""
    pace: float = 1.0
    """Seconds of the stem that pass in one of the mix; at its end it begins again."""
    moved: int = 0
    """Ticks that the stem is ahead."""
    shift: float = 0.0
    """Bands by which its spectrum lies higher."""


@dataclass(frozen=True)
class Mix:
    """What is mixed; the stems are heard from `first_tick` on."""

    parts: list[Part]
    n_seconds: int
    first_tick: int
    stereo: bool
    speech: tuple[int, int, float] | None = None
    """Place in the material, frame at which it begins, level in dB."""


@dataclass
class Bank:
    """Stems and announcements, and which of them belong together."""

    stems: Material
    speeches: Material
    scenes: list[list[int]] = field(init=False)
    """Stems of each scene."""
    usual_scenes: list[list[int]] = field(init=False)
    """Of these, the scenes that the first font plays."""
    usual: np.ndarray = field(init=False)
    """Stems of the first font."""

    def __post_init__(self) -> None:
        by_scene: dict[int, list[int]] = {}
        for place, truth in enumerate(self.stems.truths):
            by_scene.setdefault(truth["scene"], []).append(place)
        fonts = np.array([truth["font"] for truth in self.stems.truths])
        self.scenes = list(by_scene.values())
        self.usual_scenes = [found for found in self.scenes if not fonts[found].any()]
        self.usual = np.flatnonzero(fonts == 0)
        if not self.usual_scenes:
            raise ValueError("No scene is played with the first soundfont. Make more stems.")


def draw_mix(bank: Bank, n_seconds: int, rng: np.random.Generator) -> Mix:
    """A mix at random; levels and panning as in scenes, or at will."""
    first_tick = int(rng.integers(0, TICKS * (LENGTH_S - n_seconds) + 1))
    usual = bool(rng.random() < USUAL_FONT_RATE)
    places = _players(bank, usual, rng)
    levels = _levels(len(places), rng)
    width = 0.0 if rng.random() < MONO_RATE else rng.uniform(0.5, 1)
    pans = width * rng.uniform(-0.8, 0.8, len(places))
    parts = [
        Part(place, float(level), float(pan), _equalizer(bank, place, usual, rng), *_varied(rng))
        for place, level, pan in zip(places, levels, pans, strict=True)
    ]
    speech = _speech(bank, n_seconds, rng) if rng.random() < SPEECH_RATE else None
    return Mix(parts, n_seconds, first_tick, width > 0, speech)


def _players(bank: Bank, usual: bool, rng: np.random.Generator) -> list[int]:
    drawn = rng.random()
    if drawn < SCENE_RATE:
        scenes = bank.usual_scenes if usual else bank.scenes
        places = scenes[int(rng.integers(len(scenes)))]
        if len(places) > MOST_PLAYERS or rng.random() < SUBSET_RATE:
            n = int(rng.integers(1, min(MOST_PLAYERS, len(places)) + 1))
            return [int(place) for place in rng.permutation(places)[:n]]
        return list(places)
    if drawn < SCENE_RATE + DRAWN_RATE:
        n = 1 + int(rng.choice(len(N_DRAWN), p=N_DRAWN))
        found = bank.usual if usual else np.arange(len(bank.stems))
        return [int(place) for place in rng.choice(found, n)]
    return []


def _levels(n: int, rng: np.random.Generator) -> np.ndarray:
    if n <= len(LEVELS_DB) and rng.random() < APART_RATE:
        levels = rng.permutation(LEVELS_DB)[:n]
    else:
        levels = rng.choice(LEVELS_DB, n)
    return levels + rng.uniform(-1, 1, n)


def _equalizer(bank: Bank, place: int, usual: bool, rng: np.random.Generator) -> np.ndarray | None:
    """(64,) dB that leave the loudness as it is; None mostly."""
    if usual or rng.random() >= EQUALIZED_RATE:
        return None
    bands = np.linspace(0, 1, BANDS)
    sizes, phases = rng.normal(0, EQUALIZER_DB), rng.uniform(0, 2 * np.pi, len(EQUALIZER_DB))
    waves = np.arange(len(EQUALIZER_DB)) + 0.5
    shape = sizes @ np.cos(2 * np.pi * waves[:, None] * bands + phases[:, None])
    heard_db = bank.stems.rows([place])[0, ::FRAMES_PER_TICK].astype(np.float32)
    before, after = (10 ** (level / 10) for level in (heard_db, heard_db + shape))
    return shape - 10 * np.log10(after.sum() / max(before.sum(), 1e-12))


def _varied(rng: np.random.Generator) -> tuple[float, int, float]:
    """Pace, ticks ahead and shift of a stem, so that few stems sound like many."""
    pace = float(rng.uniform(*PACES)) if rng.random() < PACED_RATE else 1.0
    moved = int(rng.integers(TICKS * LENGTH_S)) if rng.random() < MOVED_RATE else 0
    shift = rng.uniform(-WIDEST_SHIFT, WIDEST_SHIFT) if rng.random() < SHIFTED_RATE else 0.0
    return pace, moved, float(shift)


def _speech(bank: Bank, n_seconds: int, rng: np.random.Generator) -> tuple[int, int, float]:
    n_frames = N_FRAMES // LENGTH_S * n_seconds
    place = int(rng.integers(len(bank.speeches)))
    length = min(bank.speeches.truths[place], n_frames - FRAMES_PER_TICK)
    start = int(rng.integers(0, n_frames - length))
    return place, start, float(rng.uniform(-6, 3))


def powers(bank: Bank, mix: Mix) -> np.ndarray:
    """(3, 50 T, 64) power of the bands in the middle, on the left and on the right; no room."""
    n_frames = N_FRAMES // LENGTH_S * mix.n_seconds
    mixed = np.zeros((3, n_frames, BANDS), np.float32)
    for part in mix.parts:
        frames = _moments(part, mix, FRAMES_PER_TICK)[:-1].astype(int) % N_FRAMES
        level_db = _shifted(bank.stems.rows([part.place])[0][frames].astype(np.float32), part.shift)
        level_db += part.level_db
        if part.equalizer_db is not None:
            level_db += part.equalizer_db.astype(np.float32)
        mixed += _gains(part.pan)[:, None, None] * _as_power(level_db)
    if mix.speech is not None:
        place, start, level = mix.speech
        n = _spoken_frames(bank, mix)
        spoken_db = bank.speeches.rows([place])[0, :n].astype(np.float32) + np.float32(level)
        mixed[:, start : start + n] += _gains(0.0)[:, None, None] * _as_power(spoken_db)
    return mixed


def _moments(part: Part, mix: Mix, per_tick: int) -> np.ndarray:
    """Where in the stem each frame of the mix begins, and where the last one ends, in frames."""
    passed = np.arange(per_tick * TICKS * mix.n_seconds + 1) * part.pace
    return per_tick * (mix.first_tick + part.moved) + passed


def _shifted(level_db: np.ndarray, bands: float) -> np.ndarray:
    """The spectrum moved up by so many bands; what leaves at one edge is gone."""
    if bands == 0:
        return level_db
    source = np.clip(np.arange(BANDS) - bands, 0, BANDS - 1)
    below = np.minimum(source.astype(int), BANDS - 2)
    share = (source - below).astype(np.float32)
    return (1 - share) * level_db[:, below] + share * level_db[:, below + 1]


def _gains(pan: float) -> np.ndarray:
    """Shares of power in the middle, on the left and on the right: panning of constant power."""
    angle = (pan + 1) * np.pi / 4
    left, right = np.cos(angle), np.sin(angle)
    return np.array([((left + right) / 2) ** 2, left**2, right**2], np.float32)


def _as_power(level_db: np.ndarray) -> np.ndarray:
    return np.exp(level_db * np.float32(np.log(10) / 10))


def _spoken_frames(bank: Bank, mix: Mix) -> int:
    assert mix.speech is not None
    place, start, _ = mix.speech
    n_frames = N_FRAMES // LENGTH_S * mix.n_seconds
    return min(bank.speeches.truths[place], n_frames - start)


def truth(bank: Bank, mix: Mix) -> dict[str, np.ndarray]:
    """What the ear should say, as `listening.losses` takes it, float32.

    activity, onsets, pan (K, 22), speech (K,), level_db (22,) with NaN where nothing is heard, and
    whether there is stereo.
    """
    n = TICKS * mix.n_seconds
    activity, onsets, pan, loud = (np.zeros((n, N)) for _ in range(4))
    level_db, speech = np.full(N, np.nan), np.zeros(n)
    for part in mix.parts:
        known = bank.stems.truths[part.place]
        column = known["instrument"]
        played, begun = _played(known, _moments(part, mix, 1))
        activity[:, column] = np.maximum(activity[:, column], played)
        onsets[:, column] += begun
        level_db[column] = np.fmax(level_db[column], part.level_db)
        heard = played * 10 ** (part.level_db / 10)
        pan[:, column] += heard * part.pan
        loud[:, column] += heard
    if mix.speech is not None:
        start = mix.speech[1]
        stop = start + _spoken_frames(bank, mix)
        speech[start // FRAMES_PER_TICK : stop // FRAMES_PER_TICK + 1] = 1
    found = {
        "activity": activity,
        "onsets": onsets,
        "pan": np.divide(pan, loud, out=np.zeros_like(pan), where=loud > 0),
        "speech": speech,
        "level_db": level_db,
        "stereo": np.array(mix.stereo),
    }
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def _played(known: dict[str, Any], moments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of ticks that a stem sounds, and notes that begin, between these moments."""
    n = TICKS * LENGTH_S
    played = np.asarray(known["activity"])[moments[:-1].astype(int) % n]
    begun = np.concatenate([[0.0], np.cumsum(np.tile(known["onsets"], 1 + int(moments[-1]) // n))])
    return played, np.diff(np.interp(moments, np.arange(len(begun)), begun))

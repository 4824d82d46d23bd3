"""What one player of an ensemble plays: a voice of a piece, in its range, unevenly as people do.

A note is `[onset_s, offset_s, pitch, velocity]` with MIDI pitches and velocities.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from musicavqa.bandstand.patches import PERCUSSION, RANGES
from musicavqa.bandstand.tunes import Step, Voice, patterns, piece_names, voices

Note = list[float]

TEMPO_FACTORS = (0.5, 1.0, 2.0)
"""A player takes the piece at half, full or double speed, so onset rates differ clearly."""
CHORDAL = ("accordion", "acoustic_guitar", "guzheng", "piano", "ukulele")
"""Instruments that add chord notes below the tune; all others but the drum play single notes."""
LONGEST_S = 1.6
"""A longer note is struck or bowed anew, so that a decaying sound does not look like a rest."""
SHORTEST_S = 0.12
RATE_HZ = (1.5, 2.0)
"""Onsets per second of the first voice at full speed."""
JITTER_S = 0.01
STRUM_S = 0.006
_WHITE_KEYS = (0, 2, 4, 5, 7, 9, 11)


@dataclass(frozen=True)
class Music:
    """What an ensemble has agreed on: the piece, its key, its speed and where it begins."""

    piece: str
    key: int
    """Semitones above the typed key."""
    tempo_bpm: float
    start_step: int
    """Steps of the first voice before the entry."""


def choose_music(rng: np.random.Generator) -> Music:
    """A random piece in a random key, at a speed that gives `RATE_HZ` onsets per second."""
    names = piece_names()
    piece = names[int(rng.integers(len(names)))]
    rate_hz = float(rng.uniform(*RATE_HZ))
    n_steps = len(voices(piece)[0])
    return Music(
        piece=piece,
        key=int(rng.integers(-5, 7)),
        tempo_bpm=60 * rate_hz * _mean_beats(piece),
        start_step=int(rng.integers(n_steps)) if rng.random() < 0.5 else 0,
    )


def part(
    instrument: str,
    rng: np.random.Generator,
    spans: Sequence[tuple[float, float]],
    music: Music,
    voice: int = 0,
    factor: float = 1.0,
) -> list[Note]:
    """The notes an instrument plays within `spans` (start_s, stop_s), which it fills without rests.

    Each span begins exactly at its start. `factor` is one of `TEMPO_FACTORS`; a voice the piece
    does not have is counted from the first one again.
    """
    steps = _steps(instrument, rng, music, voice)
    seconds_per_beat = 60 / music.tempo_bpm / factor
    shift = 0 if instrument in PERCUSSION else _shift(instrument, rng, steps, music.key)
    notes: list[Note] = []
    for start_s, stop_s in spans:
        onsets, chords = _timed(steps, seconds_per_beat, start_s, stop_s)
        fitted = [_fitted(instrument, pitches, shift) for pitches in chords]
        notes += _played(rng, _jittered(rng, onsets), fitted)
    return notes


@cache
def _mean_beats(piece: str) -> float:
    first = voices(piece)[0]
    return sum(beats for _, beats in first) / len(first)


def _steps(instrument: str, rng: np.random.Generator, music: Music, voice: int) -> Voice:
    """The steps of the part from its first note on, chords and patterns included."""
    if instrument in PERCUSSION:
        choices = patterns(instrument)
        return _stretched(choices[int(rng.integers(len(choices)))], _mean_beats(music.piece))
    lines = voices(music.piece)
    line = _rotated(lines[voice % len(lines)], _beats_before(music))
    return _harmonised(line) if instrument in CHORDAL and rng.random() < 0.7 else line


@cache
def _stretched(pattern: Voice, mean_beats: float) -> Voice:
    """A pattern slowed or sped up by a power of two to about `mean_beats` per step, or faster."""
    own = sum(beats for _, beats in pattern) / len(pattern)
    stretch = 2.0 ** math.floor(math.log2(mean_beats / own) + 0.2)
    return tuple((keys, beats * stretch) for keys, beats in pattern)


def _beats_before(music: Music) -> float:
    return sum(beats for _, beats in voices(music.piece)[0][: music.start_step])


@cache
def _rotated(line: Voice, beats_before: float) -> Voice:
    """The line from the first step at or after `beats_before`, going round."""
    passed = 0.0
    for index, (_, beats) in enumerate(line):
        if passed >= beats_before:
            return line[index:] + line[:index]
        passed += beats
    return line


@cache
def _harmonised(line: Voice) -> Voice:
    """The line with a fourth and a sixth of the scale below every note of a beat or more."""
    return tuple(
        ((*_below(pitches[0]), pitches[0]) if beats >= 1 else pitches, beats)
        for pitches, beats in line
    )


def _below(pitch: int) -> tuple[int, ...]:
    octave, semitone = divmod(pitch, 12)
    if semitone not in _WHITE_KEYS:
        return ()
    degrees = (_WHITE_KEYS.index(semitone) - 5, _WHITE_KEYS.index(semitone) - 3)
    return tuple(12 * (octave + degree // 7) + _WHITE_KEYS[degree % 7] for degree in degrees)


def _shift(instrument: str, rng: np.random.Generator, steps: Voice, key: int) -> int:
    """Semitones, a key and octaves, that bring most of the part into the instrument's range."""
    low, high = RANGES[instrument]
    lowest, highest = _compass(steps)
    fitting = [
        shift
        for shift in range(key - 48, key + 49, 12)
        if lowest + shift >= low and highest + shift <= high
    ]
    if fitting:
        return fitting[int(rng.integers(len(fitting)))]
    return key + 12 * round(((low + high - lowest - highest) / 2 - key) / 12)


@cache
def _compass(steps: Voice) -> tuple[int, int]:
    pitches = [pitch for chord, _ in steps for pitch in chord]
    return min(pitches), max(pitches)


def _fitted(instrument: str, pitches: Sequence[int], shift: int) -> list[int]:
    """Pitches after the shift, brought by octaves into the range, without doubles."""
    low, high = RANGES[instrument]
    if not shift and low <= pitches[0] and pitches[-1] <= high:
        return list(pitches)
    fitted = set()
    for pitch in pitches:
        pitch += shift
        while pitch > high:
            pitch -= 12
        while pitch < low:
            pitch += 12
        fitted.add(pitch)
    return sorted(fitted)


def _timed(
    steps: Voice, seconds_per_beat: float, start_s: float, stop_s: float
) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Onsets with the stop as their last entry, and the pitches of each onset."""
    onsets, chords, now_s = [], [], start_s
    for pitches, length_s in _restruck(steps, seconds_per_beat):
        onsets.append(now_s)
        chords.append(pitches)
        now_s += length_s
        if now_s > stop_s - SHORTEST_S:
            break
    return np.array([*onsets, stop_s]), chords


def _restruck(
    steps: Sequence[Step], seconds_per_beat: float
) -> Iterator[tuple[tuple[int, ...], float]]:
    """Pitches and seconds of each step, round and round, long steps divided."""
    while True:
        for pitches, beats in steps:
            length_s = max(beats * seconds_per_beat, SHORTEST_S)
            times = int(length_s // LONGEST_S) + 1
            for _ in range(times):
                yield pitches, length_s / times


def _jittered(rng: np.random.Generator, onsets: np.ndarray) -> np.ndarray:
    """Onsets with human unevenness; the first and the stop stay exact."""
    if len(onsets) < 3:
        return onsets
    bound = min(2 * JITTER_S, 0.15 * float(np.diff(onsets).min()))
    uneven = onsets.copy()
    uneven[1:-1] += np.clip(rng.normal(0, JITTER_S, len(onsets) - 2), -bound, bound)
    return uneven


def _played(
    rng: np.random.Generator, onsets: np.ndarray, chords: Sequence[Sequence[int]]
) -> list[Note]:
    """Notes with short gaps and uneven force; the notes of a chord start one after another."""
    offsets = onsets[:-1] + np.diff(onsets) * rng.uniform(0.86, 0.97)
    force = rng.uniform(72, 96) + rng.normal(0, 6, len(chords))
    velocities = np.clip(force, 40, 118).astype(int).tolist()
    rows = zip(onsets.tolist(), offsets.tolist(), chords, velocities, strict=False)
    return [
        [round(onset + STRUM_S * index, 3), round(offset, 3), pitch, velocity]
        for onset, offset, chord, velocity in rows
        for index, pitch in enumerate(chord)
    ]

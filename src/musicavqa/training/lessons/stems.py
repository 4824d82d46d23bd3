"""What the ear learns from: single players from several soundfonts, as log-mel power; and speech.

Stems are kept as the power of each band of `audio_logmel`, in dB, so that they can be mixed at any
level without making their sound again (`mixes`).
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.bandstand.fonts import USUAL, Fonts
from musicavqa.training.lessons.shards import Made, Material, Tell, make_material

if TYPE_CHECKING:
    from musicavqa.features.encoders.audio_logmel import LogMel

FIRST_SCENE = 10_000_000
"""Of split train, whose players are taken one by one."""
PER_SHARD = 100
AT_ONCE = 60
"""Players in one go of the synthesizer."""
LENGTH_S = 10
N_FRAMES = 500
SPEECHES_PER_SHARD = 50

Job = tuple[int, dict[str, Any], list[list[float]]]
"""Scene, player, notes."""


def make_stems(
    folder: Path, n_scenes: int, fonts: Fonts, seed: int, workers: int, tell: Tell
) -> Material:
    """Stems of the players of `n_scenes`: rows (500, 64) float16, dB of a stem of RMS 0.1.

    Truth: 'instrument', 'font' (its place among `fonts`), 'scene', and for each of 100 ticks
    'activity' and 'onsets'.
    """
    make = partial(_stems, fonts, seed)
    return make_material(folder, n_scenes, PER_SHARD, make, workers, tell)


def make_speeches(folder: Path, n: int, seed: int, workers: int, tell: Tell) -> Material:
    """Announcements: rows (500, 64) as of stems; truth is the number of frames that are spoken."""
    make = partial(_speeches, seed)
    return make_material(folder, n, SPEECHES_PER_SHARD, make, workers, tell)


def _stems(fonts: Fonts, seed: int, start: int, stop: int) -> Made:
    from musicavqa.bandstand.stems import dry_stems

    rows, truths = [], []
    for font, jobs in enumerate(_jobs(fonts, seed, start, stop)):
        data = fonts.read(fonts.names[font]) if jobs else b""
        for first in range(0, len(jobs), AT_ONCE):
            group = jobs[first : first + AT_ONCE]
            stems = dry_stems([(player, notes) for _, player, notes in group], data)
            for job, stem in zip(group, stems, strict=True):
                if stem is not None:
                    rows.append(power(stem))
                    truths.append(_truth(job, font))
    return np.stack(rows), truths


def _jobs(fonts: Fonts, seed: int, start: int, stop: int) -> list[list[Job]]:
    """The players of these scenes, by the font that each scene is played with."""
    from musicavqa.bandstand.patches import KINDRED
    from musicavqa.bandstand.scene import sample_scene

    rng = np.random.default_rng([seed, start])
    jobs: list[list[Job]] = [[] for _ in fonts.names]
    for index in range(start, stop):
        font = int(rng.choice(len(jobs), p=fonts.shares))
        for player in sample_scene("train", FIRST_SCENE + index)["players"]:
            notes = sorted(player["notes"] or player["gestures"])
            if fonts.names[font] != USUAL and player["instrument"] in KINDRED:
                patch = int(rng.choice(KINDRED[player["instrument"]]))
                player = {**player, "patch": patch}
            if notes:
                jobs[font].append((index, player, notes))
    return jobs


def _truth(job: Job, font: int) -> dict[str, Any]:
    from musicavqa.bandstand.truth import note_targets
    from musicavqa.questions import INSTRUMENTS

    scene, player, notes = job
    activity, onsets = note_targets(notes, LENGTH_S)
    return {
        "instrument": INSTRUMENTS.index(player["instrument"]),
        "font": font,
        "scene": scene,
        "activity": activity.round(4).tolist(),
        "onsets": onsets.tolist(),
    }


def power(sound: np.ndarray) -> np.ndarray:
    """(500, 64) float16: dB of each band of 10 s of mono sound at 32 kHz, as `audio_logmel`."""
    import soxr

    from musicavqa.bandstand.sound import RATE_HZ as RENDERED_HZ
    from musicavqa.features.encoders.audio_logmel import HOP, RATE_HZ, WINDOW
    from musicavqa.features.encoders.mel import spectra

    side = (WINDOW - HOP) // 2
    heard = soxr.resample(sound, RENDERED_HZ, RATE_HZ, "MQ")[: LENGTH_S * RATE_HZ]
    padded = np.pad(heard, (side, side + LENGTH_S * RATE_HZ - len(heard)))
    both = spectra(padded.astype(np.float32), WINDOW, HOP, WINDOW) * np.float32(4 / WINDOW)
    return _log_mel().level_db(both).astype(np.float16)


@cache
def _log_mel() -> LogMel:
    from musicavqa.features.encoders.audio_logmel import LogMel

    return LogMel()


def _speeches(seed: int, start: int, stop: int) -> Made:
    from musicavqa.bandstand.sound import ACTIVE_RMS, RATE_HZ
    from musicavqa.bandstand.speech import LINES, VOICES, say

    rng = np.random.default_rng([seed, start])
    rows, truths = [], []
    for _ in range(start, stop):
        line, voice = str(rng.choice(LINES)), str(rng.choice(VOICES))
        spoken = say(line, voice, int(rng.integers(20, 81)), int(rng.integers(130, 211)))
        sound = np.zeros(LENGTH_S * RATE_HZ, np.float32)
        kept = spoken[: len(sound)]
        sound[: len(kept)] = kept * (ACTIVE_RMS / np.sqrt(np.mean(kept**2)))
        rows.append(power(sound))
        truths.append(len(kept) * N_FRAMES // len(sound))
    return np.stack(rows), truths

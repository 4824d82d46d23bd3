"""Checks of the streams of rhythm, harmony and structure, as in stream_checks.py.

Onsets, structure and the harmonic-percussive split are checked on the usual clips without a
voice-over. Beats, tempo and key need players who keep together: `rehearse` of tests/rehearsals.py,
half as many as there are clips, half a minute each, heard before any codec.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import soxr

from musicavqa.bandstand import truth
from musicavqa.bandstand.patches import PERCUSSION
from musicavqa.bandstand.sound import RATE_HZ
from musicavqa.media import Media
from stream_checks import ROWS_HZ, Clip, Measure, Scores, against_truth, encoded, ranked

SHORT_S, LONG_S = 0.05, 0.5
"""How near an onset or beat, and how near a boundary must be (mir_eval's usual windows)."""
EDGE_S = 0.5
"""Nothing so near the ends of a clip is a boundary."""


def marked(column: np.ndarray, rate_hz: float) -> np.ndarray:
    """Seconds of the rows that are marked with 1."""
    return (np.flatnonzero(column > 0.5) + 0.5) / rate_hz


def without_voice(clips: Sequence[Clip]) -> list[Clip]:
    return [clip for clip in clips if not clip.has_voice]


def apart(times_s: Sequence[float], gap_s: float) -> np.ndarray:
    """Times in order, of those nearer than `gap_s` only the first."""
    kept: list[float] = []
    for time_s in sorted(times_s):
        if not kept or time_s - kept[-1] > gap_s:
            kept.append(time_s)
    return np.array(kept)


# Onsets and structure.


def check_onsets(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    dry, rate_hz = without_voice(clips), encoder.spec.rate_hz
    found = [marked(rows[:, 1], rate_hz) for rows in encoded(encoder, dry)]
    return against_truth(dry, found, _score_onsets)


def _score_onsets(clip: Clip, found_s: np.ndarray) -> Scores:
    """mir_eval.onset against the notes of all players; one chord is one onset."""
    notes = [note[0] for player in clip.scene["players"] for note in player["notes"]]
    reference = apart(notes, truth.CHORD_S)
    f, precision, recall = mir_eval.onset.f_measure(reference, found_s, window=SHORT_S)
    return {"onset F, 50 ms": f, "onset precision": precision, "onset recall": recall}


def check_structure(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    dry, rate_hz = without_voice(clips), encoder.spec.rate_hz
    found = [marked(rows[:, 1], rate_hz) for rows in encoded(encoder, dry)]
    return against_truth(dry, found, _score_structure)


def _score_structure(clip: Clip, found_s: np.ndarray) -> Scores:
    """Boundaries against the moments at which somebody enters or stops."""
    players = truth.read_truth(clip.scene).heard
    times = [time_s for player in players for interval in player.intervals for time_s in interval]
    last_s = clip.scene["duration_s"] - EDGE_S
    reference = apart([t for t in times if EDGE_S < t < last_s], SHORT_S)
    if not len(reference):
        return {"boundary F, 0.5 s": float("nan")}
    return {"boundary F, 0.5 s": mir_eval.onset.f_measure(reference, found_s, window=LONG_S)[0]}


def check_hpss(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    dry = without_voice(clips)
    return against_truth(dry, encoded(encoder, dry), _score_hpss)


def _score_hpss(clip: Clip, rows: np.ndarray) -> Scores:
    """Rows in which a note begins against others that sound; drums against the rest."""
    drums = np.array([player["instrument"] in PERCUSSION for player in clip.scene["players"]])
    power = clip.power
    heard = power.sum(axis=1) > 1e-5
    struck = (rows[:, 1] - rows[:, 0]).mean(axis=1)
    notes = [note[0] for player in clip.scene["players"] for note in player["notes"]]
    begins = np.zeros(clip.n_rows, bool)
    begins[(np.array(notes) * ROWS_HZ).astype(int)] = True
    share = power[:, drums].sum(axis=1) / np.maximum(power.sum(axis=1), 1e-9)
    many, few = struck[heard & (share > 0.6)], struck[heard & (share < 0.4)]
    return {
        "more percussive where a note begins": ranked(
            struck[heard & begins], struck[heard & ~begins]
        ),
        "more percussive where drums prevail": ranked(many, few),
    }


# Beats, tempo and key.


def rehearsed(encoder: Any, n_clips: int) -> tuple[list[Any], list[np.ndarray]]:
    """Rehearsals and the encoder's rows of them."""
    folder = str(Path(__file__).parents[1] / "tests")
    sys.path[:] = [*(place for place in sys.path if place != folder), folder]
    from rehearsals import rehearse

    rehearsals = [rehearse(index) for index in range(max(2, n_clips // 2))]
    rows = []
    for rehearsal in rehearsals:
        sound = rehearsal.sound
        kept = {}
        for wanted in encoder.spec.reads:
            resampled = soxr.resample(sound, RATE_HZ, wanted.rate_hz).T
            mono = resampled.mean(axis=0, keepdims=True)
            kept[wanted] = np.ascontiguousarray(mono if wanted.channels == 1 else resampled)
        media = Media(kept, rehearsal.scene["duration_s"], has_video=False, has_audio=True)
        rows.append(encoder.encode(media).astype(np.float32))
    return rehearsals, rows


def check_beats(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    rehearsals, rows = rehearsed(encoder, len(clips))
    rate_hz = encoder.spec.rate_hz
    found = [(marked(row[:, 2], rate_hz), marked(row[:, 3], rate_hz)) for row in rows]
    return against_truth(rehearsals, found, _score_beats)


def _score_beats(rehearsal: Any, found: tuple[np.ndarray, np.ndarray]) -> Scores:
    """mir_eval.beat of beats and downbeats; beats at half and double speed count in the second."""
    beats = rehearsal.beats_s
    doubled = np.sort(np.concatenate([beats, (beats[1:] + beats[:-1]) / 2]))
    levels = [beats, doubled, beats[::2], beats[1::2]]
    scores = [mir_eval.beat.f_measure(level, found[0]) for level in levels]
    return {
        "beat F, 70 ms": scores[0],
        "beat F at this, half or double speed": max(scores),
        "downbeat F, 70 ms": mir_eval.beat.f_measure(rehearsal.downbeats_s, found[1]),
    }


def check_tempo(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    rehearsals, rows = rehearsed(encoder, len(clips))
    return against_truth(rehearsals, [float(np.median(row[:, -2])) for row in rows], _score_tempo)


def _score_tempo(rehearsal: Any, bpm: float) -> Scores:
    """Accuracy 1 and 2 of Gouyon et al. 2006: within 4 %, and at simple multiples."""
    true = rehearsal.tempo_bpm
    multiples = [factor * true for factor in (1, 2, 3, 1 / 2, 1 / 3)]
    near = [abs(bpm - multiple) <= 0.04 * multiple for multiple in multiples]
    return {"tempo within 4 %": float(near[0]), "the same, simple multiples too": float(any(near))}


def check_chroma(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    rehearsals, rows = rehearsed(encoder, len(clips))
    keys = [int(row[:, 12:36].mean(axis=0).argmax()) for row in rows]
    return against_truth(rehearsals, keys, _score_key)


def _score_key(rehearsal: Any, key: int) -> Scores:
    """mir_eval.key: 1 for the key, 0.5 for its fifth, 0.3 the relative, 0.2 the parallel one."""
    from rehearsals import NAMES

    name = f"{NAMES[key % 12]} {'major' if key < 12 else 'minor'}"
    weighted = mir_eval.key.weighted_score(rehearsal.key, name)
    return {"key": float(weighted == 1.0), "key, weighted by nearness": weighted}


CHECKS: dict[str, Callable[[Any, Sequence[Clip]], list[Measure]]] = {
    "music_onsets": check_onsets,
    "music_beats": check_beats,
    "music_tempo": check_tempo,
    "music_hpss": check_hpss,
    "music_chroma": check_chroma,
    "music_structure": check_structure,
}

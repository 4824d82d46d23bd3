"""What the streams of rhythm, harmony and structure get right on rendered sound of known truth.

`check(clips)` gives a row per stream and measure. Onsets, percussion and boundaries are those of
the clips' own scenes; for beats, bars, tempo and key as many rehearsals (rehearsals.py) are
rendered, as the players of a usual scene have no common beat. `naive` is what costs no listening:
the estimate of the clip before, held against the truth of this one.

    python tests/features/rhythm_checks.py [CLIPS]    prints the means over so many clips
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mir_eval
import numpy as np

from musicavqa.bandstand.patches import PERCUSSION
from musicavqa.bandstand.sound import RATE_HZ, mix, stems
from musicavqa.bandstand.truth import CHORD_S, read_truth
from musicavqa.features.encoders import load_encoder, load_spec
from musicavqa.features.segments import event_times
from musicavqa.media import Media, Pictures, Sound
from rehearsals import NAMES, Rehearsal, rehearse

LASTING = (
    "accordion", "bagpipe", "bassoon", "cello", "clarinet", "erhu", "flute", "saxophone", "suona",
    "trumpet", "tuba", "violin",
)  # fmt: skip
"""Instruments whose notes last until they end, as against those that are struck or plucked."""
FIRST = 100
"""Scenes and rehearsals before this one served to set thresholds; figures are of later ones."""
NEAR_S = 0.5
"""A boundary is found within this: the looser of the two usual tolerances (0.5 s and 3 s)."""
STRUCK = 0.25
"""A row is called struck where the percussive part has this share of the power."""
TEMPO_RATIOS = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
Scores = dict[str, float]
Score = Callable[[Any, np.ndarray, float], Scores]


@dataclass(frozen=True)
class Row:
    """One line of the table; `values` and `naive` are (clips,), 0 to 1, NaN with nothing there."""

    stream: str
    measure: str
    values: np.ndarray
    naive: np.ndarray


class Heard:
    """A scene with its sound as it leaves the renderer, without a codec or a picture."""

    def __init__(self, scene: dict[str, Any], rehearsal: Rehearsal | None = None) -> None:
        self.scene, self.rehearsal, self._kept = scene, rehearsal, {}

    def media(self, reads: Sequence[Pictures | Sound]) -> Media:
        """The sound as each of `reads` wants it."""
        import soxr

        if "mix" not in self._kept:
            self._kept["mix"] = mix(self.scene)
        for item in reads:
            if item not in self._kept:
                sound = soxr.resample(self._kept["mix"], RATE_HZ, item.rate_hz).T
                mono = sound.mean(axis=0, keepdims=True)
                self._kept[item] = sound if item.channels == 2 else mono
        return Media({r: self._kept[r] for r in reads}, self.scene["duration_s"], False, True)


def scenes(n_clips: int, duration_s: float = 10.0) -> list[Heard]:
    """Usual scenes of the split 'val', from place 600,000 + `FIRST` on."""
    from musicavqa.bandstand.scene import sample_scene

    return [
        Heard(sample_scene("val", 600_000 + FIRST + index, duration_s=duration_s))
        for index in range(n_clips)
    ]


def rehearsals(n_clips: int) -> list[Heard]:
    """Pieces played together for 30 s."""
    played = [rehearse(FIRST + index) for index in range(n_clips)]
    return [Heard(rehearsal.scene, rehearsal) for rehearsal in played]


def check(clips: Sequence[Any]) -> Iterator[Row]:
    """All rows, one after another; a clip has `.scene` and `.media(reads)`, as `Heard` has."""
    for name in OF_SCENES:
        yield from check_stream(name, clips)
    played = rehearsals(len(clips))
    for name in OF_REHEARSALS:
        yield from check_stream(name, played)


def check_stream(name: str, clips: Sequence[Any]) -> list[Row]:
    """The rows of one stream."""
    encoder, rate_hz = load_encoder(name), load_spec(name).rate_hz
    score: Score = {**OF_SCENES, **OF_REHEARSALS}[name]
    heard = [encoder.encode(clip.media(encoder.spec.reads)).astype(float) for clip in clips]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # mir_eval warns of empty estimates, which score 0
        own = [score(clip, rows, rate_hz) for clip, rows in zip(clips, heard, strict=True)]
        others = [*heard[-1:], *heard[:-1]]
        naive = [score(clip, rows, rate_hz) for clip, rows in zip(clips, others, strict=True)]
    return [
        Row(name, key, *(np.array([each[key] for each in part]) for part in (own, naive)))
        for key in own[0]
    ]


def score_onsets(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """mir_eval.onset at 50 ms; the notes of a chord, and of players together, are one onset."""
    starts = np.sort([note[0] for player in clip.scene["players"] for note in player["notes"]])
    onsets = starts[np.diff(starts, prepend=-1) > CHORD_S]
    found = event_times(rows[:, 1], rate_hz)
    f, precision, recall = mir_eval.onset.f_measure(onsets, found, window=0.05)
    return {"onset F, 50 ms": f, "onset precision": precision, "onset recall": recall}


def score_structure(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """Changes of who plays (and of the voice-over), and entries alone, within half a second."""
    intervals = [
        interval for player in read_truth(clip.scene).heard for interval in player.intervals
    ]
    voice = clip.scene["voiceover"]
    changes = [edge for interval in intervals for edge in interval]
    changes += [voice["start_s"], voice["end_s"]] if voice else []
    found = event_times(rows[:, 1], rate_hz)
    hits, entries = (
        _hits(np.unique(np.round(times, 2)), found)
        for times in (changes, [start for start, _ in intervals])
    )
    return {
        "boundary precision, 0.5 s": hits / len(found) if len(found) else 0.0,
        "boundary recall": hits / len(np.unique(np.round(changes, 2))),
        "entries found": entries / len(np.unique(np.round([s for s, _ in intervals], 2))),
    }


def score_hpss(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """Rows in which one kind dominates: struck ones are at least `STRUCK` percussive, lasting not.

    A drum dominates with twice the power of all else, lasting tones with twenty times, as a soft
    drum stroke is rightly heard; struck and plucked tones are of neither kind.
    """
    struck, lasting = (_power(clip.scene, names) for names in (PERCUSSION, LASTING))
    other = _power(clip.scene, None) - struck - lasting
    drums = (struck > 1e-6) & (struck > 2 * (lasting + other))
    tones = (lasting > 1e-6) & (lasting > 20 * (struck + other))
    power = 10 ** (rows * 2.5)
    heard = power[:, 1].sum(axis=1) / power.sum(axis=(1, 2)) >= STRUCK
    return {
        "drums heard as struck": float(heard[drums].mean()) if drums.any() else float("nan"),
        "tones heard as lasting": float(1 - heard[tones].mean()) if tones.any() else float("nan"),
    }


def score_beats(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """mir_eval.beat: F at 70 ms, continuity at the typed beat, and at double or half of it."""
    truth: Rehearsal = clip.rehearsal
    found, bars = (event_times(rows[:, column], rate_hz) for column in (2, 3))
    _, same, _, any_level = mir_eval.beat.continuity(truth.beats_s, found)
    return {
        "beat F, 70 ms": mir_eval.beat.f_measure(truth.beats_s, found),
        "beats on, same level (CMLt)": same,
        "beats on, any level (AMLt)": any_level,
        "downbeat F, 70 ms": mir_eval.beat.f_measure(truth.downbeats_s, bars),
    }


def score_tempo(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """Within 4 % of the typed tempo, and of its third, half, double or triple."""
    ratio = float(np.median(rows[:, -2])) / clip.rehearsal.tempo_bpm
    octaves = [abs(ratio / level - 1) < 0.04 for level in TEMPO_RATIOS]
    return {"tempo, 4 %": float(abs(ratio - 1) < 0.04), "tempo or octave": float(any(octaves))}


def score_chroma(clip: Any, rows: np.ndarray, rate_hz: float) -> Scores:
    """mir_eval.key, weighted, of the key that correlates best over the clip."""
    best = int(rows[:, 12:36].mean(axis=0).argmax())
    name = f"{NAMES[best % 12]} {'major' if best < 12 else 'minor'}"
    return {"key, weighted": mir_eval.key.weighted_score(clip.rehearsal.key, name)}


OF_SCENES: dict[str, Score] = {
    "music_hpss": score_hpss,
    "music_onsets": score_onsets,
    "music_structure": score_structure,
}
OF_REHEARSALS: dict[str, Score] = {
    "music_beats": score_beats,
    "music_chroma": score_chroma,
    "music_tempo": score_tempo,
}


def _hits(truth: np.ndarray, found: np.ndarray) -> int:
    return len(mir_eval.util.match_events(truth, found, NEAR_S))


def _power(scene: dict[str, Any], names: Sequence[str] | None) -> np.ndarray:
    """Mean square per 100 ms of the dry stems of these instruments (None: of all)."""
    total = np.zeros(round(scene["duration_s"] * 10))
    for index, stem in stems(scene).items():
        if names is None or scene["players"][index]["instrument"] in names:
            total += np.square(stem).reshape(len(total), -1).mean(axis=1)
    return total


if __name__ == "__main__":
    for row in check(scenes(int(sys.argv[1]) if len(sys.argv) > 1 else 20)):
        n = int(np.isfinite(row.values).sum())
        means = f"{np.nanmean(row.values):6.3f} {np.nanmean(row.naive):6.3f}"
        print(f"{row.stream:16} {row.measure:28} {means} {n:4} clips", flush=True)

"""What each music stream gets right on rendered clips, whose notes, levels and places are known.

`CHECKS[stream](encoder, clips)` gives one `Measure` per thing that is measured: a number from 0 to
1 per clip (NaN where the clip has nothing to measure) and, for the same clips, what a guess without
listening scores: by default the estimate of one clip against the truth of the next one. A new
stream needs one function here (or in tests/features/rhythm_checks.py) and its name in CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np

from musicavqa.bandstand import sound as renderer
from musicavqa.bandstand import truth
from musicavqa.bandstand.gestures import Gestures
from musicavqa.bandstand.patches import PERCUSSION
from musicavqa.features.encoders import music_f0, music_loudness, music_motion, music_notes
from musicavqa.media import SOUND, Media, Pictures, Sound, read

Scores = dict[str, float]
ROWS_HZ = 10.0


@dataclass(frozen=True)
class Measure:
    """One line of the table; `values` and `naive` are (clips,), 0 to 1 or NaN."""

    name: str
    values: np.ndarray
    naive: np.ndarray
    naive_way: str = "other clip"


Check = Callable[[Any, "Sequence[Clip]"], list[Measure]]
"""From an encoder and clips."""


class Clip:
    """A rendered scene and what a decoder gives of its file."""

    def __init__(self, scene: dict[str, Any], path: Path) -> None:
        self.scene, self.path = scene, path
        self.n_seconds = round(scene["duration_s"])
        self.n_rows = round(scene["duration_s"] * ROWS_HZ)
        self.kept: dict[Any, np.ndarray | None] = {}

    def media(self, reads: Sequence[Pictures | Sound]) -> Media:
        """What the file holds of `reads`; decoded once for each."""
        if lacking := [item for item in reads if item not in self.kept]:
            self.kept |= read(self.path, lacking, n_threads=1).kept
        return Media(
            {item: self.kept[item] for item in reads}, self.scene["duration_s"], True, True
        )

    def notes(self) -> np.ndarray:
        """All notes of pitched instruments, (n, 3): onset, offset, sounding pitch."""
        rows = [
            (note[0], note[1], note[2] + player["detune"])
            for player in self.scene["players"]
            if player["instrument"] not in PERCUSSION
            for note in player["notes"]
        ]
        return np.array(sorted(rows)).reshape(-1, 3)

    @cached_property
    def power(self) -> np.ndarray:
        """Power of each player's dry stem per row, (rows, players); silent players have 0."""
        step = round(renderer.RATE_HZ / ROWS_HZ)
        power = np.zeros((self.n_rows, len(self.scene["players"])))
        for player, stem in renderer.stems(self.scene).items():
            power[:, player] = np.square(stem).reshape(-1, step).mean(axis=1)
        return power

    @property
    def has_voice(self) -> bool:
        return self.scene["voiceover"] is not None


def with_sound(media: Media, sound: np.ndarray | None, shift_s: float = 0.0) -> Media:
    """The same pictures with other sound (channels, n) at 16 kHz, `shift_s` later."""
    shift = round(shift_s * SOUND.rate_hz)
    moved = np.zeros_like(sound)
    moved[:, max(0, shift) : sound.shape[1] + min(0, shift)] = sound[
        :, max(0, -shift) : sound.shape[1] - max(0, shift)
    ]
    return replace(media, kept={**media.kept, SOUND: moved})


def against_truth(
    clips: Sequence[Clip],
    estimates: Sequence[Any],
    score: Callable[[Clip, Any], Scores],
) -> list[Measure]:
    """Measures of every score; the naive way is the estimate of the clip before."""
    own = [score(clip, estimate) for clip, estimate in zip(clips, estimates, strict=True)]
    others = [*estimates[-1:], *estimates[:-1]]
    chance = [score(clip, estimate) for clip, estimate in zip(clips, others, strict=True)]
    return [
        Measure(name, np.array([s[name] for s in own]), np.array([s[name] for s in chance]))
        for name in own[0]
    ]


def encoded(encoder: Any, clips: Sequence[Clip]) -> list[np.ndarray]:
    """Rows of each clip in float32."""
    return [encoder.encode(clip.media(encoder.spec.reads)).astype(np.float32) for clip in clips]


def mean(values: Any) -> float:
    """The mean, or NaN of nothing."""
    values = np.asarray(values, dtype=float)
    return float(values.mean()) if values.size else float("nan")


def ranked(high: np.ndarray, low: np.ndarray) -> float:
    """Share of pairs in which the one of `high` is above the one of `low`; ties count half."""
    if not len(high) or not len(low):
        return float("nan")
    difference = high[:, None] - low[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


# Pitch and notes.


def sounding(notes: np.ndarray, time_s: np.ndarray) -> list[np.ndarray]:
    """The pitches that sound at each time."""
    return [notes[(notes[:, 0] <= t) & (t < notes[:, 1]), 2] for t in time_s]


def check_f0(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    return against_truth(clips, encoded(encoder, clips), _score_f0)


def _score_f0(clip: Clip, rows: np.ndarray) -> Scores:
    """mir_eval.melody where one pitched note sounds; nearness to any note where several do."""
    time_s = (np.arange(clip.n_rows) + 0.5) / ROWS_HZ
    pitches = sounding(clip.notes(), time_s)
    one = np.array([len(p) == 1 for p in pitches])
    several = np.flatnonzero([len(p) > 1 for p in pitches])
    estimate = music_f0.to_hz(rows[:, 0])
    nan = float("nan")
    scores = {"raw pitch accuracy, one note": nan, "raw chroma accuracy, one note": nan}
    if one.any():
        reference = to_hz(np.array([p[0] for p in pitches if len(p) == 1]))
        voiced = np.ones(one.sum(), bool)
        cents = [mir_eval.melody.hz2cents(hz) for hz in (reference, estimate[one])]
        arguments = (voiced, cents[0], voiced, cents[1])
        scores = {
            "raw pitch accuracy, one note": mir_eval.melody.raw_pitch_accuracy(*arguments),
            "raw chroma accuracy, one note": mir_eval.melody.raw_chroma_accuracy(*arguments),
        }
    off = [np.abs(to_midi(estimate[i]) - pitches[i]).min() for i in several]
    scores["within 50 cents of some note, several notes"] = mean(np.array(off) <= 0.5)
    silent = np.array([len(p) == 0 for p in pitches])
    scores["confidence higher with a note than without"] = ranked(rows[one, 1], rows[silent, 1])
    return scores


def check_notes(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    wanted = encoder.spec.reads[0]
    events = [encoder.find_notes(clip.media([wanted])[wanted][0]) for clip in clips]
    rows = encoded(encoder, clips)
    return against_truth(clips, list(zip(events, rows, strict=True)), _score_notes)


def _score_notes(clip: Clip, estimate: tuple[list[music_notes.Note], np.ndarray]) -> Scores:
    """mir_eval.transcription of the events and mir_eval.multipitch of the rows above 0.3."""
    names = (
        "note F, onset 50 ms", "note precision", "note recall", "note F, with offset",
        "onset F, any pitch", "multi-pitch accuracy",
    )  # fmt: skip
    notes = without_doubles(clip.notes())
    if not len(notes):
        return dict.fromkeys(names, float("nan"))
    events, rows = estimate
    found = np.array([(n.onset_s, n.offset_s, n.pitch) for n in events]).reshape(-1, 3)
    sides = (notes[:, :2], to_hz(notes[:, 2]), found[:, :2], to_hz(found[:, 2]))
    score = mir_eval.transcription.precision_recall_f1_overlap
    precision, recall, f, _ = score(*sides, offset_ratio=None)
    onsets = mir_eval.transcription.onset_precision_recall_f1(notes[:, :2], found[:, :2])
    time_s = (np.arange(clip.n_rows) + 0.5) / ROWS_HZ
    reference = [to_hz(np.unique(np.round(p))) for p in sounding(clip.notes(), time_s)]
    heard_keys = [to_hz(np.flatnonzero(row > 0.3) + music_notes.LOWEST) for row in rows]
    several = mir_eval.multipitch.metrics(time_s, reference, time_s, heard_keys)
    values = (f, precision, recall, score(*sides)[2], onsets[2], several[2])
    return dict(zip(names, map(float, values), strict=True))


def without_doubles(notes: np.ndarray) -> np.ndarray:
    """Two players who strike the same key within 50 ms cannot be told apart: one note."""
    kept: list[np.ndarray] = []
    for note in notes:
        same = [k for k in kept if round(k[2]) == round(note[2]) and note[0] - k[0] < 0.05]
        if not same:
            kept.append(note)
    return np.array(kept).reshape(-1, 3)


def to_hz(pitch: np.ndarray) -> np.ndarray:
    return 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)


def to_midi(frequency_hz: float) -> float:
    return 69.0 + 12.0 * float(np.log2(frequency_hz / 440.0))


# Who plays, how loud, and where.


def check_tags(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    return against_truth(clips, encoded(encoder, clips), _score_tags)


def _score_tags(clip: Clip, rows: np.ndarray) -> Scores:
    """Per second in which somebody plays: are those who play ranked above those who do not?"""
    active = truth.activity(clip.scene, clip.n_seconds) > 0.5  # (T, 22)
    seconds = np.flatnonzero(active.any(axis=1))
    planes = {"YAMNet": rows[:, 0], "musicnn": rows[:, 1], "mean of both": rows.mean(axis=1)}
    scores = {}
    for name, tags in planes.items():
        pairs = [ranked(tags[t, active[t]], tags[t, ~active[t]]) for t in seconds]
        scores[f"playing above not playing, {name}"] = mean(pairs)
    first = [active[t, planes["mean of both"][t].argmax()] for t in seconds]
    return scores | {"first tag is playing, mean of both": mean(first)}


def check_loudness(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    signals = np.array([passed for _, passed in standard_signals()], float)
    silent = np.zeros(len(signals))
    dry = [clip for clip in clips if not clip.has_voice]
    return [
        Measure("test signals of EBU Tech 3341/3342 in tolerance", signals, silent, "none"),
        *against_truth(dry, encoded(encoder, dry), _score_loudness),
    ]


def _score_loudness(clip: Clip, rows: np.ndarray) -> Scores:
    """Two moments whose dry power differs by 3 dB or more: is the stronger one louder?"""
    window = np.ones(music_loudness.MOMENTARY) / music_loudness.MOMENTARY
    level_db = 10 * np.log10(np.convolve(clip.power.sum(axis=1), window, "same") + 1e-9)
    stronger, weaker = np.nonzero(level_db[:, None] >= level_db[None] + 3.0)
    loud = rows[:, 0]
    return {"stronger moment is louder": mean(loud[stronger] > loud[weaker])}


def standard_signals() -> list[tuple[str, bool]]:
    """Cases 1-5, 9, 12, 15-19 of EBU Tech 3341 and 1-4 of 3342: the name, and whether it holds."""
    programme = {
        "3341-1": (((20, -23),), -23), "3341-2": (((20, -33),), -33),
        "3341-3": (((10, -36), (60, -23), (10, -36)), -23),
        "3341-4": (((10, -72), (10, -36), (60, -23), (10, -36), (10, -72)), -23),
        "3341-5": (((20, -26), (20.1, -20), (20, -26)), -23),
    }  # fmt: skip
    ranges = {
        "3342-1": (((20, -20), (20, -30)), 10), "3342-2": (((20, -20), (20, -15)), 5),
        "3342-3": (((20, -40), (20, -20)), 20),
        "3342-4": (((20, -50), (20, -35), (20, -20), (20, -35), (20, -50)), 15),
    }  # fmt: skip
    found = []
    for name, (parts, lufs) in programme.items():
        rows = tone_rows(parts)
        found.append((name, abs(music_loudness.integrated(rows) - lufs) <= 0.1))
    for name, (parts, lu) in ranges.items():
        found.append((name, abs(music_loudness.loudness_range(tone_rows(parts)) - lu) <= 1.0))
    for name, column, parts in (("3341-9", 1, (1.34, 1.66)), ("3341-12", 0, (0.18, 0.22))):
        rows = tone_rows(tuple(zip(parts, (-20, -30), strict=True)) * 20)[20:-20, column]
        found.append((name, bool(np.all(np.abs(rows + music_loudness.GATE_LUFS + 23) <= 0.1))))
    return found + [(name, peak_holds(*case)) for name, case in PEAKS.items()]


PEAKS = {
    "3341-15": (4, 0.0, 0.5, -6.0), "3341-16": (4, 45.0, 0.5, -6.0),
    "3341-17": (6, 60.0, 0.5, -6.0), "3341-18": (8, 67.5, 0.5, -6.0),
    "3341-19": (4, 45.0, 1.41, 3.0),
}  # fmt: skip
"""Samples per period, phase in degrees, amplitude, and the true peak in dBTP."""


def peak_holds(period: int, phase: float, amplitude: float, dbtp: float) -> bool:
    """Whether a tone whose samples miss its peaks reads within +0.2 and -0.4 dB of them."""
    n = music_loudness.HEARD.rate_hz
    wave = amplitude * np.sin(2 * np.pi * np.arange(n) / period + np.radians(phase))
    wave *= np.minimum(1, np.arange(n) / 4800) * np.minimum(1, np.arange(n)[::-1] / 4800)
    peak = meter(np.tile(wave.astype(np.float32), (2, 1)))[:, 2].max() + music_loudness.GATE_LUFS
    return bool(dbtp - 0.4 <= peak <= dbtp + 0.2)


def tone_rows(parts: Sequence[tuple[float, float]]) -> np.ndarray:
    """Rows of a stereo sine of 1 kHz whose peaks have the levels `parts` (seconds, dBFS)."""
    rate_hz = music_loudness.HEARD.rate_hz
    peaks = np.concatenate([np.full(round(s * rate_hz), 10 ** (db / 20)) for s, db in parts])
    wave = peaks * np.sin(2 * np.pi * 1000 * np.arange(len(peaks)) / rate_hz)
    return meter(np.tile(wave.astype(np.float32), (2, 1)))


def meter(sound: np.ndarray) -> np.ndarray:
    """Rows of the encoder for stereo sound at 48 kHz, in the type in which they are stored."""
    wanted = music_loudness.HEARD
    duration_s = sound.shape[1] / wanted.rate_hz
    return music_loudness.load().encode(Media({wanted: sound}, duration_s, False, True))


def check_stereo(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    """Only clips whose players are not all in the centre; the naive way says 'the centre'."""
    panned = [c for c in clips if any(p["pan"] for p in c.scene["players"]) and not c.has_voice]
    rows = encoded(encoder, panned)
    own = [_score_stereo(clip, row) for clip, row in zip(panned, rows, strict=True)]
    centre = [_score_stereo(clip, 0 * row) for clip, row in zip(panned, rows, strict=True)]
    return [
        Measure(name, *(np.array([s[name] for s in side]) for side in (own, centre)), "centre")
        for name in own[0]
    ]


def _score_stereo(clip: Clip, rows: np.ndarray) -> Scores:
    """Per second: the azimuth of all that sounds, and the lead where one player is alone."""
    pan = np.array([player["pan"] for player in clip.scene["players"]])
    power = clip.power.reshape(clip.n_seconds, -1, len(pan)).mean(axis=1)  # (T, players)
    heard = np.flatnonzero(power.sum(axis=1) > 1e-5)
    share = power[heard] / power[heard].sum(axis=1, keepdims=True)
    angle = (pan + 1) * np.pi / 4
    right, left = share @ np.sin(angle) ** 2, share @ np.cos(angle) ** 2
    azimuth = np.arctan2(np.sqrt(right), np.sqrt(left)) * 4 / np.pi - 1
    guess = (rows[heard, :, 0] * rows[heard, :, 3]).sum(axis=1)
    alone = share.max(axis=1) > 0.98
    lead_ms = 1000 * renderer.EAR_DELAY_S * pan[share.argmax(axis=1)]
    strongest = (rows[heard, :, 3] * rows[heard, :, 2]).argmax(axis=1)
    guessed_ms = rows[heard, strongest, 1]
    return {
        "azimuth within 0.15": mean(np.abs(guess - azimuth) <= 0.15),
        "lead within 0.1 ms, one player": mean(np.abs(guessed_ms - lead_ms)[alone] <= 0.1),
    }


# Who moves, and whether it fits.


def region_of(player: dict[str, Any]) -> int:
    return music_motion.REGIONS.index(truth.region(player["x"]))


def check_motion(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    return against_truth(clips, encoded(encoder, clips), _score_motion)


def _score_motion(clip: Clip, rows: np.ndarray) -> Scores:
    """Regions and moments with a moving player against those without; movers against others."""
    time_s = np.arange(1, clip.n_rows) / ROWS_HZ
    moving = np.zeros((len(time_s), 3), bool)
    players: dict[bool, list[float]] = {True: [], False: []}
    for player in clip.scene["players"]:
        if not player["visible"]:
            continue
        if player["gestures"]:
            gestures = Gestures(player)
            moving[:, region_of(player)] |= [gestures.at(t).energy > 0.5 for t in time_s]
        column = min(music_motion.GRID - 1, int(player["x"] * music_motion.GRID))
        own = rows[1:, :49].reshape(-1, 7, 7)[:, :, column].max(axis=1)
        players[bool(player["gestures"])].append(float(own.mean()))
    regions = rows[1:, 49:]
    smooth = np.stack([np.convolve(r, np.ones(5) / 5, "same") for r in regions.T], axis=1)
    return {
        "moving region above still region": ranked(regions[moving], regions[~moving]),
        "the same, means of 0.5 s": ranked(smooth[moving], smooth[~moving]),
        "moving player above still player": ranked(*map(np.array, (players[True], players[False]))),
    }


SHIFTS_S = (-0.3, -0.15, 0.0, 0.15, 0.3)


def check_alignment(encoder: Any, clips: Sequence[Clip]) -> list[Measure]:
    """Regions in which somebody is seen and heard to play: sound shifted, and of another clip."""
    near, zero, fits = [], [], []
    for place, clip in enumerate(clips):
        regions = sorted({region_of(p) for p in clip.scene["players"] if p["behaviour"] == "plays"})
        media, shift_s = clip.media(encoder.spec.reads), SHIFTS_S[place % len(SHIFTS_S)]
        other = clips[place - 1].media([SOUND])[SOUND]
        own, shifted, foreign = (
            encoder.encode(with_sound(media, sound, shift)).astype(float)[:, regions]
            for sound, shift in ((media[SOUND], 0.0), (media[SOUND], shift_s), (other, 0.0))
        )
        best = shifted[..., 1].argmax(axis=0)  # the second that is surest of it
        lag_s = shifted[best, np.arange(len(regions)), 0]
        near.append(mean(np.abs(lag_s - shift_s) <= 0.1))
        zero.append(mean(np.full(len(regions), abs(shift_s) <= 0.1)))
        fits.append(mean(own[..., 1].mean(axis=0) > foreign[..., 1].mean(axis=0)))
    half = np.where(np.isnan(fits), np.nan, 0.5)
    return [
        Measure("lag within 0.1 s of a known shift", np.array(near), np.array(zero), "lag 0"),
        Measure("own sound stronger than another clip's", np.array(fits), half, "coin"),
    ]


CHECKS: dict[str, Check] = {
    "music_f0": check_f0,
    "music_notes": check_notes,
    "music_tags": check_tags,
    "music_loudness": check_loudness,
    "music_stereo": check_stereo,
    "music_motion": check_motion,
    "music_alignment": check_alignment,
}

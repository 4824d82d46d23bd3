"""Random scenes: the JSON of docs/scene.md, a pure function of (split, index).

Sight and sound must both be needed to answer, so what moves is often not what sounds: visible
players mime or sound without moving, others sound out of the picture, and some clips are dubbed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from musicavqa.bandstand.patches import PATCHES
from musicavqa.bandstand.score import TEMPO_FACTORS, Music, choose_music, part
from musicavqa.bandstand.speech import LINES, VOICES
from musicavqa.questions import INSTRUMENTS

Scene = dict[str, Any]
Span = tuple[float, float]
Item = TypeVar("Item")

SPLITS = ("train", "val", "test", "test-timbre", "test-art", "test-conflict")
SCENES_PER_SPLIT = 100_000_000
KINDS = {"solo": 0.20, "same": 0.25, "different": 0.55}
N_PLAYERS = {
    "solo": {1: 1.0},
    "same": {2: 0.42, 3: 0.25, 4: 0.14, 5: 0.08, 6: 0.06, 7: 0.03, 8: 0.02},
    "different": {2: 0.38, 3: 0.29, 4: 0.16, 5: 0.08, 6: 0.05, 7: 0.025, 8: 0.015},
}
LEADING = ("acoustic_guitar", "cello", "flute", "piano", "violin")
"""The most frequent instruments of MUSIC-AVQA; here half as frequent again as the others."""
LEVELS_DB = (0.0, -4.0, -8.0, -12.0)
LEFTMOST_X, RIGHTMOST_X = 0.11, 0.89
GAP_X = {1: 0.2, 2: 0.2, 3: 0.17, 4: 0.14, 5: 0.12, 6: 0.11, 7: 0.1, 8: 0.09}
"""Smallest distance between neighbours, by number of visible players."""
BORDERS_X = (0.4, 0.6)
"""Left and right begin here; nobody stands within `BORDER_MARGIN_X` of them."""
BORDER_MARGIN_X = 0.015
ENTRY_STEP_S = 0.6
SHORTEST_PLAYING_S = 1.5
SPEECH_S_PER_CHARACTER = 0.075
OCCLUDERS = ("audience", "plant", "music_stand")
MONO_RATE = 0.5
"""Share of clips without stereo: panning gives the place away, so it may not always be there."""
N_DUBBING = {1: 0.6, 2: 0.3, 3: 0.1}
"""How many play out of the picture in a dubbed clip, if there are as many in it."""


@dataclass(frozen=True)
class Rates:
    """How often sight and sound disagree, and how often things happen.

    `mimes`, `still` and `silent` are shares of the visible players beside the lead, and the rest of
    those plays; the lead always sounds, `still_lead` of them without moving. `dubbed` and
    `off_screen` exclude each other. All others are shares of clips, except `exits` and `pauses`,
    which are shares of players. Of all visible players 15 to 20 % each come out as mimes, still,
    silent and dubbed, and of all players as many are out of the picture (docs/scene.md).
    """

    mimes: float = 0.29
    still: float = 0.20
    silent: float = 0.29
    still_lead: float = 0.20
    dubbed: float = 0.16
    off_screen: float = 0.25
    entries: float = 0.45
    exits: float = 0.30
    pauses: float = 0.10
    voiceover: float = 0.35

    def __post_init__(self) -> None:
        if self.mimes + self.still + self.silent > 1 or self.dubbed + self.off_screen > 1:
            raise ValueError(f"Shares of behaviours or of clips exceed 1 in {self}.")


USUAL = Rates()
CONFLICT = Rates(mimes=0.42, still=0.42, silent=0.04, still_lead=0.5, dubbed=0.3, off_screen=0.5)
"""For `test-conflict`; a clip in which all agrees even so gets a player out of the picture."""


@dataclass(frozen=True)
class Role:
    """One player before any note: instrument, and what is seen and heard of it."""

    instrument: str
    visible: bool
    behaviour: str


def sample_scene(
    split: str,
    index: int,
    *,
    duration_s: float = 10.0,
    size: tuple[int, int] = (320, 240),
    fps: int = 10,
    rates: Rates | None = None,
) -> Scene:
    """The scene `index` of a split, always the same; `size` is (width, height) in pixels.

    `rates` None means `USUAL`, or `CONFLICT` in the split `test-conflict`.
    Raises ValueError for an unknown split, an index out of range, or less than 3 seconds.
    """
    seed = _seed(split, index)
    if duration_s < 3:
        raise ValueError(f"duration_s is {duration_s}; a scene needs at least 3 seconds.")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    rates = rates or (CONFLICT if split == "test-conflict" else USUAL)
    kind = _weighted(rng, KINDS)
    roles, dubbed = _roles(rng, kind, rates)
    if split == "test-conflict" and all(role.behaviour in ("plays", "silent") for role in roles):
        roles += _hidden(rng, roles, 1)
    return {
        "format": 1,
        "id": f"{split}-{index:08d}",
        "seed": seed,
        "split": split,
        "kind": kind,
        "duration_s": float(duration_s),
        "place": "indoor" if rng.random() < 0.55 else "outdoor",
        "dubbed": dubbed,
        "voiceover": _voiceover(rng, duration_s) if rng.random() < rates.voiceover else None,
        "players": _players(rng, roles, rates, duration_s, 3 if split == "test-art" else None),
        "stage": _stage(rng),
        "camera": _camera(rng),
        "sound": _sound(rng, "merlin" if split == "test-timbre" else "timgm6mb"),
        "video": _video(rng, size, fps),
    }


def floor_y(depth: float) -> float:
    """Where a player at this depth stands: fraction of the picture height from the top."""
    return 0.95 - 0.17 * depth


def player_scale(depth: float) -> float:
    """Standing height of a player at this depth, as a fraction of the picture height."""
    return 0.62 - 0.20 * depth


def _seed(split: str, index: int) -> int:
    """A number no other scene of any split has."""
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}; splits are {', '.join(SPLITS)}.")
    if not 0 <= index < SCENES_PER_SPLIT:
        raise ValueError(f"index is {index}; it must be within 0 to {SCENES_PER_SPLIT - 1}.")
    return SPLITS.index(split) * SCENES_PER_SPLIT + index


# Who is there.


def _roles(rng: np.random.Generator, kind: str, rates: Rates) -> tuple[list[Role], bool]:
    """The players from left to right, those out of the picture last, and whether it is dubbed."""
    instruments = _ensemble(rng, kind, _weighted(rng, N_PLAYERS[kind]))
    drawn = rng.random()
    if drawn < rates.dubbed:
        roles = [Role(i, True, "mimes" if rng.random() < 0.85 else "silent") for i in instruments]
        lead = int(rng.integers(len(roles)))
        roles[lead] = Role(instruments[lead], True, "mimes")
        return roles + _hidden(rng, roles, min(len(roles), _weighted(rng, N_DUBBING))), True
    lead = int(rng.integers(len(instruments)))
    roles = [Role(instrument, True, behaviour(rng, rates)) for instrument in instruments]
    leads = "still" if rng.random() < rates.still_lead else "plays"
    roles[lead] = Role(instruments[lead], True, leads)
    if drawn < rates.dubbed + rates.off_screen:
        roles += _hidden(rng, roles, 1 + int(rng.random() < 0.15))
    return roles, False


def _ensemble(rng: np.random.Generator, kind: str, n_players: int) -> list[str]:
    """Instruments from left to right; among three or more different ones two may be equal."""
    if kind != "different":
        return _instruments(rng, 1, ()) * n_players
    instruments = _instruments(rng, n_players, ())
    if n_players > 2 and rng.random() < 0.4:
        instruments[-1] = instruments[0]
        return [instruments[i] for i in rng.permutation(n_players)]
    return instruments


def _instruments(rng: np.random.Generator, n: int, without: Sequence[str]) -> list[str]:
    """`n` different instruments, none of those in `without`."""
    weights = [0.0 if name in without else 1.5 if name in LEADING else 1.0 for name in INSTRUMENTS]
    with np.errstate(divide="ignore"):
        waits = rng.exponential(size=len(INSTRUMENTS)) / np.array(weights)  # first come, first in
    return [INSTRUMENTS[i] for i in np.argsort(waits)[:n]]


def behaviour(rng: np.random.Generator, rates: Rates) -> str:
    """Of a visible player beside the lead: 'plays', 'mimes', 'still' or 'silent'."""
    shares = {"mimes": rates.mimes, "still": rates.still, "silent": rates.silent}
    return _weighted(rng, {**shares, "plays": 1 - sum(shares.values())})


def _hidden(rng: np.random.Generator, roles: Sequence[Role], n: int) -> list[Role]:
    """Players out of the picture, of instruments that are not in it."""
    names = _instruments(rng, n, [role.instrument for role in roles])
    return [Role(name, False, "still") for name in names]


# What they play.


def _players(
    rng: np.random.Generator,
    roles: Sequence[Role],
    rates: Rates,
    duration_s: float,
    variant: int | None,
) -> list[dict[str, Any]]:
    heard_music, unheard_music = choose_music(rng), choose_music(rng)
    n_visible = sum(role.visible for role in roles)
    places = list(zip(_positions(rng, n_visible), _depths(rng, n_visible), strict=True))
    places += [(_any(rng, (-0.2, 1.2)), 0.5) for _ in roles[n_visible:]]
    spans = _all_spans(rng, len(roles), rates, duration_s)
    levels = _levels(rng, len(roles))
    stereo = 0.0 if rng.random() < MONO_RATE else _uniform(rng, 0.5, 1.0)
    players = []
    for voice, (role, (x, depth)) in enumerate(zip(roles, places, strict=True)):
        music = unheard_music if role.behaviour == "mimes" else heard_music
        notes, gestures = _notes(rng, role, spans[voice], music, voice)
        players.append(
            {
                "instrument": role.instrument,
                "visible": role.visible,
                "x": x,
                "depth": depth,
                "behaviour": role.behaviour,
                "notes": notes,
                "gestures": gestures,
                "level_db": levels[voice],
                "pan": round(stereo * _pan(rng, x, role.visible), 3),
                "patch": _any(rng, PATCHES[role.instrument]),
                "detune": _uniform(rng, -0.15, 0.15),
                "look": _look(rng, variant),
                "person": _person(rng),
            }
        )
    return players


def _pan(rng: np.random.Generator, x: float, visible: bool) -> float:
    return 1.6 * x - 0.8 if visible else _uniform(rng, -0.8, 0.8)


def _notes(
    rng: np.random.Generator, role: Role, spans: Sequence[Span], music: Music, voice: int
) -> tuple[list, list]:
    """Notes and gestures by behaviour."""
    if role.behaviour == "silent":
        return [], []
    line = part(role.instrument, rng, spans, music, voice, _any(rng, TEMPO_FACTORS))
    if role.behaviour == "plays":
        return line, [list(note) for note in line]
    return ([], line) if role.behaviour == "mimes" else (line, [])


def _all_spans(
    rng: np.random.Generator, n_players: int, rates: Rates, duration_s: float
) -> list[list[Span]]:
    """When each player is active, entries exactly together or at least `ENTRY_STEP_S` apart."""
    first_s = _uniform(rng, 0.05, 0.05 * duration_s)
    starts = [first_s] * n_players
    if rng.random() < rates.entries:
        starts = [round(first_s + wait, 3) for wait in _waits(rng, n_players, 0.6 * duration_s)]
    stop_s = duration_s - _uniform(rng, 0.05, 0.3)
    return [_spans(rng, start_s, stop_s, rates) for start_s in starts]


def _waits(rng: np.random.Generator, n_players: int, longest_s: float) -> list[float]:
    """Seconds to each entry, all multiples of one step; in most clips the smallest is 0."""
    step_s = float(rng.uniform(ENTRY_STEP_S + 0.05, 2 * ENTRY_STEP_S))
    n_steps = max(2, int(longest_s / step_s))
    if rng.random() < 0.7 and n_steps >= n_players:
        steps = rng.permutation(n_steps)[:n_players]
    else:
        steps = rng.integers(min(n_steps, n_players + 1), size=n_players)
    earliest = int(steps.min()) if rng.random() < 0.7 else 0
    return ((steps - earliest) * step_s).tolist()


def _spans(rng: np.random.Generator, start_s: float, stop_s: float, rates: Rates) -> list[Span]:
    """One span, shortened by an exit, or two with a pause between them where there is room."""
    room_s = stop_s - start_s
    if rng.random() < rates.exits and room_s > SHORTEST_PLAYING_S:
        return [(start_s, start_s + max(SHORTEST_PLAYING_S, float(rng.uniform(0.3, 0.8)) * room_s))]
    if rng.random() < rates.pauses and room_s > 4 * SHORTEST_PLAYING_S:
        pause_s = float(rng.uniform(1.5, room_s - 2 * SHORTEST_PLAYING_S))
        begin_s = float(rng.uniform(SHORTEST_PLAYING_S, room_s - pause_s - SHORTEST_PLAYING_S))
        resume_s = round(start_s + begin_s + pause_s, 3)
        return [(start_s, start_s + begin_s), (resume_s, stop_s)]
    return [(start_s, stop_s)]


def _levels(rng: np.random.Generator, n_players: int) -> list[float]:
    """Levels of all players, mostly different ones where there are no more than four players."""
    if n_players <= len(LEVELS_DB) and rng.random() < 0.6:
        return [LEVELS_DB[i] for i in rng.permutation(len(LEVELS_DB))[:n_players]]
    return [_any(rng, LEVELS_DB) for _ in range(n_players)]


def _voiceover(rng: np.random.Generator, duration_s: float) -> dict[str, Any]:
    """A line short enough for the clip, at a random place."""
    room_s = duration_s - 0.4
    text = _any(rng, [line for line in LINES if SPEECH_S_PER_CHARACTER * len(line) <= room_s])
    length_s = SPEECH_S_PER_CHARACTER * len(text)
    start_s = _uniform(rng, 0.2, duration_s - 0.2 - length_s)
    return {
        "start_s": start_s,
        "end_s": round(start_s + length_s, 3),
        "text": text,
        "voice": _any(rng, VOICES),
        "pitch": int(rng.integers(30, 71)),
        "level_db": _uniform(rng, -4, 2),
    }


# How it looks and sounds.


def _positions(rng: np.random.Generator, n_players: int) -> list[float]:
    """Places from left to right, `GAP_X` apart and not on a border."""
    gap = GAP_X[n_players]
    room = RIGHTMOST_X - LEFTMOST_X - (n_players - 1) * gap
    while True:
        free = np.sort(rng.random(n_players)) * room
        places = LEFTMOST_X + free + gap * np.arange(n_players)
        if all(np.abs(places - border).min() >= BORDER_MARGIN_X for border in BORDERS_X):
            return [round(x, 4) for x in places.tolist()]


def _depths(rng: np.random.Generator, n_players: int) -> list[float]:
    """Depths; in a crowd all stand far, neighbours in turn before and behind each other."""
    depths = rng.uniform(0, 0.6, n_players)
    if n_players > 4:
        behind = (np.arange(n_players) + int(rng.integers(2))) % 2
        depths = 0.35 + 0.4 * behind + rng.uniform(0, 0.25, n_players)
    return [round(depth, 3) for depth in depths.tolist()]


def _look(rng: np.random.Generator, variant: int | None) -> dict[str, Any]:
    return {
        "variant": int(rng.integers(3)) if variant is None else variant,
        "tint": _uniform(rng, -1, 1),
        "proportion": _uniform(rng, 0.9, 1.1),
        "mirror": bool(rng.random() < 0.3),
    }


def _person(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "skin": int(rng.integers(6)),
        "hair": int(rng.integers(6)),
        "hair_style": int(rng.integers(5)),
        "top": rng.integers(20, 236, 3).tolist(),
        "bottom": rng.integers(15, 150, 3).tolist(),
        "face": int(rng.integers(4)),
        "height": _uniform(rng, 0.9, 1.1),
    }


def _stage(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "seed": int(rng.integers(1_000_000)),
        "light": _uniform(rng, 0.75, 1.15),
        "warmth": _uniform(rng, -0.5, 0.5),
        "occluder": _any(rng, OCCLUDERS) if rng.random() < 0.25 else None,
    }


def _camera(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "seed": int(rng.integers(1_000_000)),
        "sway": _uniform(rng, 0, 0.02, 4),
        "zoom": _uniform(rng, -0.06, 0.06),
        "shake": _uniform(rng, 0, 0.004, 4),
    }


def _sound(rng: np.random.Generator, font: str) -> dict[str, Any]:
    return {
        "font": font,
        "room": _uniform(rng, 0, 0.6),
        "noise_db": _uniform(rng, -75, -45, 1),
        "low_pass_hz": int(rng.integers(6000, 15001)),
        "gain_db": _uniform(rng, -6, 0, 1),
        "seed": int(rng.integers(1_000_000)),
    }


def _video(rng: np.random.Generator, size: tuple[int, int], fps: int) -> dict[str, Any]:
    return {
        "width": size[0],
        "height": size[1],
        "fps": fps,
        "crf": int(rng.integers(22, 33)),
        "blur": _uniform(rng, 0, 1) if rng.random() < 0.5 else 0.0,
        "grain": _uniform(rng, 0, 6, 1),
    }


# Random draws.


def _uniform(rng: np.random.Generator, low: float, high: float, digits: int = 3) -> float:
    return round(float(rng.uniform(low, high)), digits)


def _any(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    return items[int(rng.integers(len(items)))]


def _weighted(rng: np.random.Generator, shares: dict[Item, float]) -> Item:
    """A key of `shares` (which sum to 1), as often as its share says."""
    drawn = rng.random()
    for item, share in shares.items():
        drawn -= share
        if drawn < 0:
            return item
    return next(reversed(shares))

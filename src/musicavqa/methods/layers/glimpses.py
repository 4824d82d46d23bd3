"""What eye and ear say of each clip of a batch, before anything is made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor

from musicavqa.methods.layers.listening import TICKS, Hearing, Listener
from musicavqa.methods.layers.performer_map import FOLDED, PerformerMap, Sight
from musicavqa.methods.layers.performers import Peak, peaks
from musicavqa.methods.layers.photo_sight import shows_something
from musicavqa.records import Batch
from musicavqa.rules.photographs import FLOOR

EVERY_S = 4
"""Seconds from key frame to key frame, as `visual_keyframes` keeps them."""
WINDOW_S = 10
"""The ear hears so much at once: what it learned from was as long."""
LOUDER = (-0.5, 0.0, 0.5)
"""What is added to log-mel each time that a sound is heard again, in units of 25 dB."""
SILENCE = -1.9
"""Log-mel below this in every band (-97 dB) is digital silence."""


@dataclass(frozen=True)
class Glimpse:
    """What the senses say of one clip, or of a piece of one, of T seconds."""

    n_seconds: int
    frames: list[list[Peak]]
    """Peaks of each key frame."""
    outdoor: Tensor
    """(K,) logits of each key frame."""
    hearing: Hearing
    """Without an axis for clips."""
    movement: Tensor
    """(10 T, 24, 32)."""
    has_sound: bool
    has_picture: bool
    photo_maps: Tensor
    """(K, groups, 11, 14) what is known of photographs, of each key frame."""
    looks: Tensor
    """(K, 640) how each key frame looks as a whole; see `_looks`."""
    logmel: Tensor
    """(T, 1, 50, 64) of what left and right have in common."""
    yamnet: Tensor
    """(T, 1545)."""
    sight: Sight | None = None
    """What the peaks were read from; only kept to learn from."""


def perceive(
    eye: PerformerMap, ear: Listener, batch: Batch, learning: bool = False
) -> list[Glimpse]:
    """A glimpse of each clip; what a batch pads is neither seen nor heard."""
    lengths = batch.seconds.sum(1).tolist()
    sound = batch.streams["audio_logmel"]
    pictures = batch.streams["visual_keyframes"][:, ::EVERY_S]
    shown = [pictures[row, : -(-n // EVERY_S)] for row, n in enumerate(lengths)]
    sight = eye(torch.cat(shown)[:, : sum(FOLDED)])
    listen = ear if learning else partial(listen_again, ear)
    heard = hear(listen, [sound[row, :n] for row, n in enumerate(lengths)])
    glimpses, first = [], 0
    for row, n in enumerate(lengths):
        own = _part(sight, first, first + len(shown[row]))
        first += len(shown[row])
        photo = shown[row][:, sum(FOLDED) :].to(torch.half, copy=True)  # lets go of rows around
        has_picture = shows_something(photo.float().cpu().numpy())
        has_sound = bool((sound[row, :n, 0] > SILENCE).any() and sound[row, :n].any())
        middle = sound[row, :n, :1].to(torch.half, copy=True)
        glimpses.append(
            Glimpse(
                n_seconds=n,
                frames=peaks(own) if has_picture else [[] for _ in shown[row]],
                outdoor=own.outdoor,
                hearing=heard[row],
                movement=batch.streams["visual_movement"][row, :n].flatten(0, 1).half(),
                has_sound=has_sound,
                has_picture=has_picture,
                photo_maps=photo,
                looks=_looks(shown[row]),
                # rows of a sense that is missing are zeros, which would be loud
                logmel=middle if has_sound else middle.fill_(SILENCE),
                yamnet=batch.streams["audio_yamnet"][row, :n].half(),
                sight=own if learning else None,
            )
        )
    return glimpses


def listen_again(ear: Listener, rows: Tensor) -> Hearing:
    """The mean of what the ear says of rows (C, T, 2, 50, 64) and of them softer and louder, and
    with left and right exchanged, which makes no difference to what is played."""
    said = []
    for side in (1, -1) if rows[:, :, 1].any() else (1,):
        for louder in LOUDER:
            heard = ear(torch.stack([rows[:, :, 0] + louder, side * rows[:, :, 1]], 2))
            said.append(replace(heard, pan=side * heard.pan))
    return _merged(said, lambda same: torch.stack(same).mean(0))


def hear(ear: Callable[[Tensor], Hearing], sounds: Sequence[Tensor]) -> list[Hearing]:
    """The ear on clips (T, 2, 50, 64) of any length: windows of equal length go through together.

    A long clip is cut into windows; the last one reaches back, and only its new seconds are kept.
    """
    cuts = [(row, start) for row, sound in enumerate(sounds) for start in _starts(len(sound))]
    windows = [sounds[row][start : start + WINDOW_S] for row, start in cuts]
    said: dict[int, Hearing] = {}
    for length in {len(window) for window in windows}:
        same = [i for i, window in enumerate(windows) if len(window) == length]
        whole = ear(torch.stack([windows[i] for i in same]))
        said |= {i: _part(whole, place, place + 1) for place, i in enumerate(same)}
    pieces: list[list[Hearing]] = [[] for _ in sounds]
    for i, (row, start) in enumerate(cuts):
        known = sum(len(piece.speech) for piece in pieces[row])
        pieces[row].append(_map(said[i], lambda t, n=known - TICKS * start: t[0, n:]))
    return [_join(parts) for parts in pieces]


def _starts(n_seconds: int) -> list[int]:
    last = max(0, n_seconds - WINDOW_S)
    return [*range(0, last, WINDOW_S), last]


def joined(pieces: list[Glimpse], give_back: Callable[[], None] = lambda: None) -> Glimpse:
    """The pieces of one clip, in order, as one glimpse.

    They are taken out of the list, and `give_back` is called after each field, so that of hours no
    more than one field is held twice.
    """
    names = ("outdoor", "movement", "photo_maps", "looks", "logmel", "yamnet")
    parts = {name: [getattr(piece, name) for piece in pieces] for name in names}
    hearings = [piece.hearing for piece in pieces]
    n_seconds = sum(piece.n_seconds for piece in pieces)
    frames = [frame for piece in pieces for frame in piece.frames]
    has_sound = any(piece.has_sound for piece in pieces)
    has_picture = any(piece.has_picture for piece in pieces)
    pieces.clear()
    whole = {}
    for name in names:
        whole[name] = torch.cat(parts.pop(name))
        give_back()
    return Glimpse(
        n_seconds=n_seconds,
        frames=frames,
        hearing=_join(hearings),
        has_sound=has_sound,
        has_picture=has_picture,
        **whole,
    )


def _looks(rows: Tensor) -> Tensor:
    """Mean and spread over the picture of the coarsest stage, bars left out."""
    inside = (rows[:, sum(FOLDED) : -1] > FLOOR).any(1).any(0)
    if not inside.any():
        inside = torch.ones_like(inside)
    cells = rows[:, : FOLDED[0], inside]
    return torch.cat([cells.mean(2), cells.std(2)], 1)


def _join(parts: Sequence[Hearing]) -> Hearing:
    return _merged(parts, torch.cat)


def _merged(parts: Sequence[Hearing], how) -> Hearing:
    return Hearing(*map(how, zip(*map(_values, parts), strict=True)))


def _values(hearing: Hearing) -> list[Tensor]:
    return [getattr(hearing, f.name) for f in fields(Hearing)]


def _map(hearing: Hearing, change) -> Hearing:
    return Hearing(*map(change, _values(hearing)))


def _part(whole, first: int, stop: int):
    """Rows of a Sight or Hearing."""
    return type(whole)(*(getattr(whole, f.name)[first:stop] for f in fields(whole)))

"""Dry stems of many players at once, one MIDI file after another in one go of the synthesizer.

Reading a large soundfont takes longer than playing a few notes, so players follow each other in
slots of one file. Stems are gated and brought to one loudness as those of rendered clips (`sound`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from musicavqa.bandstand.patches import PERCUSSION
from musicavqa.bandstand.sound import (
    ACTIVE_RMS,
    RATE_HZ,
    Event,
    Note,
    active,
    gate,
    midi_file,
    mono,
    note_events,
    set_up,
    ticks,
)

LENGTH_S = 10
SLOT_S = 11.4
"""From one player's beginning to the next one's: his last note fades meanwhile."""
HEAD_S = 0.3
"""Notes are struck before their time, so that the first of a slot needs room."""
ALL_SOUND_OFF = 120
SILENT_RMS = 1e-5

Part = tuple[dict[str, Any], Sequence[Note]]
"""A player and the notes that he plays, in order."""


def dry_stems(parts: Sequence[Part], font: bytes) -> list[np.ndarray | None]:
    """Mono sound of each player, float32 (320000,) at 32 kHz, of RMS 0.1 over his notes.

    None where the font has no sound for his notes.
    """
    import midirenderer

    n = round(SLOT_S * len(parts) * RATE_HZ)
    whole = mono(midirenderer.render_wave_from(font, _one_after_another(parts)), n)
    stems = []
    for slot, (_, notes) in enumerate(parts):
        first = round((SLOT_S * slot + HEAD_S) * RATE_HZ)
        stems.append(_levelled(whole[first : first + LENGTH_S * RATE_HZ], notes))
    return stems


def _one_after_another(parts: Sequence[Part]) -> bytes:
    events: list[Event] = []
    for slot, (player, notes) in enumerate(parts):
        channel = 9 if player["instrument"] in PERCUSSION else 0
        first = ticks(SLOT_S * slot)
        events.append((first, bytes((0xB0 + channel, ALL_SOUND_OFF, 0))))
        events += set_up(player, first)
        events += note_events(player, notes, SLOT_S * slot + HEAD_S)
    events.append((ticks(SLOT_S * len(parts)), bytes((0xB0, 91, 0))))
    return midi_file(sorted(events, key=lambda event: event[0]))


def _levelled(wave: np.ndarray, notes: Sequence[Note]) -> np.ndarray | None:
    sounding = active(notes, len(wave))
    stem = wave * gate(sounding)
    rms = float(np.sqrt(np.mean(np.square(stem[sounding])))) if sounding.any() else 0.0
    return None if rms < SILENT_RMS else stem * np.float32(ACTIVE_RMS / rms)

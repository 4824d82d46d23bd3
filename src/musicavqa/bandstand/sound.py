"""The sound of a scene: every audible player as a dry stem, and the stereo mix of them in a room.

A stem is made of MIDI by the synthesizer of `midirenderer`, gated to the player's notes, brought to
one loudness, and only then given its `level_db`; so who sounds when and how loud is exact.
"""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from musicavqa.bandstand.patches import PATCHES, PERCUSSION, RANGES
from musicavqa.bandstand.speech import say_within

__all__ = ["PATCHES", "RANGES", "RATE_HZ", "mix", "stems"]

RATE_HZ = 32000
ACTIVE_RMS = 0.1
"""Root mean square of a stem at 0 dB over the player's notes; -20 dB of full scale."""
PEAK = 0.98
RELEASE_S = 0.15
"""A stem has faded to nothing so long after a note, unless another sounds."""
ATTACK_S = 0.003
SWELLING = (
    "bassoon", "cello", "clarinet", "erhu", "flute", "suona", "trumpet", "tuba", "violin",
)  # fmt: skip
LEAD_S = {"saxophone": 0.024, **dict.fromkeys(SWELLING, 0.012)}
"""Blown and bowed samples swell: their notes are struck so much earlier, and gated to the truth."""
USUAL_LEAD_S = 0.003
EAR_DELAY_S = 0.0006
"""How much later a sound from one side reaches the other ear."""

Note = Sequence[float]
Scene = dict[str, Any]
Event = tuple[int, bytes]
"""Tick (1 ms) and MIDI message."""


def mix(scene: Scene) -> np.ndarray:
    """The stereo sound of the scene, float32 (duration_s * 32000, 2), peaks below 0.98."""
    n = round(scene["duration_s"] * RATE_HZ)
    dry = np.zeros((2, n), np.float32)
    for index, stem in stems(scene).items():
        _place(dry, stem, scene["players"][index]["pan"])
    if scene["voiceover"] is not None:
        _place(dry, _announcement(scene["voiceover"], n), 0.0)
    heard = _in_room(dry, scene["sound"])
    heard *= 10 ** (scene["sound"]["gain_db"] / 20)
    heard *= min(1.0, PEAK / max(1e-9, float(np.abs(heard).max())))
    return np.ascontiguousarray(heard.T)


def stems(scene: Scene) -> dict[int, np.ndarray]:
    """Index in `players` -> dry mono sound at its level, float32, for every audible player."""
    n = round(scene["duration_s"] * RATE_HZ)
    font = font_bytes(scene["sound"]["font"])
    players = enumerate(scene["players"])
    return {i: _stem(player, font, n) for i, player in players if player["notes"]}


@lru_cache(maxsize=2)
def font_bytes(name: str) -> bytes:
    """The soundfont `timgm6mb` or `merlin`."""
    from musicavqa.features.encoders.weights import weight_file

    return weight_file(name).read_bytes()


def active(notes: Sequence[Note], n: int) -> np.ndarray:
    """Which of `n` samples lie within a note; bool (n,)."""
    sounding = np.zeros(n, bool)
    for note in notes:
        sounding[round(note[0] * RATE_HZ) : round(note[1] * RATE_HZ)] = True
    return sounding


# One player.


def _stem(player: dict[str, Any], font: bytes, n: int) -> np.ndarray:
    import midirenderer

    notes = sorted(player["notes"])
    midi = midi_bytes(player, notes, n / RATE_HZ)
    stem = mono(midirenderer.render_wave_from(font, midi), n)
    sounding = active(notes, n)
    stem *= gate(sounding)
    rms = float(np.sqrt(np.mean(np.square(stem[sounding])))) if sounding.any() else 0.0
    if rms < 1e-6:
        raise ValueError(
            f"The {player['instrument']} (patch {player['patch']}) makes no sound with its notes "
            f"{notes[:3]} ...; use a patch and pitches of bandstand.patches."
        )
    stem *= ACTIVE_RMS * 10 ** (player["level_db"] / 20) / rms
    return stem


def midi_bytes(player: dict[str, Any], notes: Sequence[Note], duration_s: float) -> bytes:
    """A MIDI file (1 tick = 1 ms, one track) of one player's notes, without reverb and chorus.

    It ends at `duration_s`. Percussion is on channel 10.
    """
    channel = 9 if player["instrument"] in PERCUSSION else 0
    events = [
        *set_up(player, 0),
        (ticks(duration_s), bytes((0xB0 + channel, 91, 0))),
        *note_events(player, notes, 0.0),
    ]
    return midi_file(sorted(events, key=lambda event: event[0]))


def set_up(player: dict[str, Any], tick: int) -> list[Event]:
    """What makes the channel the player's own: no reverb, no chorus, patch, detuning."""
    channel = 9 if player["instrument"] in PERCUSSION else 0
    bend = round(8192 + 4096 * player["detune"])  # the wheel reaches two semitones
    return [
        (tick, bytes((0xB0 + channel, 91, 0))),
        (tick, bytes((0xB0 + channel, 93, 0))),
        (tick, bytes((0xC0 + channel, player["patch"]))),
        (tick, bytes((0xE0 + channel, bend & 127, bend >> 7))),
    ]


def note_events(player: dict[str, Any], notes: Sequence[Note], start_s: float) -> list[Event]:
    """Beginning and end of each note, from the last to the first; the music begins at `start_s`."""
    channel = 9 if player["instrument"] in PERCUSSION else 0
    lead_s = LEAD_S.get(player["instrument"], USUAL_LEAD_S)
    events: list[Event] = []
    last_start: dict[int, int] = {}
    for onset_s, offset_s, pitch, velocity in reversed(notes):
        start, stop = ticks(start_s + onset_s - lead_s), ticks(start_s + offset_s)
        # The end of a note would also end the next one of the same pitch.
        stop = max(start + 1, min(stop, last_start.get(int(pitch), stop + 2) - 2))
        last_start[int(pitch)] = start
        events.append((start, bytes((0x90 + channel, int(pitch), int(velocity)))))
        events.append((stop, bytes((0x80 + channel, int(pitch), 0))))
    return events


def ticks(time_s: float) -> int:
    """Milliseconds; nothing is before the beginning."""
    return max(0, round(1000 * time_s))


def midi_file(events: Sequence[Event]) -> bytes:
    """A MIDI file of one track, 1 tick = 1 ms; the events are in order."""
    track, now = [b"\x00\xff\x51\x03" + (1_000_000).to_bytes(3, "big")], 0
    for tick, message in events:
        track.append(_variable_length(tick - now) + message)
        now = tick
    body = b"".join([*track, b"\x00\xff\x2f\x00"])
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1000)
    return header + b"MTrk" + struct.pack(">I", len(body)) + body


def _variable_length(number: int) -> bytes:
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))


def mono(rendered: bytes, n: int) -> np.ndarray:
    """`n` samples at 32 kHz of a 16-bit stereo WAV file."""
    import soxr

    with wave.open(io.BytesIO(rendered)) as file:
        rate_hz, samples = file.getframerate(), file.readframes(file.getnframes())
    stereo = np.frombuffer(samples, np.int16).reshape(-1, 2)
    sound = (stereo[:, 0].astype(np.float32) + stereo[:, 1]) / 65536
    sound = soxr.resample(sound, rate_hz, RATE_HZ, "MQ")
    return np.pad(sound, (0, max(0, n - len(sound))))[:n]


def gate(sounding: np.ndarray) -> np.ndarray:
    """1 while a note sounds, fading in before and out after it; float32, as long as `sounding`."""
    rise, fall = round(ATTACK_S * RATE_HZ), round(RELEASE_S * RATE_HZ)
    gate = sounding.astype(np.float32)
    edges = np.diff(gate, prepend=0, append=0)
    for start in np.flatnonzero(edges > 0):
        ramp = gate[max(0, start - rise) : start]
        rising = np.linspace(0, 1, rise, False, dtype=np.float32)
        np.maximum(ramp, rising[rise - len(ramp) :], out=ramp)
    for stop in np.flatnonzero(edges < 0):
        ramp = gate[stop : stop + fall]
        np.maximum(ramp, (np.linspace(1, 0, fall, dtype=np.float32) ** 3)[: len(ramp)], out=ramp)
    return gate


# All together.


def _announcement(voiceover: dict[str, Any], n: int) -> np.ndarray:
    """The voice-over at its place and level, float32 (n,), cut at its end."""
    start, stop = (round(voiceover[key] * RATE_HZ) for key in ("start_s", "end_s"))
    length_s = voiceover["end_s"] - voiceover["start_s"]
    speech = say_within(voiceover["text"], voiceover["voice"], voiceover["pitch"], length_s)
    speech = speech[: min(stop, n) - start]
    level = ACTIVE_RMS * 10 ** (voiceover["level_db"] / 20)
    sound = np.zeros(n, np.float32)
    sound[start : start + len(speech)] = speech * (level / np.sqrt(np.mean(speech**2)))
    return sound


def _place(stereo: np.ndarray, sound: np.ndarray, pan: float) -> None:
    """Add a mono sound at `pan` (-1 left, 1 right): constant power, later at the farther ear."""
    angle = (pan + 1) * np.pi / 4
    delay = round(EAR_DELAY_S * RATE_HZ * pan)
    for ear, gain, late in ((0, np.cos(angle), delay), (1, np.sin(angle), -delay)):
        late = max(0, late)
        stereo[ear, late:] += np.float32(gain) * sound[: len(sound) - late]


def _in_room(dry: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
    """Reverberation, noise and a gentle low-pass, all in one pass over the spectrum; (2, n)."""
    rng = np.random.default_rng(settings["seed"])
    n = dry.shape[1]
    response = _room_response(settings["room"], rng)
    size = _fast_size(n + response.shape[1])
    spectrum = np.fft.rfft(dry, size) * np.fft.rfft(response, size)
    frequency = np.fft.rfftfreq(size, 1 / RATE_HZ).astype(np.float32)
    spectrum += _pink(frequency, size, settings["noise_db"], rng)
    spectrum *= 1 / np.sqrt(1 + (frequency / settings["low_pass_hz"]) ** 4)
    return np.fft.irfft(spectrum, size)[:, :n]


def _room_response(room: float, rng: np.random.Generator) -> np.ndarray:
    """A direct sound and a tail of fading noise, another one for each ear; float32 (2, samples)."""
    reverberation_s = 0.15 + 0.45 * room
    n = round(reverberation_s * RATE_HZ)
    tail = rng.standard_normal((2, n), np.float32)
    tail *= np.exp(-6.9 * np.arange(n, dtype=np.float32) / n)  # -60 dB at the end
    tail[:, : round(0.005 * RATE_HZ)] = 0
    tail *= 0.4 * room / np.sqrt((tail**2).sum(1, keepdims=True))
    tail[:, 0] = 1
    return tail


def _pink(
    frequency: np.ndarray, size: int, level_db: float, rng: np.random.Generator
) -> np.ndarray:
    """Spectrum of pink noise whose samples have the root mean square `level_db`."""
    shape = 1 / np.sqrt(np.maximum(frequency, 40.0))
    parts = rng.standard_normal((2, len(frequency), 2), np.float32) * shape[:, None]
    noise = parts.view(np.complex64)[..., 0]
    energy = 2 * (np.abs(noise) ** 2).sum(1, keepdims=True) / size**2  # Parseval
    return noise * (10 ** (level_db / 20) / np.sqrt(energy))


def _fast_size(n: int) -> int:
    """The smallest 2^a 3^b 5^c (b, c < 3) that is at least `n`."""
    factors = [3**b * 5**c for b in range(3) for c in range(3)]
    return min(factor << max(0, -(-n // factor) - 1).bit_length() for factor in factors)

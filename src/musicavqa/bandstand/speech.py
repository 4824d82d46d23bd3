"""A voice that announces the concert, spoken by the espeak-ng library inside `espeakng-loader`."""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from threading import Lock

import numpy as np

RATE_HZ = 32000
VOICES = (
    "en-us", "en-us+f2", "en-us+f4", "en-us+m3", "en-us+m7", "en-gb-x-rp", "en-gb-x-rp+f3",
    "en-gb-scotland", "en-gb-scotland+f2", "de", "de+f3", "fr", "fr+f4", "es", "it+f2", "sv+m5",
)  # fmt: skip
"""Speakers: all read English, some with the accent of their own language."""
LINES = (
    "Good evening.",
    "And now, some music.",
    "Please listen closely.",
    "Here is the next piece.",
    "Enjoy the performance.",
    "This one is for all of you.",
    "Please turn off your phones.",
    "We are glad that you are here.",
    "Thank you all for coming tonight.",
    "The band has just come on stage.",
    "What you hear now was learned by ear.",
    "Please welcome the musicians of tonight.",
    "We recorded this concert last summer.",
    "Our next piece is a very old dance.",
    "This is the last piece before the break.",
    "They have been rehearsing for three weeks.",
    "Let us hear what they have prepared for us.",
    "The next tune comes from a village in the hills.",
    "Ladies and gentlemen, please welcome the players.",
    "Listen to how the melody comes back at the end.",
    "It is a pleasure to see so many people tonight.",
    "You are watching the open stage of our music school.",
    "The musicians wrote this arrangement by themselves.",
    "After the concert you can meet the players outside.",
    "This recording was made with only two microphones.",
    "The following piece is played here for the first time.",
)
WORDS_PER_MINUTE = 165

_ONE_AT_A_TIME = Lock()
_SYNCHRONOUS, _NO_EXIT, _UTF8 = 2, 0x8000, 1
_SPEED, _PITCH = 1, 3
_Receiver = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


def say(
    text: str, voice: str, pitch: int = 50, words_per_minute: int = WORDS_PER_MINUTE
) -> np.ndarray:
    """The spoken text, float32 mono at 32 kHz, silence at both ends removed.

    `voice` is one of `VOICES`, `pitch` 0 to 100, `words_per_minute` 80 to 450. Always the same
    samples for the same arguments.
    """
    if voice not in VOICES:
        raise ValueError(f"There is no voice {voice!r}; voices are {', '.join(VOICES)}.")
    if not text.strip():
        raise ValueError("There is nothing to say: the text is empty.")
    return _spoken(text, voice, int(pitch), int(words_per_minute)).copy()


def say_within(text: str, voice: str, pitch: int, length_s: float) -> np.ndarray:
    """The text spoken at the speed that makes it last `length_s`, as near as the voice allows."""
    speech = say(text, voice, pitch)
    speed = WORDS_PER_MINUTE
    for _ in range(2):  # the speed of the library is only roughly words per minute
        speed = round(min(450, max(80, speed * len(speech) / RATE_HZ / length_s)))
        speech = say(text, voice, pitch, speed)
    return speech


@lru_cache(maxsize=64)
def _spoken(text: str, voice: str, pitch: int, words_per_minute: int) -> np.ndarray:
    import soxr

    with _ONE_AT_A_TIME:
        samples, rate_hz = _synthesised(text, voice, pitch, words_per_minute)
    speech = soxr.resample(samples.astype(np.float32) / 32768, rate_hz, RATE_HZ, "HQ")
    loud = np.flatnonzero(np.abs(speech) > 0.004)
    return speech[loud[0] : loud[-1] + 1] if len(loud) else speech


def _synthesised(
    text: str, voice: str, pitch: int, words_per_minute: int
) -> tuple[np.ndarray, int]:
    """int16 samples and their rate.

    The library is loaded afresh for every text: its oscillators keep their state between texts,
    even over espeak_Terminate, so that samples would depend on what was said before. The noise in
    breathy voices is seeded, or it would depend on the time of day.
    """
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    pieces: list[np.ndarray] = []

    def receive(samples, n, _events) -> int:
        if samples and n > 0:
            pieces.append(np.ctypeslib.as_array(samples, (n,)).copy())
        return 0

    receiver = _Receiver(receive)
    try:
        data_path = espeakng_loader.get_data_path()
        rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, data_path.encode(), _NO_EXIT)
        if rate_hz <= 0:
            raise OSError(f"espeak-ng could not read its data in {data_path} ({rate_hz}).")
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        library.espeak_SetSynthCallback(receiver)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise OSError(f"The espeak-ng of espeakng-loader has no voice {voice!r}.")
        library.espeak_SetParameter(_SPEED, words_per_minute, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        data = text.encode()
        size = ctypes.c_size_t(len(data) + 1)
        library.espeak_Synth(data, size, 0, 0, 0, _UTF8, None, None)
        library.espeak_Synchronize()
    finally:
        library.espeak_Terminate()
        _unload(library)
    return np.concatenate(pieces), rate_hz


def _unload(library: ctypes.CDLL) -> None:
    import _ctypes

    name = "FreeLibrary" if sys.platform == "win32" else "dlclose"
    getattr(_ctypes, name)(library._handle)

"""Which General MIDI sounds stand for the 22 instruments, and how high and low each may play."""

from __future__ import annotations

PERCUSSION = ("drum", "congas")
"""Instruments on the percussion channel: their pitches are General MIDI percussion keys."""

PATCHES: dict[str, tuple[int, ...]] = {
    "accordion": (21,),
    "acoustic_guitar": (24, 25),
    "bagpipe": (109,),
    "banjo": (105,),
    "bassoon": (70,),
    "cello": (42,),
    "clarinet": (71,),
    "congas": (0,),
    "drum": (0, 8, 16),
    "electric_bass": (33,),
    "erhu": (110,),
    "flute": (73,),
    "guzheng": (107,),
    "piano": (0,),
    "pipa": (106,),
    # Not the alto, 65: key 64 of TimGM6mb is silent there.
    "saxophone": (64, 66, 67),
    "suona": (111,),
    "trumpet": (56,),
    "tuba": (58,),
    "ukulele": (24,),
    "violin": (40,),
    "xylophone": (13,),
}
"""General MIDI programs (from 0) of each instrument; for percussion the drum kits."""

KINDRED: dict[str, tuple[int, ...]] = {
    "accordion": (21, 21, 23),
    "drum": (0, 0, 8, 16, 24, 32),
    "electric_bass": (33, 33, 34, 35, 36),
    "piano": (0, 0, 1, 2),
    "saxophone": (64, 65, 66, 67),
    "trumpet": (56, 56, 59),
    "xylophone": (13, 13, 12),
}
"""Wider choices for fonts other than TimGM6mb: programs of the same kind of instrument."""

RANGES: dict[str, tuple[int, int]] = {
    "accordion": (55, 84),
    "acoustic_guitar": (40, 74),
    "bagpipe": (65, 81),
    "banjo": (50, 79),
    "bassoon": (36, 65),
    "cello": (38, 67),
    "clarinet": (52, 84),
    "congas": (62, 64),
    "drum": (35, 51),
    "electric_bass": (28, 52),
    "erhu": (60, 84),
    "flute": (62, 91),
    "guzheng": (50, 84),
    "piano": (40, 88),
    "pipa": (52, 81),
    "saxophone": (50, 78),
    "suona": (65, 86),
    "trumpet": (55, 81),
    "tuba": (30, 55),
    "ukulele": (60, 79),
    "violin": (57, 91),
    "xylophone": (67, 96),
}
"""Lowest and highest sounding MIDI pitch of each instrument, both included."""

DRUM_KEYS: dict[str, tuple[int, ...]] = {
    "drum": (35, 36, 38, 40, 42, 45, 46, 47, 48, 49, 50, 51),
    "congas": (62, 63, 64),
}
"""The percussion keys each percussion instrument may play."""

"""What the classes of ImageNet say of instruments and places: names that eye and method share.

An ImageNet classifier knows some 25 things that make music, but not in the words of MUSIC-AVQA: it
has no ukulele, and no cymbal but a gong. `GROUPS` joins its 1000 classes to what is worth telling
apart; their order is that of the channels of a photo map. `MEANINGS` says which of the 22
instruments a group stands for, as shares; what is left of 1 may be any instrument at all.
"""

from __future__ import annotations

import numpy as np

from musicavqa.questions import INSTRUMENTS

SOURCES: dict[str, tuple[int, ...]] = {
    "accordion": (401,), "acoustic guitar": (402,), "banjo": (420,), "bassoon": (432,),
    "cello": (486,), "drum": (541, 542), "electric guitar": (546,), "flute": (558,),
    "piano": (579, 881), "saxophone": (776,), "cornet": (513,), "violin": (889,),
    "marimba": (642,), "plectrum": (714,), "french horn": (566,), "gong": (577,),
    "harmonica": (593,), "harp": (594,), "maraca": (641,), "oboe": (683,), "ocarina": (684,),
    "organ": (687,), "panpipe": (699,), "steel drum": (822,), "trombone": (875,),
    "chime": (494,), "keyboard": (508, 810, 878),
}  # fmt: skip
"""ImageNet classes (0 to 999) of each thing that makes music, or looks like it."""

INDOOR = (
    406, 415, 421, 423, 424, 431, 435, 453, 454, 467, 482, 485, 493, 495, 498, 508, 509, 516, 520,
    526, 527, 532, 534, 545, 548, 550, 553, 556, 559, 564, 582, 598, 619, 620, 624, 632, 648, 650,
    651, 664, 681, 721, 736, 741, 742, 745, 750, 753, 754, 760, 762, 765, 782, 788, 789, 794, 799,
    811, 818, 819, 827, 831, 846, 848, 851, 854, 857, 859, 861, 865, 868, 885, 892, 894, 896, 897,
    904, 905,
)  # fmt: skip
"""Stages, rooms, furniture and machines of the house."""

OUTDOOR = (
    *range(80, 101), *range(127, 147), *range(339, 356), 403, 404, 405, 407, 410, 417, 425, 436,
    437, 442, 444, 449, 450, 460, 466, 468, 472, 475, 479, 483, 484, 489, 497, 500, 510, 511, 517,
    525, 536, 537, 538, 540, 547, 554, 555, 557, 562, 565, 569, 571, 573, 575, 576, 580, 586, 595,
    603, 609, 612, 621, 625, 627, 628, 634, 637, 640, 645, 646, 649, 654, 656, 660, 661, 663, 665,
    668, 670, 671, 672, 675, 682, 690, 694, 698, 701, 703, 704, 705, 706, 716, 717, 718, 727, 730,
    733, 734, 743, 751, 755, 757, 779, 780, 792, 802, 803, 807, 814, 817, 820, 821, 825, 829, 832,
    833, 835, 839, 843, 847, 853, 856, 858, 863, 864, 866, 867, 871, 873, 874, 877, 879, 880, 888,
    895, 900, 908, 912, 913, 914, 915, 919, 920, 958, *range(970, 981), *range(984, 998),
)  # fmt: skip
"""Landscapes, streets, vehicles, buildings from outside, plants and animals of the open."""

GROUPS = (*SOURCES, "indoor", "outdoor", "contrast")
"""Channels of a map: logarithms of shares, and at last how much the picture varies in a cell."""

FLOOR = -14.0
"""Logarithm of a share outside the picture."""

MEANINGS: dict[str, dict[str, float]] = {
    "accordion": {"accordion": 0.9},
    "acoustic guitar": {"acoustic_guitar": 0.74, "ukulele": 0.12, "pipa": 0.03, "banjo": 0.02},
    "banjo": {"banjo": 0.4, "acoustic_guitar": 0.35, "ukulele": 0.1, "pipa": 0.05},
    "bassoon": {"bassoon": 0.5, "clarinet": 0.1, "saxophone": 0.05, "suona": 0.05},
    "cello": {"cello": 0.85, "violin": 0.06, "erhu": 0.04},
    "drum": {"drum": 0.62, "congas": 0.36},
    "electric guitar": {"electric_bass": 0.45, "acoustic_guitar": 0.45, "ukulele": 0.03},
    "flute": {"flute": 0.65, "clarinet": 0.1, "suona": 0.03, "violin": 0.1},
    "piano": {"piano": 0.96},
    "saxophone": {"saxophone": 0.85, "tuba": 0.05, "clarinet": 0.02},
    "cornet": {"trumpet": 0.8, "suona": 0.08, "tuba": 0.06},
    "violin": {"violin": 0.78, "erhu": 0.06, "ukulele": 0.05, "cello": 0.04},
    "marimba": {"xylophone": 0.88, "guzheng": 0.06},
    "plectrum": {"acoustic_guitar": 0.4, "electric_bass": 0.3, "ukulele": 0.1, "banjo": 0.05},
    "french horn": {"tuba": 0.55, "trumpet": 0.2, "saxophone": 0.05},
    "gong": {"drum": 0.9, "congas": 0.02},
    "harmonica": {"accordion": 0.15, "flute": 0.05},
    "harp": {"guzheng": 0.3, "cello": 0.1, "erhu": 0.05, "pipa": 0.05},
    "maraca": {"drum": 0.4, "congas": 0.3},
    "oboe": {"clarinet": 0.4, "suona": 0.15, "flute": 0.1, "bassoon": 0.05},
    "ocarina": {"flute": 0.1},
    "organ": {"piano": 0.7, "accordion": 0.05},
    "panpipe": {"flute": 0.15, "bagpipe": 0.1, "clarinet": 0.05},
    "steel drum": {"drum": 0.9, "congas": 0.05},
    "trombone": {"trumpet": 0.4, "tuba": 0.25, "saxophone": 0.05},
    "chime": {"drum": 0.8},
    "keyboard": {"piano": 0.7},
}
"""Chosen by what looks alike, not fitted."""


def meaning_matrix() -> np.ndarray:
    """(groups that make music, 22): the share of each instrument behind each group."""
    matrix = np.zeros((len(SOURCES), len(INSTRUMENTS)))
    for row, name in enumerate(SOURCES):
        for instrument, share in MEANINGS[name].items():
            matrix[row, INSTRUMENTS.index(instrument)] = share
    return matrix + (1 - matrix.sum(1, keepdims=True)) / len(INSTRUMENTS)

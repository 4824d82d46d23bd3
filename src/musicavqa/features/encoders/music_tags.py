"""Instrument tags: how sure two networks are that each of the 22 instruments sounds, per second.

YAMNet and musicnn as in `audio_yamnet` and `audio_musicnn`, read where they have a name for the
instrument. Row (2, 22), 0 to 1, instruments in the order of `questions.INSTRUMENTS`: 0 YAMNet (the
highest of the classes named here), 1 musicnn. An instrument without a name of its own takes that
of its nearest relative (the suona the trumpet's, the pipa the mandolin's); one with an empty list,
which nothing comes near, is always 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders import audio_musicnn, audio_yamnet
from musicavqa.features.encoders.spec import Spec
from musicavqa.media import SOUND
from musicavqa.questions import INSTRUMENTS

if TYPE_CHECKING:
    from musicavqa.media import Media

Names = Mapping[str, Sequence[str]]

YAMNET: Names = {
    "accordion": ("Accordion",),
    "acoustic_guitar": ("Acoustic guitar", "Guitar", "Strum"),
    "bagpipe": ("Bagpipes",),
    "banjo": ("Banjo",),
    "bassoon": ("Wind instrument, woodwind instrument",),
    "cello": ("Cello",),
    "clarinet": ("Clarinet",),
    "congas": ("Tabla",),
    "drum": ("Drum kit", "Drum", "Snare drum", "Bass drum", "Hi-hat", "Cymbal"),
    "electric_bass": ("Bass guitar",),
    "erhu": ("Bowed string instrument",),
    "flute": ("Flute",),
    "guzheng": ("Zither",),
    "piano": ("Piano", "Electric piano"),
    "pipa": ("Mandolin",),
    "saxophone": ("Saxophone",),
    "suona": ("Trumpet",),
    "trumpet": ("Trumpet",),
    "tuba": ("Trombone", "Brass instrument"),
    "ukulele": ("Ukulele",),
    "violin": ("Violin, fiddle",),
    "xylophone": ("Marimba, xylophone", "Mallet percussion"),
}
MUSICNN: Names = {
    "accordion": (),
    "acoustic_guitar": ("guitar",),
    "bagpipe": (),
    "banjo": ("guitar",),
    "bassoon": (),
    "cello": ("cello",),
    "clarinet": (),
    "congas": ("drums",),
    "drum": ("drums", "beat", "beats"),
    "electric_bass": (),
    "erhu": (),
    "flute": ("flute",),
    "guzheng": ("harp",),
    "piano": ("piano",),
    "pipa": ("sitar",),
    "saxophone": (),
    "suona": (),
    "trumpet": (),
    "tuba": (),
    "ukulele": ("guitar",),
    "violin": ("violin",),
    "xylophone": (),
}

SPEC = Spec(
    name="music_tags",
    stream="music_tags",
    shape=(2, len(INSTRUMENTS)),
    reads=(SOUND,),
    weights=("yamnet", "musicnn"),
    licence="YAMNet: package states none, itself Apache-2.0; musicnn: ISC",
)


def load() -> Tags:
    """Both networks."""
    return Tags()


class Tags:
    """The two encoders whose tags are read."""

    spec = SPEC

    def __init__(self) -> None:
        self.yamnet, self.musicnn = audio_yamnet.load(), audio_musicnn.load()

    def encode(self, media: Media) -> np.ndarray:
        """(T, 2, 22) float16; zeros without sound."""
        return self.read(self.yamnet.encode(media), self.musicnn.encode(media))

    def read(self, yamnet: np.ndarray, musicnn: np.ndarray) -> np.ndarray:
        """The tags (T, 2, 22) of rows of `audio_yamnet` (T, 1545) and `audio_musicnn` (T, 250)."""
        sounds = highest(yamnet[:, audio_yamnet.EMBEDDING :], self.yamnet.classes, YAMNET)
        tags = highest(musicnn[:, audio_musicnn.EMBEDDING :], audio_musicnn.TAGS, MUSICNN)
        return np.stack([sounds, tags], axis=1)


def highest(probabilities: np.ndarray, classes: Sequence[str], names: Names) -> np.ndarray:
    """(T, 22): for each instrument the highest of the classes (T, n) that stand for it."""
    columns = [[classes.index(name) for name in names[instrument]] for instrument in INSTRUMENTS]
    best = [probabilities[:, column].max(axis=1, initial=0.0) for column in columns]
    return np.stack(best, axis=1)

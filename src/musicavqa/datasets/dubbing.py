"""Questions whose sound track is that of another clip (MUSIC-AVQA v2 replaces some).

A dubbed clip stands for the picture of one clip with the sound of another. It has a name of its
own, and its streams are read from the two, so everything behind it needs to know nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from musicavqa.features.store import ClipStore
from musicavqa.records import SENSES, Clip, Question


@dataclass(frozen=True)
class Dubbed:
    """A stream in which dubbed clips have the rows of another clip."""

    store: ClipStore
    rows_of: Mapping[str, str]
    """Dubbed clip -> the clip whose rows it has in this stream."""

    def __getitem__(self, clip: str, /) -> np.ndarray:
        return self.store[self.rows_of.get(clip, clip)]

    def __contains__(self, clip: object, /) -> bool:
        return (self.rows_of.get(clip, clip) if isinstance(clip, str) else clip) in self.store


def dub(
    clips: Sequence[Clip], questions: Sequence[Question], streams: Mapping[str, ClipStore]
) -> tuple[list[Clip], list[Question], dict[str, ClipStore]]:
    """The same with dubbed clips put in; keys stay, and nothing changes where none is needed."""
    picture, sound, added = {}, {}, []
    known, asked = {clip.id: clip for clip in clips}, []
    for question in questions:
        if question.sound_from is None:
            asked.append(question)
            continue
        name = f"{question.clip} with the sound of {question.sound_from}"
        if name not in picture:
            picture[name], sound[name] = question.clip, question.sound_from
            added.append(replace(known[question.clip], id=name, scene=None))
        asked.append(replace(question, clip=name))
    dubbed: dict[str, ClipStore] = {
        name: Dubbed(store, sound if name.startswith(SENSES["audio"]) else picture)
        for name, store in streams.items()
    }
    return [*clips, *added], asked, dubbed

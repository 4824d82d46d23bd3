"""Tempo, beats and key of a file, where the music streams are sure of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from musicavqa.media import Account, Limits

LONGEST_S = 300.0
"""The three streams need the whole sound at once; of longer files they are left out."""
STREAMS = ("music_tempo", "music_beats", "music_chroma")
SURE_TEMPO, SURE_KEY = 0.5, 0.1
"""Confidence of `music_tempo`, clearness of `music_chroma`, below which nothing is said. Beats that
cannot be relied on are none already (`music_beats`)."""
PITCHES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")


@dataclass(frozen=True)
class Music:
    """What is None, or empty, could not be told surely; `left_out` says why nothing was tried."""

    tempo_bpm: float | None = None
    tempo_confidence: float = 0.0
    beats_s: tuple[float, ...] = ()
    beat_confidence: float = 0.0
    key: str | None = None
    key_clearness: float = 0.0
    """How far the correlation with the best key is above that with the second."""
    left_out: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person."""
        if self.left_out is not None:
            return (f"Music: left out, {self.left_out}",)
        return (f"Music: {', '.join(self._facts())}",)

    def _facts(self) -> Iterator[str]:
        if self.tempo_bpm is None:
            yield "no sure tempo"
        else:
            yield f"tempo {self.tempo_bpm:.0f} a minute (confidence {self.tempo_confidence:.2f})"
        if not self.beats_s:
            yield "no sure beats"
        else:
            yield (
                f"{len(self.beats_s)} beats from {self.beats_s[0]:.1f} to {self.beats_s[-1]:.1f} s "
                f"(confidence {self.beat_confidence:.2f})"
            )
        if self.key is None:
            yield "no sure key"
        else:
            yield f"{self.key} (clearness {self.key_clearness:.2f})"

    def as_dict(self) -> dict[str, object]:
        """The same for machines."""
        return {**self.__dict__, "beats_s": list(self.beats_s)}


def read_music(path: Path | str, account: Account, has_sound: bool, limits: Limits) -> Music:
    """Tempo, beats and key of the file whose reading had this account; it is decoded once more.

    Raises what `media.read` raises, and FileNotFoundError where BeatNet's weights are missing.
    """
    from musicavqa.features.encoders import load_encoder
    from musicavqa.features.extraction import encode_media
    from musicavqa.media import read

    if not has_sound:
        return Music(left_out="there is no sound")
    if account.used_s > LONGEST_S:
        return Music(left_out=f"as it needs the whole sound: at most {LONGEST_S:.0f} s")
    encoders = [load_encoder(name) for name in STREAMS]
    wanted = [item for encoder in encoders for item in encoder.spec.reads]
    limited = replace(limits, seconds=min(limits.seconds, LONGEST_S))
    media = read(path, wanted, require="audio", limits=limited)
    rows = encode_media(media, encoders)
    rates = [encoder.spec.rate_hz for encoder in encoders]
    tempo, beats, chroma = (rows[name].astype(np.float64) for name in STREAMS)
    return heard_in(tempo, beats, chroma, rates[1])


def heard_in(tempo: np.ndarray, beats: np.ndarray, chroma: np.ndarray, beats_hz: float) -> Music:
    """Music of rows of `music_tempo` (n, 82), `music_beats` (m, 5) and `music_chroma` (n, 37)."""
    sure = tempo[:, -1]
    confidence = float(np.median(sure)) if len(sure) else 0.0
    order = tempo[:, -2].argsort()
    total = np.cumsum(sure[order])
    bpm = float(tempo[order, -2][np.searchsorted(total, total[-1] / 2)]) if confidence else None
    marked = np.flatnonzero(beats[:, 2] > 0)
    keys = chroma[:, 12:36].mean(0)
    first, second = np.sort(keys)[::-1][:2]
    best = int(keys.argmax())
    key = f"{PITCHES[best % 12]} {'major' if best < 12 else 'minor'}"
    clearness = float(first - second)
    return Music(
        tempo_bpm=bpm if confidence >= SURE_TEMPO else None,
        tempo_confidence=round(confidence, 4),
        beats_s=tuple(round(float(row) / beats_hz, 2) for row in marked),
        beat_confidence=round(float(beats[marked, 4].mean()), 4) if len(marked) else 0.0,
        key=key if clearness >= SURE_KEY else None,
        key_clearness=round(clearness, 4),
    )

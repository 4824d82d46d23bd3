"""Plain log-mel for networks that learn from the spectrum: 100 frames of 64 bands a second, mono.

VGGish's front end (25 ms windows every 10 ms, 64 HTK mel bands from 125 to 7500 Hz,
log(mel + 0.01)), without a gap between the seconds. CONVLSTM and FCNLSTM read it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from musicavqa.features.encoders.spec import Spec, n_seconds
from musicavqa.features.encoders.vggish import BANDS, HOP, RATE_HZ, WINDOW, log_mel
from musicavqa.features.encoders.windows import mono
from musicavqa.media import SOUND

if TYPE_CHECKING:
    from musicavqa.media import Media

FRAMES = RATE_HZ // HOP

SPEC = Spec(
    name="audio_logmel_10ms",
    stream="audio_logmel_10ms",
    shape=(1, FRAMES, BANDS),
    reads=(SOUND,),
    sees_s=1,
)


def load() -> LogMel10:
    """The transform."""
    return LogMel10()


class LogMel10:
    """Frame i of a second begins at i * 10 ms; the last two look 15 ms into the next second."""

    spec = SPEC

    def encode(self, media: Media) -> np.ndarray:
        """(T, 1, 100, 64) float16; zeros without sound."""
        n = n_seconds(media.duration_s)
        waveform = media[SOUND]
        if waveform is None:
            return np.zeros((n, *SPEC.shape), np.float16)
        sound = np.pad(mono(waveform, n * RATE_HZ), (0, WINDOW - HOP))
        return log_mel(sound).reshape(n, *SPEC.shape).astype(np.float16)

"""Bandstand clips whose beat, bar, tempo and key are known: one piece, played together.

A sampled scene lets its players enter anywhere, each at a speed of its own, so that an ensemble has
no common beat. Here the heard players of a sampled scene get new notes: the same piece at the same
speed from the same moment on. What a listener should find is then known without any analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from musicavqa.bandstand.score import Music, choose_music, part
from musicavqa.bandstand.tunes import voices

PIECES = {  # beats per bar, beats before the first bar, tonic (0 is C), mode
    "ode_to_joy": (4, 0, 0, "major"),
    "greensleeves": (3, 1, 9, "minor"),
    "twinkle": (4, 0, 0, "major"),
    "amazing_grace": (3, 1, 0, "major"),
    "auld_lang_syne": (4, 1, 0, "major"),
    "scarborough_fair": (3, 0, 2, "minor"),
    "mo_li_hua": (4, 0, 0, "major"),
    "sakura": (4, 0, 9, "minor"),
    "kalinka": (4, 0, 9, "minor"),
    "korobeiniki": (4, 0, 9, "minor"),
    "when_the_saints": (4, 3, 0, "major"),
    "danny_boy": (4, 1.5, 0, "major"),
    "simple_gifts": (4, 2, 0, "major"),
    "au_clair_de_la_lune": (4, 0, 0, "major"),
    "london_bridge": (4, 0, 0, "major"),
    "yankee_doodle": (4, 0, 0, "major"),
    "drunken_sailor": (4, 0, 2, "minor"),
    "jingle_bells": (4, 0, 0, "major"),
    "old_hundredth": (4, 0, 0, "major"),
    "la_folia": (3, 0, 9, "minor"),
    "minuet": (3, 0, 0, "major"),
    "canon": (4, 0, 0, "major"),
    "frere_jacques": (4, 0, 0, "major"),
}
NAMES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


@dataclass(frozen=True)
class Rehearsal:
    """A scene and what its players agreed on."""

    scene: dict[str, Any]
    music: Music
    tempo_bpm: float
    """Of the typed beat, at the speed they play it."""
    start_s: float
    stop_s: float

    @cached_property
    def sound(self) -> np.ndarray:
        """The stereo mix, float32 (n, 2) at 32 kHz."""
        from musicavqa.bandstand.sound import mix

        return mix(self.scene)

    @property
    def key(self) -> str:
        """As mir_eval writes it, such as 'F# minor'; modes count as the nearer of the two."""
        _, _, tonic, mode = PIECES[self.music.piece]
        return f"{NAMES[(tonic + self.music.key) % 12]} {mode}"

    @property
    def beats_s(self) -> np.ndarray:
        """Every beat while they play."""
        return self._grid(1.0)

    @property
    def downbeats_s(self) -> np.ndarray:
        """The first beat of every bar; wrong after the piece began again, if it ends in mid-bar."""
        return self._grid(PIECES[self.music.piece][0])

    def _grid(self, step_beats: float) -> np.ndarray:
        """Seconds of beats `pickup + k * step_beats`, counted from the start of the piece."""
        line = voices(self.music.piece)[0]
        before = sum(beats for _, beats in line[: self.music.start_step])
        pickup = PIECES[self.music.piece][1]
        first = -((before - pickup) // -step_beats) * step_beats + pickup - before
        last = (self.stop_s - self.start_s) * self.tempo_bpm / 60
        return self.start_s + np.arange(first, last, step_beats) * 60 / self.tempo_bpm


def rehearse(index: int, duration_s: float = 30.0) -> Rehearsal:
    """The rehearsal `index`, always the same; sight is not changed."""
    from musicavqa.bandstand.scene import sample_scene

    scene = sample_scene("val", 500_000 + index, duration_s=duration_s)
    rng = np.random.default_rng([7, index])
    music, factor = choose_music(rng), (0.5, 1.0)[int(rng.integers(2))]
    start_s, stop_s = float(rng.uniform(0.1, 1.0)), duration_s - 0.2
    heard = [player for player in scene["players"] if player["notes"]]
    for player in heard:
        player["notes"] = part(player["instrument"], rng, [(start_s, stop_s)], music, factor=factor)
    scene["voiceover"] = None
    return Rehearsal(scene, music, music.tempo_bpm * factor, start_s, stop_s)

"""Loud guess: a "model" that hears how loud a clip is, and says yes where it is loud."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from musicavqa.llm.contract import Ability, Adapter, ByLikelihood, Opening, Receipt, Reply, Request
from musicavqa.llm.sampling import RATE_HZ

ABILITY = Ability("A", ("score", "generate", "choose"), tier="ours", trained_on="nothing")


@dataclass
class LoudGuess(ByLikelihood):
    """Weighs candidates by loudness; `score` and `choose` follow from `weighed`."""

    level: float
    """Root mean square of the sound above which it says yes."""
    ability: Ability = ABILITY
    parallel: int = 1

    def identity(self) -> dict[str, Any]:
        """All that decides its answers."""
        return {"model": "loud_guess", "revision": "1", "level": self.level}

    def weighed(self, request: Request) -> tuple[np.ndarray, Receipt]:
        sound = request.material.sound
        wave = np.zeros(1) if sound is None else sound
        loudness = float(np.sqrt(np.square(wave).mean()))
        sure = np.log1p(loudness / self.level) - np.log(2)  # 0 at the level
        worth = {"yes": sure, "no": -sure}
        seconds = 0.0 if sound is None else len(sound) / RATE_HZ
        receipt = Receipt(seconds_heard=seconds, seconds_of_sound=seconds)
        return np.array([worth.get(text, -10.0) for text in request.candidates]), receipt

    def generate(self, request: Request) -> Reply:
        """Yes or no."""
        return self.choose(request)


def open_adapter(rest: str, opening: Opening) -> Adapter:
    """The adapter of `loud_guess` or `loud_guess:LEVEL`."""
    try:
        level = float(rest or 0.05)
    except ValueError:
        raise ValueError(f"loud_guess takes a level such as 0.05, got {rest!r}.") from None
    if not level > 0:
        raise ValueError(f"loud_guess takes a level above 0, got {level}.")
    return LoudGuess(level)

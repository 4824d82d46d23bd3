"""What the file of a language model says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from musicavqa.llm.layers.clip_tensors import Listening, Looking

Tier = Literal[
    "native", "by API", "re-implemented with weight loading", "re-implemented architecture",
    "recipe for an endpoint",
]  # fmt: skip
"""How far a system is here. native: the authors' network by transformers. by API: asked over the
network. re-implemented: our own code from its description, with or without a way for the published
weights to get in. recipe: only how to ask somebody who serves it."""
TIERS: tuple[str, ...] = get_args(Tier)


@dataclass(frozen=True)
class Card:
    """Who made it and what of it is here."""

    title: str
    system: str
    """Its name in the survey."""
    year: int
    venue: str
    senses: Literal["A", "V", "AV"]
    tier: Tier
    checked: str
    """What is checked by tests, in a few words."""
    missing: str
    """What of the original is not here."""
    licence: str
    """Of code and weights that the authors gave out; none of it is here."""
    trained_on: str
    """What the published weights saw of MUSIC-AVQA."""


@dataclass(frozen=True)
class Wanted:
    """What a model wants of a clip, and the words around it."""

    looking: Looking | None
    listening: Listening | None
    before: str = ""
    after: str = ""

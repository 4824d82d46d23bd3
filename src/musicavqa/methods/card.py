"""What a method file says about itself: its Card and its Recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Card:
    """Who made a method, what it reads, and which design marks of the survey it carries."""

    title: str
    year: int
    venue: str
    family: str
    """Such as 'prior', 'question only', 'grounding', 'adapters', 'language model'."""
    streams: tuple[str, ...] = ()
    """Streams read with default options; `Options.streams` overrules it where that exists."""
    texts: tuple[str, ...] = ()
    """Text streams of the question, likewise; 'text_minilm' for one. Words are always there."""
    truth: bool = False
    """Learns from `batch.truth`, what a rendered clip's scene says, beside the answers."""
    specialised_input: bool = False
    """Survey mark: inputs made for music (source separation, pitch, rhythm ...)."""
    spatial_temporal: bool = False
    """Survey mark: explicit spatial and temporal grounding."""
    music_specific: bool = False
    """Survey mark: uses knowledge of music in its design."""
    reference: Literal["official code", "paper only", "adapted", "ours"] = "ours"
    """What the numbers were checked against; only 'official code' may be called a reproduction."""
    trained: Literal["gradient", "counting"] = "gradient"
    """'counting' means that `Model.fit(questions)` does it all and there is no loop."""
    official_scores: str = ""
    """Row name in catalog/published_results.csv, where published scores stand."""
    checked: str = ""
    """What it was checked against, in a few words, where `reference` does not say it."""
    missing: str = ""
    """What of the original is not here, in a few words, for the table of all systems."""


@dataclass(frozen=True)
class Recipe:
    """How a method is trained on one data set; every field is kept in run.json."""

    epochs: int = 20
    batch_clips: int = 16
    """Different clips in a batch; all their chosen questions come with them."""
    learning_rate: float = 1e-4
    weight_decay: float = 0.0
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["cosine", "step", "constant"] = "cosine"
    warmup_epochs: float = 0.0
    """Linear rise of the learning rate from zero, in epochs (fractions allowed)."""
    step_epochs: int = 8
    """Schedule 'step': the rate is multiplied by `step_factor` after every so many epochs."""
    step_factor: float = 0.1
    gradient_clip: float | None = None
    """Largest L2 norm of the gradient; None leaves it alone."""
    patience: int | None = None
    """Stop after so many epochs without a better validation accuracy; None never stops early."""
    label_smoothing: float = 0.0
    max_questions_per_clip: int | None = None
    """Questions drawn anew per clip and epoch; None takes all."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_clips < 1:
            raise ValueError(
                f"A recipe needs at least one epoch and one clip per batch, "
                f"got epochs={self.epochs}, batch_clips={self.batch_clips}."
            )
        if self.schedule not in ("cosine", "step", "constant"):
            raise ValueError(f"schedule is cosine, step or constant, not {self.schedule!r}.")
        if self.optimizer not in ("adam", "adamw"):
            raise ValueError(f"optimizer is adam or adamw, not {self.optimizer!r}.")


USUAL = Recipe(
    epochs=30, batch_clips=16, learning_rate=3e-4, weight_decay=0.01,
    warmup_epochs=1, gradient_clip=1.0, patience=8,
)  # fmt: skip
"""What most methods are trained with by default, so that they are compared on equal terms."""

MUSIC_AVQA = Recipe(
    epochs=30, batch_clips=64, learning_rate=1e-4, optimizer="adam", schedule="step",
    step_epochs=10, max_questions_per_clip=1,
)  # fmt: skip
"""What the paper of MUSIC-AVQA says of its own network; of those it compares with, nothing."""


def official_keys(*parts: tuple[str, str, Mapping[str, str]]) -> dict[str, str]:
    """OFFICIAL_KEYS from parts of a network: (its official prefix, ours, official name -> ours)."""
    return {
        f"{theirs}{key}": f"{ours}{name}"
        for theirs, ours, names in parts
        for key, name in names.items()
    }

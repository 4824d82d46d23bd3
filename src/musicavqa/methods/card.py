"""What a method file says about itself: its Card and its Recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
    batch_questions: int | None = None
    """Instead of whole clips: so many questions, drawn from all, each once per epoch; clips that
    two of them are about stand once. This is how released programs make batches."""
    accumulate: int = 1
    """Batches that one step of the optimizer learns from."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of products while training; weights stay float32. 'float16' scales its losses."""
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    """Of Adam: how long means of gradients and of their squares last."""
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
    cpu_minutes: float | None = None
    """Stop, validate and end once a stage has taken so much CPU time, validation included. The
    schedule goes with passes or with this time, whichever is further on."""
    ties: Literal["first", "last"] = "first"
    """Which of several epochs with the best validation accuracy is kept."""
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
        if self.accumulate < 1 or (self.batch_questions or 1) < 1:
            raise ValueError(
                f"accumulate and batch_questions count from 1, "
                f"got {self.accumulate} and {self.batch_questions}."
            )
        if self.cpu_minutes is not None and self.cpu_minutes <= 0:
            raise ValueError(f"cpu_minutes is a time above 0, got {self.cpu_minutes}.")
        if self.batch_questions is not None and self.max_questions_per_clip is not None:
            raise ValueError(
                "batch_questions takes every question once per epoch, max_questions_per_clip "
                "draws some of each clip: give one of them (none takes the other away)."
            )
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                listed = f"{', '.join(known[:-1])} or {known[-1]}"
                raise ValueError(f"{name} is {listed}, not {getattr(self, name)!r}.")


_CHOICES = {
    "schedule": ("cosine", "step", "constant"),
    "optimizer": ("adam", "adamw"),
    "precision": ("float32", "bfloat16", "float16"),
    "ties": ("first", "last"),
}


@dataclass(frozen=True)
class Reproduction:
    """How those who published a method trained it on MUSIC-AVQA, for `--recipe published`.

    Its options are the file's PUBLISHED, with the released behaviour where there are two.
    """

    recipe: Recipe
    source: str
    """Where recipe and options were read, such as a repository."""
    stages: Mapping[str, Recipe] = field(default_factory=dict)
    differs: tuple[str, ...] = ()
    """In what a run here is not like theirs, besides what the file's docstring says."""


USUAL = Recipe(
    epochs=30, batch_clips=16, learning_rate=3e-4, weight_decay=0.01,
    warmup_epochs=1, gradient_clip=1.0, patience=8,
)  # fmt: skip
"""What most methods are trained with by default, so that they are compared on equal terms."""

MUSIC_AVQA = Recipe(
    epochs=30, batch_clips=64, batch_questions=64, learning_rate=1e-4, optimizer="adam",
    schedule="step", step_epochs=10,
)  # fmt: skip
"""What the paper of MUSIC-AVQA says of its own network; of those it compares with, nothing."""


RELEASED = Recipe(
    epochs=30, batch_clips=64, batch_questions=64, learning_rate=1e-4, optimizer="adam",
    schedule="step", step_epochs=8, ties="last", seed=1,
)  # fmt: skip
"""What most released programs for MUSIC-AVQA do: Adam, a tenth of the rate after every eight
epochs, batches of 64 questions drawn from all, and of equally good epochs the last."""


def official_keys(*parts: tuple[str, str, Mapping[str, str]]) -> dict[str, str]:
    """OFFICIAL_KEYS from parts of a network: (its official prefix, ours, official name -> ours)."""
    return {
        f"{theirs}{key}": f"{ours}{name}"
        for theirs, ours, names in parts
        for key, name in names.items()
    }

"""What a language model must offer to be asked: the contract between adapters and the runner.

An adapter is any object with the members of `Adapter`. It declares what it can do and which senses
it has; the runner asks nothing else of it and puts no question to it that its senses do not reach,
unless told to and then with a label. An adapter never swallows an error: what a model or a server
could not answer is raised as a `ModelError`, whose `kind` says what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol, get_args

import numpy as np

from musicavqa.llm.sampling import Material

Way = Literal["score", "generate", "choose"]
"""score: the likelihood of each candidate; generate: free text; choose: text that the model or its
server is held to candidates for."""
WAYS: tuple[str, ...] = get_args(Way)
Senses = Literal["V", "A", "AV", "none"]

ERROR_KINDS = (
    "timeout", "rate limit", "server", "refused request", "damaged reply", "cut short",
    "media ignored", "media", "model",
)  # fmt: skip


class ModelError(ValueError):
    """A question that was put and not answered: kept as an error, tried again, never scored."""

    def __init__(self, kind: str, message: str) -> None:
        if kind not in ERROR_KINDS:
            raise ValueError(f"There is no kind of error {kind!r}; there are {ERROR_KINDS}.")
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Ability:
    """What an adapter declares of its model."""

    senses: Senses
    ways: tuple[Way, ...]
    longest_sound_s: float | None = None
    """Of longer sound the rest is not heard; None where no limit is known."""
    tier: str = "native"
    """How the model is supported, as docs/llm.md defines: native, by API, re-implemented, ours."""
    trained_on: str | None = None
    """What is known of its exposure to MUSIC-AVQA; None where nobody knows."""

    def has(self, sense: str) -> bool:
        """Whether it sees ('V') or hears ('A')."""
        return self.senses != "none" and sense in self.senses


@dataclass(frozen=True)
class Generation:
    """Arguments of decoding, part of the key of every record."""

    max_tokens: int = 64
    temperature: float | None = None
    """None sends no temperature: greedy for local models, the server's own for others."""
    seed: int | None = None
    length: Literal["sum", "mean"] = "sum"
    """Of scoring: the log-likelihood of a candidate, or that per token."""
    prior: bool = False
    """Of scoring: what the same prompt gives without the clip is subtracted."""

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; it must be at least 1.")
        if self.length not in ("sum", "mean"):
            raise ValueError(f"length is {self.length!r}; choose sum or mean.")

    def as_dict(self) -> dict[str, Any]:
        """For keys and records."""
        return asdict(self)


@dataclass(frozen=True)
class Request:
    """One question as a model is asked it."""

    text: str
    """The whole prompt after the media."""
    system: str | None
    material: Material
    candidates: tuple[str, ...] = ()
    """The strings that `score` weighs and `choose` is held to."""
    generation: Generation = field(default_factory=Generation)


@dataclass(frozen=True)
class Receipt:
    """What of a clip reached the model, as far as can be told."""

    frames: int = 0
    seconds_heard: float = 0.0
    seconds_of_sound: float = 0.0
    """What there was to hear."""
    prompt_tokens: int | None = None
    picture_tokens: int | None = None
    sound_tokens: int | None = None
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For records."""
        return {**asdict(self), "notes": list(self.notes)}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    receipt: Receipt
    text: str | None = None
    """Of generate and choose, word for word."""
    scores: np.ndarray | None = None
    """(N,) of score: log-likelihood of each candidate, calibrated as the request says."""
    refused: str | None = None
    """Why the model or its guard would not answer; the text is then what it said, if anything."""
    usage: Mapping[str, Any] = field(default_factory=dict)
    """Tokens and money, the model and fingerprint that the server named, and so on."""


class ByLikelihood:
    """Ways of a model in this process that weighs candidates itself."""

    def weighed(self, request: Request) -> tuple[np.ndarray, Receipt]:
        """(N,) log-likelihood of each candidate, calibrated as the request says."""
        raise NotImplementedError

    def score(self, request: Request) -> Reply:
        """Likelihoods of the candidates after the prompt, which is read once."""
        scores, receipt = self.weighed(request)
        return Reply(receipt, scores=scores)

    def choose(self, request: Request) -> Reply:
        """The likeliest candidate."""
        scores, receipt = self.weighed(request)
        return Reply(receipt, text=request.candidates[int(np.argmax(scores))])


@dataclass(frozen=True)
class Opening:
    """How a model is opened."""

    device: str = "cpu"
    """cpu, cuda, or auto: spread over all devices."""
    bits: int | None = None
    """4 or 8."""
    price: tuple[float, float] | None = None
    """Of a million tokens in and out."""
    budget: float | None = None
    per_minute: float | None = None
    parallel: int = 4


class Adapter(Protocol):
    """A model that can be asked, by `parallel` threads at once."""

    @property
    def ability(self) -> Ability:
        """What it can do and which senses it has."""

    @property
    def parallel(self) -> int:
        """How many requests it takes at once: 1 for a model in this process."""

    def identity(self) -> dict[str, Any]:
        """Name, revision and all else that decides its answers; never a secret."""

    def score(self, request: Request) -> Reply:
        """Likelihood of every candidate."""

    def generate(self, request: Request) -> Reply:
        """Free text."""

    def choose(self, request: Request) -> Reply:
        """One of the candidates."""


def put(adapter: Adapter, way: Way, request: Request) -> Reply:
    """Ask; ValueError where the adapter cannot be asked this way or lacks what the way needs."""
    if way not in adapter.ability.ways:
        can = ", ".join(adapter.ability.ways)
        raise ValueError(f"{adapter.identity()['model']} cannot {way}; it can {can}.")
    if way != "generate" and len(request.candidates) < 2:
        raise ValueError(f"To {way} takes two candidates at least, got {request.candidates}.")
    reply: Reply = getattr(adapter, way)(request)
    if way == "score" and (reply.scores is None or len(reply.scores) != len(request.candidates)):
        raise ModelError("damaged reply", "scores of another number than candidates came back")
    return reply


def unreached(ability: Ability, cell: str) -> str | None:
    """Which sense a question of this cell needs that the model lacks: 'A', 'V' or None.

    Audio-visual questions need both.
    """
    needed = cell.partition("-")[0]
    lacking = "".join(sense for sense in needed if not ability.has(sense))
    return lacking or None

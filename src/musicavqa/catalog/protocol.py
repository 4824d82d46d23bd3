"""Under which protocol a score was made: what must be equal before two scores may be ranked.

Which benchmark and part of it, how many questions, how the model was trained, and what else sets a
row apart. What a source does not say stays unknown, and what is unknown is like nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from musicavqa.catalog.checks import doubted_averages
from musicavqa.catalog.schema import Catalogue, Result
from musicavqa.catalog.views import NOT_COMPARABLE

_APART = ("unofficial-split", "audio-only", "av-only", "no-audio")
"""Flags that say that something else was asked, or of somebody who lacks a sense."""
_PARTS = {"head": "head", "tail": "tail"}


@dataclass(frozen=True, order=True)
class Protocol:
    """What two scores must share. Empty and None mean that it is not said."""

    benchmark: str
    part: str
    """'overall', 'head' or 'tail'."""
    questions: int | None
    training: str
    """'supervised', 'zero-shot', 'instruction', or 'trained on ...' of another set."""
    apart: str = ""
    """What else sets it apart, such as 'no-audio' or '3,187 questions were trained on'."""

    @property
    def known(self) -> bool:
        """Whether everything is said that a ranking needs."""
        return bool(self.benchmark and self.questions is not None and self.training)

    def __str__(self) -> str:
        asked = "questions not said" if self.questions is None else f"{self.questions:,} questions"
        parts = (self.benchmark or "no benchmark", "" if self.part == "overall" else self.part)
        named = " ".join(filter(None, parts))
        trained = self.training or "training not said"
        return ", ".join(filter(None, (named, asked, trained, self.apart)))


def of_result(row: Result) -> Protocol:
    """The protocol of a published row, as far as its source says."""
    apart = ", ".join(flag for flag in row.flags if flag in _APART)
    return Protocol(row.benchmark, row.split, row.questions, row.training, apart)


def doubts(catalogue: Catalogue, row: Result) -> list[str]:
    """Why a published row gets no rank whatever its protocol; empty where nothing is against it."""
    flags = [flag for flag in row.flags if flag in NOT_COMPARABLE and flag not in _APART]
    return [*flags, *(["averages doubted"] if doubted_averages(catalogue, row) else [])]


def benchmark_of(asked: str) -> tuple[str, str]:
    """(benchmark of the catalogue, part) that 'set/split' is the test set of, or ('', '').

    A set that the catalogue has no benchmark for, such as bandstand, is its own.
    """
    name, _, split = asked.partition("/")
    part, _, revision = split.partition("@")
    if name == "bandstand":
        return name, "overall"
    if part not in ("test", *_PARTS) or revision not in ("", "json", "balance", "bias"):
        return "", ""
    ending = f"-{revision}" if name == "music_avqa_v2" else ""
    return name.replace("_", "-") + ending, _PARTS.get(part, "overall")

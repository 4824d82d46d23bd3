"""What a row of the catalogue may say: columns, types and the words allowed in each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CELLS = (
    "a_count", "a_comp", "v_count", "v_loc", "av_exist", "av_count", "av_loc", "av_comp", "av_temp",
)  # fmt: skip
GROUPS = {
    "a_avg": ("a_count", "a_comp"),
    "v_avg": ("v_count", "v_loc"),
    "av_avg": ("av_exist", "av_count", "av_loc", "av_comp", "av_temp"),
}
SCORES = (
    "a_count", "a_comp", "a_avg", "v_count", "v_loc", "v_avg",
    "av_exist", "av_count", "av_loc", "av_comp", "av_temp", "av_avg", "avg",
)  # fmt: skip
"""Columns of accuracies in percent: the nine cells, the three group averages, the overall one."""

COLUMN_OF = {
    "A-Counting": "a_count",
    "A-Comparative": "a_comp",
    "A": "a_avg",
    "V-Counting": "v_count",
    "V-Location": "v_loc",
    "V": "v_avg",
    "AV-Existential": "av_exist",
    "AV-Counting": "av_count",
    "AV-Location": "av_loc",
    "AV-Comparative": "av_comp",
    "AV-Temporal": "av_temp",
    "AV": "av_avg",
    "overall": "avg",
}
"""Groups of questions as our scores name them -> columns of accuracies."""

RESULT_COLUMNS = (
    "benchmark", "method", "variant", "split", *SCORES,
    "questions", "training", "kind", "anchor", "source", "flags", "note",
)  # fmt: skip

WORDS: dict[str, tuple[str, ...]] = {
    "scope": ("survey", "survey-text", "successor", "comparator"),
    "family": ("transformer", "cnn", "hybrid", "mllm", "other"),
    "family_from": ("survey", "stated", "inferred", "unknown"),
    "backbone": ("classic", "transformer", "foundation"),
    "spatial_temporal": ("yes", "no", "debatable", ""),
    "reports": ("own", "others", "unread", "none"),
    "cluster": ("A", "B", ""),
    "split": ("overall", "head", "tail"),
    "training": ("supervised", "zero-shot", "instruction", ""),
    "kind": ("own", "rerun", "cited", "plugin", "ablation", "control", "figure"),
    "anchor": ("yes", ""),
}
FLAGS: dict[str, str] = {
    "secondary": "read in a compilation or transcription, not in the paper itself",
    "adapted": "method made for another task, adapted by others without public code",
    "unreproduced": "no public code gives it, or the released evaluation is broken",
    "no-audio": "the model has no sound",
    "audio-only": "audio questions only",
    "av-only": "audio-visual questions only",
    "unofficial-split": "not the official test set",
    "swapped": "AV-counting and AV-location exchanged",
    "typo": "a value or name differs from its source",
    "wrong-label": "the numbers belong to another method",
    "wrong-benchmark": "the numbers belong to another benchmark",
    "reconciled": "put together from two sources that agree",
    "read-off": "read from the height of a bar",
    "rounded": "old rows of this source look rounded",
    "own-log": "from a log file whose evaluation is known to be broken",
}


@dataclass(frozen=True)
class Method:
    """One method. Empty means unknown; docs/catalog.md explains the fields."""

    name: str
    scope: str
    year: int
    family: str
    family_from: str
    backbone: str
    music_specific: bool
    specialised_input: bool
    reports: str
    title: str = ""
    venue: str = ""
    survey_spatial_temporal: bool | None = None
    spatial_temporal: str = ""
    spatial_temporal_why: str = ""
    music_note: str = ""
    input_note: str = ""
    audio_encoder: str = ""
    visual_encoder: str = ""
    text_encoder: str = ""
    parameters: str = ""
    paper: str = ""
    code: str = ""
    survey_link: str = ""
    link_note: str = ""
    cluster: str = ""
    note: str = ""
    line: int = 0

    @property
    def mark(self) -> bool | None:
        """The survey's spatial-temporal mark; ours for methods that the survey does not know."""
        if self.survey_spatial_temporal is not None:
            return self.survey_spatial_temporal
        return {"yes": True, "no": False}.get(self.spatial_temporal)


@dataclass(frozen=True)
class DataSet:
    """One benchmark. `tests` gives the cells of each known test set: {"9129": {"a_count": ...}}."""

    name: str
    title: str
    year: int
    venue: str
    size: str
    licence: str
    link: str = ""
    loader: str = ""
    survey_link: str = ""
    link_note: str = ""
    remarks: list[str] = field(default_factory=list)
    tests: dict[str, Any] = field(default_factory=dict)
    line: int = 0


@dataclass(frozen=True)
class Result:
    """One row of published accuracies, in percent. A score that was not published is absent."""

    benchmark: str
    method: str
    variant: str
    split: str
    scores: Mapping[str, float]
    decimals: int
    """Digits after the point, the most of any value of the row: how finely it was rounded."""
    questions: int | None
    training: str
    kind: str
    anchor: bool
    """The row that stands for its method in leaderboards and in the audit."""
    source: str
    flags: tuple[str, ...]
    note: str
    line: int

    @property
    def name(self) -> str:
        """Method and variant, as tables show them."""
        return f"{self.method} ({self.variant})" if self.variant else self.method

    @property
    def where(self) -> str:
        """File and line, as messages show them."""
        return f"published_results.csv line {self.line}"


@dataclass(frozen=True)
class Polygon:
    """One published polygon of a radar chart of the survey: a mean over bars of one colour."""

    benchmark: str
    spatial_temporal: bool
    scores: Mapping[str, float]
    source: str
    note: str


@dataclass(frozen=True)
class Catalogue:
    """Everything, checked: every result has a method and a benchmark, no row stands twice."""

    methods: Mapping[str, Method]
    datasets: Mapping[str, DataSet]
    results: tuple[Result, ...]
    polygons: tuple[Polygon, ...]

    def anchors(self, benchmark: str, split: str = "overall") -> list[Result]:
        """The rows that stand for their methods on a benchmark."""
        return [
            row
            for row in self.results
            if row.anchor and row.benchmark == benchmark and row.split == split
        ]

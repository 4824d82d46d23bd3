"""From predictions to a page of numbers: which questions, how read, how right, and how sure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from musicavqa.answers.reading import OUTCOMES
from musicavqa.answers.scorers import SCORERS, contains, read_answer, rule_name
from musicavqa.metrics import accuracy, bootstrap, calibration
from musicavqa.metrics.accuracy import MODALITIES, Count, Report
from musicavqa.metrics.bootstrap import Interval
from musicavqa.metrics.constants import constants
from musicavqa.records import Prediction, Question

ERROR_LIMIT = 0.01
"""Share of failed answers above which there is no headline number."""

RELEASES = {
    ("test", 9129): "MUSIC-AVQA test, corrected (9,129)",
    ("test", 9185): "MUSIC-AVQA test, original (9,185)",
    ("val", 4568): "MUSIC-AVQA val, corrected (4,568)",
    ("val", 4595): "MUSIC-AVQA val, original (4,595)",
}
"""Papers quote one name for two files; a score says which one it is about."""


@dataclass(frozen=True)
class Evaluation:
    """Scores with their intervals (95 %, bootstrap over clips) and what is needed to judge them."""

    title: str
    asked: str
    """Set and split, such as 'music_avqa/test'; '' for questions of several."""
    n_clips: int
    scores: Report
    intervals: dict[str, Interval]
    """By the names of groups, kinds and parts; without those that were not asked."""
    calibration_error: float | None
    """ECE in percent, 15 bins; None when a prediction has no confidence."""
    rule: str | None
    """How free text was read, such as 'span/1'; None for predictions that are answers already."""
    outcomes: dict[str, int]
    """How many texts had which outcome of reading; empty without free text."""
    constants: dict[str, float]
    """Accuracy in percent of answers that ignore the clip."""

    @property
    def withheld(self) -> str | None:
        """Why there is no headline number, or None."""
        errors, asked = self.outcomes.get("error", 0), self.scores["overall"].asked
        if errors <= ERROR_LIMIT * asked:
            return None
        return (
            f"{errors} of {asked} answers are failures of the run, not of the model "
            f"(limit {ERROR_LIMIT:.0%}). They count as wrong; run these questions again."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for JSON."""
        tables = {
            table: accuracy.as_numbers(counts) for table, counts in self._tables().items() if counts
        }
        for table in tables.values():
            for name, numbers in table.items():
                if name in self.intervals:
                    numbers["interval"] = [self.intervals[name].low, self.intervals[name].high]
        headline = None if self.withheld else self.scores["overall"].accuracy
        return {
            "title": self.title,
            "set": self.asked,
            "n_clips": self.n_clips,
            "headline": headline,
            "withheld": self.withheld,
            **tables,
            "macro": self.scores.macro,
            "rule": self.rule,
            "outcomes": self.outcomes,
            "constants": self.constants,
            "calibration_error": self.calibration_error,
        }

    def csv(self) -> str:
        """Every row of every table, and the macro averages, with unrounded numbers."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(
            ["table", "name", "accuracy", "low", "high", "asked", "answered", "unreadable",
             "no_media", "correct"]
        )  # fmt: skip
        for table, counts in self._tables().items():
            for name, count in counts.items():
                if count.asked:
                    found = self.intervals[name]
                    numbers = [count.asked, count.answered, count.unreadable, count.no_media]
                    ends = [found.low, found.high]
                    lines.writerow([table, name, count.accuracy, *ends, *numbers, count.correct])
        for name, value in self.scores.macro.items():
            lines.writerow(["macro", name, value, *[""] * 7])
        return text.getvalue()

    def table(self) -> str:
        """Aligned lines for people: the cells with micro and macro averages, kinds, parts."""
        head = ["accuracy", "95 % interval", "asked", "answered", "unreadable", "no media"]
        lines = [self.title + self._about(), "", _line("", head)]
        for table, counts in self._tables().items():
            asked = {name: count for name, count in counts.items() if count.asked}
            if asked and table != "groups":
                lines += ["", f"by {'kind of answer' if table == 'kinds' else 'part'}"]
            lines += [line for name in asked for line in self._rows(table, name, asked[name])]
        return "\n".join([*lines, "", *self._notes()])

    def _tables(self) -> dict[str, dict[str, Count]]:
        return {
            "groups": self.scores.groups,
            "kinds": self.scores.kinds,
            "parts": self.scores.parts,
        }

    def _rows(self, table: str, name: str, count: Count) -> Iterator[str]:
        average = table == "groups" and name in (*MODALITIES, "overall")
        interval = self.intervals[name]
        between = f"{interval.low:.1f} - {interval.high:.1f}"
        shown = f"{count.accuracy:.2f}"
        if name == "overall" and self.withheld:
            shown, between = "withheld", ""
        numbers = [count.asked, count.answered, count.unreadable, count.no_media]
        yield _line(f"{name}, micro" if average else name, [shown, between, *map(str, numbers)])
        if average and not (name == "overall" and self.withheld):
            yield _line(f"{name}, macro", [f"{self.scores.macro[name]:.2f}"])

    def _about(self) -> str:
        overall = self.scores["overall"]
        return f": {overall.asked:,} questions about {self.n_clips:,} clips"

    def _notes(self) -> Iterator[str]:
        yield "micro: every question counts once, as published; macro: every cell counts once"
        if self.withheld:
            yield f"overall is withheld: {self.withheld}"
        if self.rule:
            found = ", ".join(f"{name} {count}" for name, count in self.outcomes.items())
            yield f"read by {self.rule}: {found or 'no texts kept'}"
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.constants.items())
        yield f"without the clip (chosen on these questions): {found}"
        if self.calibration_error is not None:
            yield f"calibration error (ECE, 15 bins): {self.calibration_error:.1f}"


def evaluate(
    questions: Sequence[Question], predictions: Sequence[Prediction], scorer: str | None = None
) -> Evaluation:
    """Score one prediction for each question, in any order.

    `scorer` reads the texts that the predictions keep anew; None takes the answers as they are.
    """
    ordered = accuracy.match(questions, predictions)
    if scorer is not None:
        ordered = read_anew(questions, ordered, scorer)
    status = np.array([prediction.status for prediction in ordered], dtype=str)
    correct = accuracy.correctness(questions, ordered)
    if scorer == "contains_legacy":
        pairs = zip(questions, ordered, strict=True)
        correct = np.array([contains(p.text, str(q.answer)) for q, p in pairs], dtype=bool)
    clips = np.unique([question.clip for question in questions], return_inverse=True)[1]
    return Evaluation(
        title=title(questions),
        asked=asked(questions),
        n_clips=int(clips.max()) + 1,
        scores=accuracy.tally(questions, status, correct),
        intervals=_intervals(questions, correct, clips),
        calibration_error=_calibration_error(ordered, correct),
        rule=_rule(ordered),
        outcomes=_outcomes(ordered),
        constants=constants(questions, scorer),
    )


def read_anew(
    questions: Sequence[Question], predictions: Sequence[Prediction], scorer: str
) -> list[Prediction]:
    """The predictions, in the order of the questions, with their texts read by this scorer.

    Under 'contains_legacy' every text that says anything is answered; what it answers is unknown.
    """
    if scorer not in SCORERS or scorer == "mcq":
        known = ", ".join(name for name in SCORERS if name != "mcq")
        raise ValueError(f"Texts cannot be read anew by {scorer!r}; there are {known}.")
    mute = [
        p for p in predictions if p.text is None and p.outcome is None and p.status != "no media"
    ]
    if mute:
        raise ValueError(
            f"{len(mute)} of {len(predictions)} predictions keep no text to read (first: "
            f"{mute[0].key}). Leave --scorer away."
        )
    return [
        prediction if prediction.status == "no media" else _reread(question, prediction, scorer)
        for question, prediction in zip(questions, predictions, strict=True)
    ]


def asked(questions: Sequence[Question]) -> str:
    """The set and split that all these questions are of, or ''."""
    names = {question.key.rsplit("/", 1)[0] for question in questions}
    return names.pop() if len(names) == 1 else ""


def title(questions: Sequence[Question]) -> str:
    """Which questions these are; the two releases of MUSIC-AVQA are told apart by their number."""
    if not (found := asked(questions)):
        return "several sets"
    name, _, split = found.partition("/")
    release = RELEASES.get((split.split("@")[0], len(questions)))
    return release if release and name.startswith("music_avqa") else f"{name} {split}"


def _reread(question: Question, prediction: Prediction, scorer: str) -> Prediction:
    legacy = scorer == "contains_legacy"
    reading = read_answer(prediction.text, question, "span" if legacy else scorer)
    says_nothing = reading.outcome in ("empty", "error")
    readable = not says_nothing if legacy else reading.answer is not None
    return replace(
        prediction,
        answer=None if legacy else reading.answer,
        status="answered" if readable else "unreadable",
        outcome=None if legacy and readable else reading.outcome,
        rule=rule_name(scorer),
    )


def _intervals(
    questions: Sequence[Question], correct: np.ndarray, clips: np.ndarray
) -> dict[str, Interval]:
    members: Mapping[str, np.ndarray] = {
        **accuracy.group_members([question.cell for question in questions]),
        **accuracy.kind_members(questions),
        **accuracy.part_members(questions),
    }
    return {
        name: bootstrap.clustered_interval(correct[rows], clips[rows])
        for name, rows in members.items()
        if rows.any()
    }


def _calibration_error(predictions: Sequence[Prediction], correct: np.ndarray) -> float | None:
    confidence = [prediction.confidence for prediction in predictions]
    if any(value is None for value in confidence):
        return None
    return calibration.expected_calibration_error(np.array(confidence, dtype=float), correct)


def _rule(predictions: Sequence[Prediction]) -> str | None:
    rules = sorted({prediction.rule for prediction in predictions if prediction.rule})
    return " and ".join(rules) if rules else None


def _outcomes(predictions: Sequence[Prediction]) -> dict[str, int]:
    found = Counter(prediction.outcome for prediction in predictions)
    return {outcome: found[outcome] for outcome in OUTCOMES if found[outcome]}


def _line(name: str, cells: Sequence[str]) -> str:
    widths = (9, 16, 8, 10, 12, 10)
    return f"{name:16}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=False)
    )

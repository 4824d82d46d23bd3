"""`data describe|balance|head-tail|rephrase|priors`: look at a set, and build others from it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.shared import Json, data_app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.records import Question

Set = Annotated[str, typer.Argument(metavar="SET", help="Name of the data set.")]
Root = Annotated[Path, typer.Argument(help="Folder of the data set.")]
Split = Annotated[str, typer.Option(help="The split to read.")]
Out = Annotated[Path, typer.Option(help="The JSONL file of questions to write.")]


@data_app.command()
def describe(
    set_name: Set,
    root: Root,
    split: Split = "test",
    out: Annotated[Path, typer.Option(help="Folder for the page and the pictures.")] = Path(
        "description"
    ),
) -> None:
    """Answers, bias, cells and instruments of a split, as a page with pictures."""
    from musicavqa.reports.describe import describe as described
    from musicavqa.workflow import Part

    say(described(f"{set_name}, {split}", Part(set_name, root, split).questions(), out))


@data_app.command()
def balance(
    set_name: Set,
    root: Root,
    split: Split = "test",
    out: Out = Path("balanced.jsonl"),
    two_answers: Annotated[
        float, typer.Option(help="Largest share of an answer in templates with two answers.")
    ] = 0.6,
    other: Annotated[float, typer.Option(help="The same in all other templates.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Draws which questions are dropped.")] = 0,
) -> None:
    """Drop questions with too frequent answers: the rule of MUSIC-AVQA v2.0."""
    from musicavqa.builders.balance import Limits
    from musicavqa.builders.balance import balance as balanced
    from musicavqa.workflow import Part

    questions = Part(set_name, root, split).questions()
    kept = balanced(questions, seed, Limits(two_answers, other))
    _write(out, kept)
    say(f"{len(kept):,} of {len(questions):,} questions kept: {out}")


@data_app.command("head-tail")
def head_tail(
    set_name: Set,
    root: Root,
    split: Split = "test",
    out: Out = Path("head_tail.jsonl"),
    threshold: Annotated[
        float, typer.Option(help="Head from this multiple of the mean count per answer.")
    ] = 1.2,
    grouping: Annotated[str, typer.Option(help="cell, template or all.")] = "cell",
    majority_of_two: Annotated[
        bool, typer.Option(help="Of two answers, the more frequent one is head.")
    ] = True,
) -> None:
    """Mark questions with frequent answers head, others tail: the rule of MUSIC-AVQA-R."""
    from musicavqa.builders.head_tail import Rule, mark_head_tail
    from musicavqa.workflow import Part

    rule = Rule(threshold, grouping, majority_of_two)
    marked = mark_head_tail(Part(set_name, root, split).questions(), rule)
    _write(out, marked)
    parts = Counter(question.part for question in marked)
    say(f"{parts['head']:,} head and {parts['tail']:,} tail questions: {out}")


@data_app.command()
def rephrase(
    set_name: Set,
    root: Root,
    split: Split = "test",
    out: Out = Path("rephrased.jsonl"),
    paraphrases: Annotated[
        Path | None, typer.Option(help="JSONL of paraphrased templates; else our own.")
    ] = None,
) -> None:
    """Ask every question in all other wordings of its template."""
    from musicavqa.builders.rephrase import PARAPHRASES, read_paraphrases
    from musicavqa.builders.rephrase import rephrase as rephrased
    from musicavqa.workflow import Part

    questions = Part(set_name, root, split).questions()
    made = rephrased(questions, read_paraphrases(paraphrases or PARAPHRASES))
    _write(out, made)
    say(f"{len(made):,} wordings of {len(questions):,} questions: {out}")


@data_app.command()
def priors(
    set_name: Set,
    root: Root,
    split: Split = "test",
    fit: Annotated[str, typer.Option(help="The split the priors are fitted on.")] = "train",
    as_json: Json = False,
) -> None:
    """What the question alone gives away: accuracy without picture and sound."""
    from musicavqa.metrics.accuracy import GROUPS
    from musicavqa.metrics.priors import reference_priors
    from musicavqa.workflow import Part

    found = reference_priors(
        Part(set_name, root, fit).questions(), Part(set_name, root, split).questions()
    )
    if as_json:
        say(json.dumps({name: report.as_dict() for name, report in found.items()}, indent=1))
        return
    groups = [group for group in GROUPS if found["overall"][group].asked]
    say(f"{'':15}" + "".join(f"{name:>17}" for name in found) + f"{'asked':>8}")
    for group in groups:
        scores = "".join(f"{report[group].accuracy:17.2f}" for report in found.values())
        say(f"{group:15}{scores}{found['overall'][group].asked:8}")


def _write(path: Path, questions: Sequence[Question]) -> None:
    from musicavqa.bandstand.exports import write_questions

    write_questions(path, questions)

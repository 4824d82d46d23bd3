"""`robustness`: bias and calibration of answers, and what they depend on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicavqa.cli.numbers import between, p_value
from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    AnsweredSet,
    AnsweredSplit,
    Data,
    Device,
    Features,
    Json,
    MethodFile,
    app,
    told_counts,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.metrics.bootstrap import Interval
    from musicavqa.scoring.bias import BiasReport
    from musicavqa.scoring.robustness import StressReport


@app.command()
def robustness(
    run: Annotated[Path, typer.Argument(help="A run folder, or a prediction file alone.")],
    data: Data = Path("bandstand-data"),
    features: Features = "features",
    split: AnsweredSplit = None,
    train_split: Annotated[str, typer.Option(help="Questions that the prior counts.")] = "train",
    question_only: Annotated[
        Path | None, typer.Option(help="File or run of a model that saw the question only.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures (png).")] = None,
    seed: Annotated[int, typer.Option(help="Of swapped sound and shuffled seconds.")] = 0,
    set_name: AnsweredSet = None,
    method_file: MethodFile = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Bias and calibration of predictions; for a run folder also answers to disturbed senses."""
    from musicavqa import workflow

    with told_counts(), progress("disturbing", "disturbances") as tell:
        found = workflow.robustness(
            run,
            data,
            features,
            split,
            train_split,
            question_only,
            seed,
            set_name,
            tell,
            method_file,
            device,
        )
    report, stressed = found.bias, found.stress
    pictures = _draw(report, stressed, out)
    if as_json:
        parts = {"bias": report.as_dict(), "stress": stressed and stressed.as_dict()}
        say(json.dumps(parts, indent=1))
    else:
        say(_bias_text(report, found.prior_note))
        say(_stress_text(stressed) if stressed else _NO_MODEL)
    for picture in pictures:
        say(f"picture: {picture}", error=as_json)


_NO_MODEL = "\nDisturbed senses need the model: give a run folder instead of a file."


def _draw(report: BiasReport, stressed: StressReport | None, out: Path | None) -> list[Path]:
    if out is None:
        return []
    from musicavqa.scoring import charts

    made = []
    if report.confidence is not None:
        charts.draw_reliability(report.confidence, out / "reliability.png")
        charts.draw_risk_coverage(report.confidence, out / "risk-coverage.png")
        made += [out / "reliability.png", out / "risk-coverage.png"]
    if stressed is not None and stressed.disturbed:
        charts.draw_drops(stressed, out / "drops.png")
        made.append(out / "drops.png")
    return made


def _bias_text(report: BiasReport, prior_note: str) -> str:
    counts = report.counts
    lines = [
        f"asked {counts.asked}, answered {counts.answered}, unreadable {counts.unreadable}, "
        f"no media {counts.no_media}",
        _line("accuracy", report.overall),
        f"{'balanced accuracy':24}{report.balanced_accuracy:7.2f}  "
        f"mean recall of {len(report.recall)} answers",
        _line("head answers", report.head, unless="no question is marked as head"),
        _line("tail answers", report.tail, unless="no question is marked as tail"),
        _line("head minus tail", report.head_minus_tail, unless="needs both"),
        _line("above template prior", report.prior_gap, prior_note, unless=prior_note),
        _line("above question only", report.question_only_gap, unless="give --question-only"),
        *_consistency_lines(report),
        *_confidence_lines(report),
        "",
        f"{'recall per answer':24}{'recall':>7}{'asked':>8}",
        *(f"{a:24}{recall.percent:7.2f}{recall.asked:8}" for a, recall in report.recall.items()),
    ]
    return "\n".join(lines)


def _consistency_lines(report: BiasReport) -> list[str]:
    found = report.consistency
    if found is None:
        return [_line("wordings", None, unless="no question has a second wording")]
    return [
        f"{'wordings':24}{found.same_answer:7.2f}  same answer in all wordings, "
        f"{found.n_groups} questions in {found.n_rows} wordings",
        f"{'':24}{found.all_right:7.2f}  all right (worst wording); any right "
        f"{found.any_right:.2f}, mean {found.mean_right:.2f}",
    ]


def _confidence_lines(report: BiasReport) -> list[str]:
    found = report.confidence
    if found is None:
        return [_line("calibration", None, unless="an answer comes without confidence")]
    covered = found.as_dict()["coverage_at_risk"]
    share = ", ".join(f"{value:.1f} at {float(risk):g} %" for risk, value in covered.items())
    return [
        f"{'calibration':24}{found.calibration_error:7.2f}  ECE; adaptive "
        f"{found.adaptive_error:.2f}, Brier {found.brier:.4f}",
        f"{'risk-coverage':24}{found.curve.area:7.2f}  AURC, best order "
        f"{found.curve.best_area:.2f}; answered at a risk of: {share}",
    ]


def _stress_text(report: StressReport) -> str:
    lines = ["", f"{'':18}{'group':>8}{'accuracy':>10}{'drop':>8}{'95 % interval':>18}{'p':>8}"
                 f"{'Holm':>8}{'flips %':>9}{'asked':>8}"]  # fmt: skip
    for group, whole in report.undisturbed.items():
        lines.append(f"{'undisturbed':18}{group:>8}{whole.mean:10.2f}{'':51}{whole.n_rows:8}")
    for name, rows in report.disturbed.items():
        lines += [
            f"{name:18}{row.group:>8}{row.accuracy.mean:10.2f}{row.drop.mean:+8.2f}"
            f"{between(row.drop):>18}{p_value(row.drop.p_value)}{p_value(row.adjusted)}"
            f"{row.flips.mean:9.1f}{row.drop.n_rows:8}"
            for row in rows
        ]
    lines += [f"{name:18}left out: {reason}" for name, reason in report.left_out.items()]
    n_tests = sum(len(rows) for rows in report.disturbed.values())
    tests = f"p: two-sided t test of the paired drop over clips; Holm over {n_tests} tests."
    return "\n".join([*lines, f"{tests} Seed {report.seed}."])


def _line(name: str, interval: Interval | None, note: str = "", unless: str = "") -> str:
    """One value with its interval, or a dash and why there is none."""
    if interval is None:
        return f"{name:24}{'-':>7}  {unless}"
    tested = "" if interval.p_value is None else f"  p {p_value(interval.p_value).strip()}"
    return f"{name:24}{interval.mean:7.2f}  {between(interval)}{tested}  {note}".rstrip()

"""`compare`: whether a difference is real."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.numbers import between, number, p_value
from musicavqa.cli.shared import AnsweredSet, AnsweredSplit, Data, Json, app
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.metrics.bootstrap import Interval
    from musicavqa.scoring.comparing import Comparison, Row, Study, System


@app.command()
def compare(
    predictions: Annotated[
        list[Path], typer.Argument(help="Prediction files or run folders; the first is compared.")
    ],
    data: Data = Path("bandstand-data"),
    split: AnsweredSplit = None,
    set_name: AnsweredSet = None,
    table: Annotated[
        bool, typer.Option("--table", help="One Markdown table: accuracies, costs, differences.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Differences per cell with intervals, exact tests and what could have been seen at all."""
    from musicavqa.datasets import load_dataset
    from musicavqa.scoring import comparing
    from musicavqa.training import runs

    asked = runs.answered(predictions[0], set_name, split)
    questions = load_dataset(asked.set_name, data, asked.split)[1]
    study = comparing.compare(predictions, questions, asked.split, asked.set_name)
    if as_json:
        say(json.dumps(study.as_dict(), indent=1))
    else:
        say(_table(study) if table else _study_text(study))


def _table(study: Study) -> str:
    """A row per system, the first one first, then from best to worst; with the cost of training."""
    from musicavqa.reports.tables import render

    against = {
        comparison.other: next(row for row in comparison.rows if row.group == "overall")
        for comparison in study.comparisons
    }
    rows = [
        _system_row(system, groups, against.get(system.name))
        for system, groups in zip(study.systems, study.groups, strict=True)
    ]
    best = sorted(rows[1:], key=lambda row: float(row["overall"].split()[0]), reverse=True)
    return "\n".join(
        [
            render(list(rows[0]), [rows[0], *best], "markdown"),
            "",
            *_design_table(study),
            *_table_notes(study),
        ]
    )


def _design_table(study: Study) -> list[str]:
    """A row for each of the survey's marks that some of the methods have and some have not."""
    from musicavqa.reports.tables import render

    rows = [
        {
            "design mark": design.mark.replace("_", " "),
            "with": ", ".join(design.marked),
            "without": ", ".join(design.others),
            "accuracy with": f"{design.accuracies[0]:.1f}",
            "without it": f"{design.accuracies[1]:.1f}",
            "difference": f"{design.difference.mean:+.1f} ({between(design.difference, 1)})",
        }
        for design in study.designs
        if design.accuracies is not None and design.difference is not None
    ]
    return [render(list(rows[0]), rows, "markdown"), ""] if rows else []


def _system_row(system: System, groups: dict[str, Interval], against: Row | None) -> dict[str, Any]:
    accuracies = {
        name: f"{groups[name].mean:.1f} ({between(groups[name], 1)})"
        for name in sorted(groups, key=lambda name: (name != "overall", "-" in name))
    }
    cost, thousands = system.cost, system.parameters and f"{system.parameters / 1000:,.0f}"
    return {
        "method": system.name,
        "seeds": len(system.files),
        "overall": accuracies.pop("overall"),
        "minus first": against
        and f"{against.difference.mean:+.1f} ({between(against.difference, 1)})",
        "p (Holm)": against and p_value(against.adjusted).strip(),
        **accuracies,
        "parameters, k": thousands,
        "GFLOPs": cost.get("gflops") and f"{cost['gflops']:.3f}",
        "ms/step": cost.get("step_cpu_ms") and f"{cost['step_cpu_ms']:.0f}",
        "questions/s": cost.get("cpu_seconds") and f"{cost['questions'] / cost['cpu_seconds']:.0f}",
        "peak MB": cost.get("peak_mb"),
    }


def _table_notes(study: Study) -> list[str]:
    return [
        f"{study.n_questions} questions. Accuracy in %, with 95 % intervals over clips (and seeds "
        f"where there are several). p: paired, against {study.systems[0].name}, Holm over "
        f"{len(study.comparisons)} comparisons.",
        "GFLOPs: forward pass for one question about one clip. ms/step and questions/s: CPU time "
        "of training, validation included in the latter. Peak memory of the whole process.",
    ]


def _study_text(study: Study) -> str:
    lines = [f"{study.n_questions} questions each"]
    for system, overall, report in zip(study.systems, study.overall, study.seeds, strict=True):
        lost = f"unreadable {system.n_unreadable}, no media {system.n_without_media}"
        lines.append(f"{system.name:24}{overall.mean:7.2f}  {between(overall)}  {lost}")
        if report is not None:
            each = " ".join(f"{accuracy:.2f}" for accuracy in report.accuracies)
            lines.append(
                f"{'':24}  {len(report.accuracies)} seeds: {each}; spread {report.spread:.2f}, "
                f"of the seed itself {report.seed_deviation:.2f}, "
                f"of the choice of clips {report.clip_deviation:.2f}"
            )
    for comparison in study.comparisons:
        lines += ["", *_comparison_lines(comparison)]
    return "\n".join([*lines, "", *_design_lines(study), *_tests_lines(study)])


def _design_lines(study: Study) -> list[str]:
    """Methods with and without each of the survey's marks; nothing where no mark parts them."""
    head = f"{'design mark':20}{'with':>7}{'without':>9}{'diff':>8}{'95 % interval':>18}  methods"
    lines = []
    for design in study.designs:
        if design.difference is None or design.accuracies is None:
            continue
        first, other = design.accuracies
        lines.append(
            f"{design.mark.replace('_', ' '):20}{first:7.2f}{other:9.2f}"
            f"{design.difference.mean:+8.2f}{between(design.difference):>18}"
            f"  {len(design.marked)} and {len(design.others)}"
        )
    notes = [
        "Marks of the survey, as on the methods' cards; intervals over clips for these methods.",
        "",
    ]
    return [head, *lines, *notes] if lines else []


def _comparison_lines(comparison: Comparison) -> list[str]:
    title = f"{comparison.other} minus {comparison.first}"
    head = (f"{'':16}{'first':>7}{'other':>7}{'diff':>8}{'95 % interval':>18}{'p':>8}{'Holm':>8}"
            f"{'McNemar':>9}{'Holm':>8}{'design':>8}{'detect':>8}{'asked':>8}")  # fmt: skip
    return [title, head, *(_row_line(row) for row in comparison.rows)]


def _row_line(row: Row) -> str:
    first, other = row.accuracies
    return (
        f"{row.group:16}{first:7.2f}{other:7.2f}{row.difference.mean:+8.2f}"
        f"{between(row.difference):>18}{p_value(row.difference.p_value)}{p_value(row.adjusted)}"
        f" {p_value(row.mcnemar)}{p_value(row.mcnemar_adjusted)}{number(row.design_effect)}"
        f"{number(row.detectable)}{row.n_rows:8}"
    )


def _tests_lines(study: Study) -> list[str]:
    """Which tests, how many, and how to read the columns."""
    several = any(report is not None for report in study.seeds)
    over = "clips and seeds" if several else "clips"
    n = len(study.comparisons)
    return [
        f"p: two-sided t test of the paired difference over {over} (bootstrap, 1,000 resamples).",
        "McNemar: exact, one seed each; it takes questions for independent, so trust p where "
        "design exceeds 1.",
        f"Holm: corrected for {study.n_tests} tests of cells; 'overall' for {n}.",
        "design: variance over clips relative to independent questions.",
        f"detect: points that would be found with 80 % power at 5 % / {study.n_tests} "
        f"(overall: 5 % / {n}); - where no difference could be.",
    ]

"""`catalog` and `report`: the survey as data, and one page that shows it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from musicavqa.cli.shared import Json, app
from musicavqa.terminal import say

catalog = typer.Typer(
    help="Look up methods, data sets and published results.", no_args_is_help=True
)
app.add_typer(catalog, name="catalog")

AsCsv = Annotated[bool, typer.Option("--csv", help="Print CSV.")]
AsMarkdown = Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")]
Method = Annotated[str | None, typer.Option(help="One method, by its name in the catalogue.")]
Year = Annotated[int | None, typer.Option(help="Methods of this year.")]
Family = Annotated[
    str | None, typer.Option(help="transformer, cnn, hybrid, mllm (language models) or other.")
]
Scope = Annotated[
    str | None, typer.Option(help="survey (the 39), survey-text, successor or comparator.")
]
Spatial = Annotated[
    bool | None,
    typer.Option("--spatial-temporal/--no-spatial-temporal", help="By the survey's mark."),
]
Music = Annotated[
    bool | None, typer.Option("--music-specific/--no-music-specific", help="Models music.")
]
Input = Annotated[
    bool | None,
    typer.Option("--specialised-input/--no-specialised-input", help="Prepares its input."),
]


@catalog.command()
def methods(
    method: Method = None,
    year: Year = None,
    family: Family = None,
    scope: Scope = None,
    spatial_temporal: Spatial = None,
    music_specific: Music = None,
    specialised_input: Input = None,
    as_json: Json = False,
    as_csv: AsCsv = False,
    as_markdown: AsMarkdown = False,
) -> None:
    """All methods of the survey and what came after, with their design marks. `?`: inferred."""
    from musicavqa.catalog import lookup, views

    chosen = views.Filter(
        method=method,
        year=year,
        family=family,
        scope=scope,
        spatial_temporal=spatial_temporal,
        music_specific=music_specific,
        specialised_input=specialised_input,
    )
    rows = [views.method_row(found) for found in lookup.catalog_methods(chosen)]
    _print(views.METHOD_COLUMNS, rows, as_json, as_csv, as_markdown)


@catalog.command()
def datasets(as_json: Json = False, as_csv: AsCsv = False, as_markdown: AsMarkdown = False) -> None:
    """The benchmarks: size, licence, where to get them."""
    from musicavqa.catalog import lookup, views

    rows = [views.dataset_row(entry) for entry in lookup.catalog_datasets()]
    _print(views.DATASET_COLUMNS, rows, as_json, as_csv, as_markdown)


@catalog.command()
def results(
    method: Method = None,
    benchmark: Annotated[str | None, typer.Option(help="One benchmark.")] = None,
    year: Year = None,
    family: Family = None,
    scope: Scope = None,
    training: Annotated[
        str | None, typer.Option(help="supervised, zero-shot or instruction.")
    ] = None,
    spatial_temporal: Spatial = None,
    music_specific: Music = None,
    specialised_input: Input = None,
    every_row: Annotated[
        bool, typer.Option("--all", help="Every row, not one for each method.")
    ] = False,
    as_json: Json = False,
    as_csv: AsCsv = False,
    as_markdown: AsMarkdown = False,
) -> None:
    """Published accuracies in percent, best first; the best comparable value is bold."""
    from musicavqa.catalog import load, views

    chosen = views.Filter(
        method=method,
        benchmark=benchmark,
        year=year,
        family=family,
        scope=scope,
        training=training,
        spatial_temporal=spatial_temporal,
        music_specific=music_specific,
        specialised_input=specialised_input,
        every_row=every_row,
    )
    catalogue = load()
    found = views.results(catalogue, chosen)
    rows = [views.result_row(catalogue, row) for row in found]
    _print(views.RESULT_COLUMNS, rows, as_json, as_csv, as_markdown, views.best(catalogue, found))
    if len(found) < len(catalogue.results):
        say(f"{len(found)} of {len(catalogue.results)} rows", error=True)


@catalog.command()
def check(as_json: Json = False) -> None:
    """What in the published rows cannot be right: averages, swaps, copies, conflicts."""
    import json

    from musicavqa.catalog.lookup import check_catalog

    found = check_catalog()
    if as_json:
        keys = [
            {"kind": f.kind, "line": f.row.line, "row": f.row.name, "text": f.text} for f in found
        ]
        say(json.dumps(keys, indent=1))
        return
    for finding in found:
        say(f"{finding.kind:9}  {finding.line()}")


@catalog.command()
def add(
    file: Annotated[Path, typer.Argument(help="Methods and rows: .toml, or .bib.")],
    permutations: Annotated[int, typer.Option(min=0, help="Of the audit; 0 leaves it out.")] = 999,
) -> None:
    """Check new methods and rows, say what they change; prints what to append, writes nothing."""
    from musicavqa.catalog.adding import add_to_catalog

    change = add_to_catalog(file)
    counts = (len(change.methods), len(change.results), len(change.findings))
    say("{} new methods, {} new rows; the checks find {} new doubts".format(*counts), error=True)
    for finding in change.findings:
        say(f"{finding.kind:9}  {finding.line()}", error=True)
    for line in (*change.ranks, *change.records):
        say(line, error=True)
    if permutations and any(row.anchor for row in change.results):
        _say_effects(change, permutations)
    for name, text in (("methods.toml", change.toml), ("published_results.csv", change.csv)):
        if text:
            say(f"# to append to {name}\n{text}", end="")


def _say_effects(change: Any, permutations: int) -> None:
    """Effects of the audit, which its figures draw, that the addition moves."""
    from musicavqa.reports import survey_claims

    before, after = (
        survey_claims.run(catalogue, permutations) for catalogue in (change.before, change.after)
    )
    moved = []
    for name, effects in after.tables.items():
        for old, new in zip(before.tables[name], effects, strict=True):
            pair = [None if e.estimate is None else f"{e.estimate.points:+.1f}" for e in (old, new)]
            if pair[0] != pair[1]:
                moved.append(
                    f"{after.names[name]}: {new.mark} on {new.outcome}: {pair[0]} -> {pair[1]}"
                )
    say(f"effects of the audit that move: {len(moved)}", error=True)
    for line in moved:
        say(f"  {line}", error=True)


@catalog.command()
def audit() -> None:
    """Whether the designs that the survey recommends help: a stated model on published scores."""
    from musicavqa.reports import survey_claims, wording

    tested = survey_claims.audit_catalog()
    for name, effects in tested.tables.items():
        say(tested.heading(name))
        for line in [*wording.summary(effects), *map(wording.verdict, effects)]:
            say(f"  {line}")


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = Path("report"),
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(help="JSON of `musicavqa evaluate --json`, added as a marked row of its own."),
    ] = None,
    leaderboard: Annotated[
        list[Path] | None,
        typer.Option(help="JSON of `musicavqa leaderboard --json`: a section of its own."),
    ] = None,
) -> None:
    """One HTML page that opens from disk: leaderboard, figures, methods, data sets, audit."""
    from musicavqa.reports.page import write_report

    say(write_report(out, evaluation or [], leaderboard or []))


def _print(
    columns: Any, rows: Any, as_json: bool, as_csv: bool, as_markdown: bool, bold: Any = frozenset()
) -> None:
    from musicavqa.reports import tables

    asked = {"json": as_json, "csv": as_csv, "markdown": as_markdown}
    if sum(asked.values()) > 1:
        raise ValueError("Choose one of --json, --csv and --markdown.")
    how: Any = next((name for name, wanted in asked.items() if wanted), "aligned")
    say(tables.render(columns, rows, how, bold, colour=sys.stdout.isatty()))

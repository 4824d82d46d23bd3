"""One static HTML page of the catalogue: opens from disk, asks nobody for anything.

Leaderboards, the survey's figures as published and audited, its claims tested, methods, data sets
with their defects, and what the checks found. Our own runs are rows of their own, marked.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from musicavqa import __version__
from musicavqa.catalog import Catalogue, checks, load, views
from musicavqa.catalog.protocol import Protocol, of_result
from musicavqa.catalog.schema import CELLS, FLAGS, Result
from musicavqa.files import write_text
from musicavqa.reports import audit, survey_claims, survey_figures, survey_section, wording
from musicavqa.reports.boards import boards_section, read_board
from musicavqa.reports.markup import bullets, details, figure, paragraph, section, table
from musicavqa.reports.own_runs import OwnRun, read_all
from musicavqa.reports.survey_claims import Claims

_DETAIL = ("a_avg", "v_avg", "av_avg", *CELLS)
_BOARD = ("method", "avg", "flags", "year", "ST", *_DETAIL, "questions", "training", "source")
"""Flags stand beside the score that they doubt."""
_KINDS = {
    "average": "Averages that do not follow from their cells",
    "swapped": "Columns that look exchanged",
    "copy": "Rows that repeat another method",
    "benchmark": "Rows that stand for two benchmarks",
    "slip": "Rows that differ from a twin in a value",
    "conflict": "Methods with more than one overall score",
}


def write_report(
    folder: Path, evaluations: Sequence[Path] = (), leaderboards: Sequence[Path] = ()
) -> Path:
    """Write `index.html` into the folder and return its path.

    `evaluations` are files of `musicavqa evaluate --json`, `leaderboards` of `musicavqa leaderboard
    --json`.
    """
    runs, boards = read_all(evaluations), [read_board(path) for path in leaderboards]
    catalogue = load()
    page = build(catalogue, survey_claims.run(catalogue), runs, boards)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "index.html", page)
    return folder / "index.html"


def build(
    catalogue: Catalogue,
    tested: Claims,
    runs: Sequence[OwnRun] = (),
    boards: Sequence[Sequence[dict[str, Any]]] = (),
) -> str:
    """The whole page as text; equal input gives equal text."""
    body = (
        boards_section(boards),
        _leaderboard(catalogue, runs),
        survey_section.build(catalogue),
        _claims(catalogue, tested),
        _methods(catalogue),
        _datasets(catalogue),
        _findings(catalogue),
    )
    template = files("musicavqa.reports").joinpath("page.html").read_text(encoding="utf-8")
    return Template(template).substitute(
        lead=_lead(catalogue, tested),
        own='<a href="#own">Our own</a>' if boards else "",
        body="\n".join(part for part in body if part),
        footer=escape(
            f"Made by musicavqa {__version__}: musicavqa report. Every number has its source in "
            f"catalog/published_results.csv; unknown values stay empty."
        ),
    )


def _lead(catalogue: Catalogue, tested: Claims) -> str:
    scopes = [method.scope for method in catalogue.methods.values()]
    return paragraph(
        f"{scopes.count('survey')} methods of the survey and "
        f"{len(scopes) - scopes.count('survey')} others, {len(catalogue.results)} published rows, "
        f"{len(checks.check(catalogue))} findings of the checks.",
    ) + bullets(tested.lead())


def _leaderboard(catalogue: Catalogue, runs: Sequence[OwnRun]) -> str:
    parts = [
        paragraph(
            "Accuracy in percent, one row per method, one table per protocol (which questions, how "
            "trained): scores of two tables do not rank against each other, nor do those of a "
            "table whose protocol is not fully known. Click a head to sort. Bold: the best among "
            "methods trained on the task and scored on the whole official test set, whose averages "
            "follow from their cells and which no flag doubts. "
            "ST: spatial-temporal design by the survey's mark.",
            quiet=True,
        )
    ]
    for name in catalogue.datasets:
        own = [run for run in runs if run.benchmark == name and name != "bandstand"]
        if catalogue.anchors(name) or own:
            parts.append(f"<h3>{escape(name)}</h3>{_board(catalogue, name, own)}")
    apart = [run for run in runs if run.benchmark == "bandstand"]
    unnamed = [r for r in runs if r.benchmark not in catalogue.datasets]
    for title, own in (
        ("Our own runs on bandstand", apart),
        ("Our own runs, set unnamed", unnamed),
    ):
        if own:
            note = paragraph("Another data set: not to be compared with the tables above.")
            rows = [_own_row(run) for run in own]
            columns = ("method", "avg", *_DETAIL, "questions")
            board = table(columns, rows, title, ours=range(len(rows)))
            parts.append(f"<h3>{escape(title)}</h3>{note}{board}")
    flags = [f"{name}: {meaning}." for name, meaning in FLAGS.items()]
    return section(
        "leaderboard", "Leaderboard", *parts, details("What the flags mean", bullets(flags))
    )


def _board(catalogue: Catalogue, benchmark: str, own: Sequence[OwnRun]) -> str:
    """One table for each protocol: first those whose rows may be ranked, the longest first."""
    groups: dict[Protocol, list[OwnRun | Result]] = {}
    for run in own:
        groups.setdefault(Protocol(benchmark, "overall", run.asked, ""), []).append(run)
    for row in views.results(catalogue, views.Filter(benchmark=benchmark)):
        groups.setdefault(of_result(row), []).append(row)
    ordered = sorted(groups, key=lambda found: (not found.known, -len(groups[found])))
    return "".join(_of_protocol(catalogue, found, groups[found]) for found in ordered)


def _of_protocol(
    catalogue: Catalogue, protocol: Protocol, members: Sequence[OwnRun | Result]
) -> str:
    own = [member for member in members if isinstance(member, OwnRun)]
    found = [member for member in members if isinstance(member, Result)]
    rows = [_own_row(run) for run in own]
    rows += [views.result_row(catalogue, row) for row in found]
    best = views.best(catalogue, found) if protocol.known else frozenset()
    bold = {(number + len(own), name) for number, name in best}
    board = table(_BOARD, rows, f"Leaderboard {protocol}", bold, range(len(own)), ("source",))
    return f"<h4>{escape(str(protocol))}</h4>{board}"


def _own_row(run: OwnRun) -> dict[str, Any]:
    flags = ["our own run"]
    return {"method": run.name, **run.scores, "questions": run.asked, "flags": flags}


def _claims(catalogue: Catalogue, tested: Claims) -> str:
    main = {e.outcome: e for e in tested.tables["all"] if e.mark == "spatial-temporal"}
    parts = [
        paragraph(
            "The survey argues that an explicit spatial-temporal design, music-specific modelling "
            "and specialised input help. Model: accuracy = constant + mark + year + backbone class "
            "(CNN and recurrent features, pretrained transformers, language or foundation model), "
            "least squares, one row per method; Freedman-Lane permutation p-values, Holm's "
            "correction over each table, bootstrap over methods for the 95 % intervals."
        ),
        paragraph(*(wording.shrinkage(main[name]) for name in ("avg", "av_comp", "av_temp"))),
    ]
    for name, effects in tested.tables.items():
        title = tested.heading(name)
        verdicts = details("Every test", bullets([wording.verdict(e) for e in effects]))
        parts.append(f"<h3>{escape(title)}</h3>{bullets(wording.summary(effects))}{verdicts}")
    drawn = [_effect_figure(tested, mark) for mark in audit.MARKS]
    parts.append(f'<div class="figures">{"".join(drawn)}</div>')
    parts.append(_left_out(tested))
    return section("claims", "Its claims tested", *parts)


def _effect_figure(tested: Claims, mark: str) -> str:
    titled = f"Points with {audit.MARKS[mark][0].removeprefix('an ').removeprefix('a ')}"
    estimates = [
        e.estimate for t in tested.tables.values() for e in t if e.mark == mark if e.estimate
    ]
    across = sum(not e.low <= 0 <= e.high for e in estimates)
    described = (
        f"{titled}: coefficients and intervals by outcome and set of methods. "
        f"{across} of {len(estimates)} intervals exclude zero."
    )
    title = f"Coefficient: {mark}"
    return figure(survey_figures.effects(tested.tables, mark, title), described, described)


def _left_out(tested: Claims) -> str:
    rows = [
        {
            "mark": e.mark,
            "outcome": wording.OUTCOMES[e.outcome],
            "points": e.estimate.points,
            "least": e.estimate.least[0],
            "without (least)": e.estimate.least[1],
            "most": e.estimate.most[0],
            "without (most)": e.estimate.most[1],
        }
        for e in tested.tables["all"]
        if e.estimate
    ]
    return details("One method left out", table(tuple(rows[0]), rows, "Coefficients, one left out"))


def _methods(catalogue: Catalogue) -> str:
    found = views.methods(catalogue, views.Filter())
    rows = []
    for method in found:
        remarks = (method.link_note, method.spatial_temporal_why, method.music_note,
                   method.input_note, method.note)  # fmt: skip
        rows.append(
            {
                **views.method_row(method),
                "title": method.title,
                "scope": method.scope,
                "parameters": method.parameters,
                "remarks": "; ".join(filter(None, remarks)),
            }
        )
    columns = (*views.METHOD_COLUMNS, "scope", "title", "parameters", "remarks")
    return section(
        "methods",
        "Methods",
        paragraph(
            "ST (survey): the survey's mark. ST (ours): our judgement where it is debatable. "
            "A family with a question mark is inferred. Numbers: who reports MUSIC-AVQA results.",
            quiet=True,
        ),
        table(columns, rows, "Methods", long=("title", "remarks", "parameters")),
    )


def _datasets(catalogue: Catalogue) -> str:
    parts = []
    for entry in catalogue.datasets.values():
        facts = [entry.size, f"Licence: {entry.licence}."]
        if entry.link_note:
            facts.append(f"Link: {entry.link_note}.")
        title = f"{entry.title} ({entry.venue} {entry.year})"
        link = f'<p><a href="{escape(entry.link, quote=True)}">{escape(entry.link)}</a></p>'
        parts.append(
            f"<h3>{escape(entry.name)}</h3>{paragraph(title)}{link if entry.link else ''}"
            f"{bullets([*facts, *entry.remarks])}{_defects(entry.loader)}"
        )
    return section("datasets", "Data sets", *parts)


def _defects(loader: str) -> str:
    """The known faults that the loader of a set lists, where it lists any."""
    module = importlib.import_module(f"musicavqa.datasets.{loader}") if _exists(loader) else None
    lines = [defect.line() for defect in getattr(module, "DEFECTS", ())]
    return details(f"Known faults of the files ({len(lines)})", bullets(lines)) if lines else ""


def _exists(loader: str) -> bool:
    return importlib.util.find_spec(f"musicavqa.datasets.{loader}") is not None


def _findings(catalogue: Catalogue) -> str:
    found = checks.check(catalogue)
    parts = [
        paragraph(
            f"Found by code: an average may miss its cells by {checks.TOLERANCE} points and one "
            f"unit of the last printed digit before it is listed."
        )
    ]
    for kind, title in _KINDS.items():
        lines = [finding.line() for finding in found if finding.kind == kind]
        parts.append(details(f"{title} ({len(lines)})", bullets(lines)))
    return section("findings", "Findings", *parts)

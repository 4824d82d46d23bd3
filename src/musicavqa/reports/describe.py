"""What a list of questions looks like: one HTML page with tables, and four pictures as PNG.

`describe` writes `index.html` and the pictures into a folder, from the counts of
`summary`. The balance rule is that of `builders.balance`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path

from musicavqa.files import write_text
from musicavqa.questions import template
from musicavqa.records import Question
from musicavqa.reports import describe_figures
from musicavqa.reports.summary import Summary, summarise

PICTURES = {
    "cells.png": "Questions per cell",
    "answers.png": "Answers per template: the two most frequent ones, and all others",
    "bias.png": "Share of the most frequent answer against the balance rule",
    "instruments.png": "Instruments named in questions and given as answers",
}


def describe(title: str, questions: Sequence[Question], folder: Path) -> Path:
    """Write `index.html` and PICTURES into `folder`; returns the path of the page.

    Needs matplotlib: ImportError says how to install it.
    """
    summary = summarise(title, questions)
    folder.mkdir(parents=True, exist_ok=True)
    describe_figures.draw(summary, folder)
    write_text(folder / "index.html", page(summary))
    return folder / "index.html"


def page(summary: Summary) -> str:
    """The HTML page; pictures are expected beside it."""
    over = [item for item in summary.bias if not item.is_balanced]
    facts = [
        ("questions", f"{summary.n_questions:,}"),
        ("clips", f"{summary.n_clips:,}"),
        ("without an answer", f"{summary.n_unanswered:,}"),
        ("templates asked", f"{len(summary.answers)} of 33"),
        ("templates over the balance rule", f"{len(over)}"),
        *((f"{part} questions", f"{n:,}") for part, n in sorted(summary.parts.items())),
    ]
    sections = [
        _table(("fact", "value"), facts),
        _section("Cells", "cells.png", _cells_table(summary)),
        _section("Answers per template", "answers.png", _answers_table(summary)),
        _section("Bias", "bias.png", _bias_table(summary)),
        _section("Instruments", "instruments.png", _instruments_table(summary)),
    ]
    title = escape(summary.title)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
        + "\n".join(sections)
        + "\n</body>\n</html>\n"
    )


def _cells_table(summary: Summary) -> str:
    origins = sorted({origin for counts in summary.cells.values() for origin in counts})
    total = sum((counts for counts in summary.cells.values()), Counter[str]())
    rows = [
        [
            name,
            f"{counts.total():,}",
            f"{100 * counts.total() / summary.n_questions:.1f} %",
            *(f"{counts[origin]:,}" for origin in origins),
        ]
        for name, counts in [*summary.cells.items(), ("all", total)]
    ]
    return _table(("cell", "questions", "share", *origins), rows)


def _answers_table(summary: Summary) -> str:
    rows = [
        (
            str(number),
            template(number).text.strip(),
            f"{counts.total():,}",
            str(len(counts)),
            ", ".join(f"{answer} {n:,}" for answer, n in counts.most_common(6))
            + (f", {len(counts) - 6} more" if len(counts) > 6 else ""),
        )
        for number, counts in summary.answers.items()
    ]
    return _table(("no.", "template", "questions", "answers", "most frequent answers"), rows)


def _bias_table(summary: Summary) -> str:
    rows = [
        (
            str(item.template),
            template(item.template).text.strip(),
            item.top,
            f"{100 * item.share:.1f} %",
            f"{100 * item.limit:.0f} %",
            "within" if item.is_balanced else "over",
        )
        for item in summary.bias
    ]
    return _table(("no.", "template", "top answer", "share", "limit", "rule"), rows)


def _instruments_table(summary: Summary) -> str:
    rows = [
        (name.replace("_", " "), f"{n:,}", f"{summary.answer_instruments[name]:,}")
        for name, n in summary.asked_instruments.most_common()
    ]
    return _table(("instrument", "questions that name it", "questions it answers"), rows)


def _section(heading: str, picture: str, table: str) -> str:
    alt = escape(PICTURES[picture])
    return f'<h2>{heading}</h2>\n<img src="{picture}" alt="{alt}">\n{table}'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    heads = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "\n".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table>\n<tr>{heads}</tr>\n{lines}\n</table>"


def _cell(text: str) -> str:
    is_number = text[:1].isdigit()
    kind = ' class="number"' if is_number else ' class="over"' if text == "over" else ""
    return f"<td{kind}>{escape(text)}</td>"


_STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; color: #1b2733; }
h2 { margin-top: 2.5rem; }
img { max-width: 100%; height: auto; display: block; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; padding: 0.2rem 0.8rem 0.2rem 0; border-bottom: 1px solid #dde3e9;
  vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.over { color: #b04a00; font-weight: 600; }
"""

"""One table, four ways: aligned for people, Markdown, CSV and JSON for everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Format = Literal["aligned", "markdown", "csv", "json"]
Bold = frozenset[tuple[int, str]]
"""(row number, column) of the cells to print in bold."""


def render(
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    how: Format = "aligned",
    bold: Bold = frozenset(),
    colour: bool = False,
) -> str:
    """The table as text; None and missing values stay empty. `colour` allows terminal codes."""
    if how == "json":
        return json.dumps([{name: row.get(name) for name in columns} for row in rows], indent=1)
    if how == "csv":
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([text(row.get(name)) for name in columns] for row in rows)
        return file.getvalue().rstrip("\n")
    cells = [[text(row.get(name)) for name in columns] for row in rows]
    if how == "markdown":
        return _markdown(columns, cells, bold)
    return _aligned(columns, cells, bold if colour else frozenset())


def text(value: Any) -> str:
    """A value as a cell: yes and no, two digits for fractions, lists joined by commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    return str(value)


def _markdown(columns: Sequence[str], cells: list[list[str]], bold: Bold) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'|'.join(' --- ' for _ in columns)}|"]
    for number, row in enumerate(cells):
        shown = [
            f"**{cell}**" if (number, name) in bold else cell.replace("|", "\\|")
            for name, cell in zip(columns, row, strict=True)
        ]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _aligned(columns: Sequence[str], cells: list[list[str]], bold: Bold) -> str:
    widths = [
        max(len(name), *(len(row[i]) for row in cells)) if cells else len(name)
        for i, name in enumerate(columns)
    ]
    right = [bool(cells) and all(_number(row[i]) for row in cells) for i in range(len(columns))]

    def line(values: Sequence[str], number: int | None = None) -> str:
        parts = []
        for name, value, width, numeric in zip(columns, values, widths, right, strict=True):
            part = value.rjust(width) if numeric else value.ljust(width)
            is_bold = number is not None and (number, name) in bold
            parts.append(f"\033[1m{part}\033[0m" if is_bold else part)
        return "  ".join(parts).rstrip()

    return "\n".join([line(columns), *(line(row, i) for i, row in enumerate(cells))])


def _number(cell: str) -> bool:
    return not cell or cell.replace(".", "", 1).isdigit()

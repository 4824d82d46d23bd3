"""Leaderboards of one's own on the page, from what `musicavqa leaderboard --json` prints."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from musicavqa.files import parse_json
from musicavqa.reports.markup import bullets, details, section, table

KIND = "musicavqa leaderboard"
_PARTS = {"title": str, "columns": list, "rows": list, "notes": list, "ours": list, "aside": bool}
"""Of a table in the file, and what each part is."""


def read_board(path: Path) -> list[dict[str, Any]]:
    """The tables of one file; ValueError or FileNotFoundError in one line."""
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no leaderboard {path}. Make one: musicavqa leaderboard ... --json"
        )
    try:
        content = parse_json(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ValueError(f"{path} is not what `musicavqa leaderboard --json` prints.")
    tables = content.get("tables")
    if not isinstance(tables, list) or not all(map(_is_table, tables)):
        raise ValueError(f"{path} is damaged: its tables lack {', '.join(_PARTS)}. Make it again.")
    return tables


def boards_section(boards: Sequence[Sequence[dict[str, Any]]]) -> str:
    """The section of these files; '' where there is none."""
    if not boards:
        return ""
    parts = [_table(item) for tables in boards for item in tables]
    return section("own", "Our own leaderboards", *parts)


def _is_table(item: Any) -> bool:
    whole = isinstance(item, dict) and all(isinstance(item.get(k), v) for k, v in _PARTS.items())
    return whole and all(isinstance(row, dict) for row in item["rows"]) and bool(item["columns"])


def _table(item: dict[str, Any]) -> str:
    first = "method" if "method" in item["columns"] else item["columns"][0]
    columns = [first, *(name for name in item["columns"] if name != first)]
    shown = table(columns, item["rows"], item["title"], ours=item["ours"], long=("source",))
    notes = bullets([str(note) for note in item["notes"]])
    if item["aside"]:
        return details(f"{item['title']} ({len(item['rows'])} published rows)", notes, shown)
    return f"<h3>{escape(item['title'])}</h3>{notes}{shown}"

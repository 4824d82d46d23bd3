"""CSV and JSON-lines files, whole or not at all; errors name the file and the row (from 0)."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from musicavqa.files import parse_json, separator


def read_csv(path: Path) -> list[dict[str, str]]:
    """Rows of a table with a header; a byte-order mark is skipped, every row has every column.

    Cells are parted by the sign that the header has most of: a comma, a semicolon or a tab.
    """
    text = _text(path)
    sign = separator(text)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=sign)
    try:
        header, *rows = (line for line in lines if line)
    except (ValueError, csv.Error) as error:
        what = "it is empty" if isinstance(error, ValueError) else f"{error}"
        raise ValueError(f"{path} is not a table: {what}.") from None
    if len(set(header)) < len(header):
        raise ValueError(f"{path} has two columns of one name: {header!r:.80}.")
    for index, row in enumerate(rows):
        if len(row) != len(header):
            raise ValueError(f"{path} row {index} has {len(row)} columns, not {len(header)}.")
    return [dict(zip(header, row, strict=True)) for row in rows]


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file with one per line, or of one list."""
    text, found = _text(path), []
    if text.lstrip().startswith("["):
        return _listed(path, text)
    for index, line in enumerate(text.split("\n")):
        if not line.strip():
            continue
        try:
            row = parse_json(line)
        except ValueError as error:
            what = " ".join(str(error).split())[:120]
            raise ValueError(f"{path} line {index + 1} is not JSON: {what}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path} line {index + 1} is {row!r:.80}, not an object.")
        found.append(row)
    return found


def _listed(path: Path, text: str) -> list[dict[str, Any]]:
    try:
        rows = parse_json(text)
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {' '.join(str(error).split())[:120]}") from None
    for index, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f"{path} row {index} is {row!r:.80}, not an object.")
    return list(rows)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error}.") from None

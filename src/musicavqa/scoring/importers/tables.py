"""Rows with named columns out of .csv, .tsv, .jsonl, .json and .xlsx: all, or one clear line.

xlsx needs the extra `xlsx`; everything else is in the standard library.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from musicavqa import files
from musicavqa.scoring.importers.given import shorten

SUFFIXES = (".csv", ".tsv", ".jsonl", ".json", ".xlsx")


@dataclass(frozen=True)
class Table:
    """Rows of a file with the line each began on; `columns` are those that every row has."""

    path: Path
    rows: list[tuple[int, dict[str, Any]]]

    @property
    def columns(self) -> frozenset[str]:
        """Columns that every row has."""
        return frozenset.intersection(*(frozenset(row) for _, row in self.rows))

    @property
    def stray_columns(self) -> frozenset[str]:
        """Columns that only some rows have."""
        return frozenset[str]().union(*(row for _, row in self.rows)) - self.columns


def load(path: Path) -> Table:
    """The rows of a file; ValueError when it is damaged, empty or of an unknown kind."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path} is none of {', '.join(SUFFIXES)}. Rename or convert it.")
    rows = list(_xlsx(path) if suffix == ".xlsx" else _text_rows(path, suffix))
    if not rows:
        raise ValueError(f"{path} has no rows.")
    return Table(path, rows)


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without byte-order mark."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text (byte {error.start}).") from error


def parse_json(text: str, where: str) -> Any:
    """One JSON value; ValueError naming `where` when it is damaged."""
    try:
        return files.parse_json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is no JSON ({error.msg}, column {error.colno}).") from error
    except ValueError as error:
        raise ValueError(f"{where} is no readable JSON: {error}.") from error


def _text_rows(path: Path, suffix: str) -> Iterator[tuple[int, dict[str, Any]]]:
    text = read_text(path)
    if suffix in (".csv", ".tsv"):
        return _separated(path, text, "\t" if suffix == ".tsv" else files.separator(text))
    is_lines = suffix == ".jsonl" or (text.startswith("{") and "\n{" in text)  # lines in .json
    return _lines(path, text) if is_lines else _list(path, text)


def _lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _object(parse_json(line, f"{path}:{number}"), f"{path}:{number}")


def _list(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = parse_json(text, str(path))
    if not isinstance(rows, list):
        raise ValueError(f"{path} holds {shorten(rows)}, not a list of objects.")
    for number, row in enumerate(rows, start=1):
        yield number, _object(row, f"{path}, object {number}")


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {shorten(value)}, not an object.")
    return value


def _separated(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for cells in lines:
            if header is None:
                header = _header(cells, path)
            elif cells:
                if len(cells) != len(header):
                    raise ValueError(
                        f"{path}:{lines.line_num} has {len(cells)} cells, its header {len(header)}."
                    )
                yield lines.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path}:{lines.line_num} is damaged ({error}).") from error


def _header(cells: list[Any], path: Path) -> list[str]:
    names = [str(cell or "").strip() for cell in cells]
    double = [name for name, count in Counter(names).items() if count > 1]
    if double or not any(names):
        what = f"two columns {shorten(double[0])}" if double else "no header"
        raise ValueError(f"{path} has {what}.")
    return names


def _xlsx(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The first sheet. Blank cells are empty text: Excel knows no difference."""
    try:
        import openpyxl
    except ImportError as error:
        raise ImportError(
            f"{path.name} needs openpyxl: pip install 'musicavqa[xlsx]', or save it as .csv"
        ) from error
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        sheet = openpyxl.load_workbook(path, read_only=True, data_only=True).worksheets[0]
        rows = [list(cells) for cells in sheet.iter_rows(values_only=True)]
    except Exception as error:  # zip, XML and openpyxl each have error classes of their own
        raise ValueError(f"{path} is no readable xlsx file ({type(error).__name__}).") from error
    if not rows:
        return
    header = _header(rows[0], path)
    for number, cells in enumerate(rows[1:], start=2):
        if any(cell is not None for cell in cells):
            if any(cell is not None for cell in cells[len(header) :]):
                raise ValueError(f"{path}, row {number} has more cells than the header.")
            row = zip_longest(header, cells[: len(header)])
            yield number, {name: "" if cell is None else cell for name, cell in row}

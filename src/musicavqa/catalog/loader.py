"""Read the data files; whatever does not fit the schema is one line naming file and line."""

from __future__ import annotations

import csv
import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from musicavqa.catalog.schema import (
    CELLS,
    FLAGS,
    RESULT_COLUMNS,
    SCORES,
    WORDS,
    Catalogue,
    DataSet,
    Method,
    Polygon,
    Result,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).parent
_NUMBER = re.compile(r"\d{1,3}(\.\d+)?")
_KEY = ("benchmark", "method", "variant", "split", "questions", "training", "source")


class CatalogueError(ValueError):
    """A data file that does not fit the schema."""


@cache
def load(folder: Path = HERE) -> Catalogue:
    """The whole catalogue of a folder; CatalogueError for the first thing wrong in it."""
    return load_now(folder)


def load_now(folder: Path) -> Catalogue:
    """As `load`, and nothing is kept of a folder that may change."""
    methods = {method.name: method for method in _tables(folder / "methods.toml", Method)}
    datasets = {entry.name: entry for entry in _tables(folder / "datasets.toml", DataSet)}
    for entry in datasets.values():
        _check_tests(entry, folder / "datasets.toml")
    results = tuple(_results(folder / "published_results.csv", methods, datasets))
    return Catalogue(methods, datasets, results, tuple(_polygons(folder / "survey_polygons.csv")))


def _tables(path: Path, kind: type) -> Iterator[Any]:
    """One `kind` for each table of a TOML file, with the line of its header."""
    text = path.read_text(encoding="utf-8")
    tables = parse_toml(text, path)
    for name, values in tables.items():
        line = _header_line(text, name)
        where = f"{path.name} line {line}, {name!r}"
        if not isinstance(values, dict):
            raise CatalogueError(f"{where}: expected a table [{name}], got {values!r}.")
        _check_fields(values, kind, where)
        yield kind(name=name, line=line, **values)


def parse_toml(text: str, path: Path) -> dict[str, Any]:
    """The tables of a text; CatalogueError that names its file where it is no TOML."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path.name}: {error}") from None


def _header_line(text: str, name: str) -> int:
    headers = (f"[{name}]", f'["{name}"]')
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() in headers or line.startswith(f"{name} ="):
            return number
    return 1


def _check_fields(values: Mapping[str, Any], kind: type, where: str) -> None:
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in ("name", "line")}
    for name, value in values.items():
        if name not in fields:
            raise CatalogueError(f"{where}: unknown field {name!r}.{_near(name, fields)}")
        expected = re.split(r"\W", str(fields[name].type))[0]  # "bool" of "bool | None"
        if type(value).__name__ != expected:
            raise CatalogueError(f"{where}: {name} is {value!r}, expected {expected}.")
        _check_word(name, value, where)
    missing = [
        name
        for name, f in fields.items()
        if name not in values and f.default is f.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise CatalogueError(f"{where}: {', '.join(missing)} missing.")


def _check_word(name: str, value: Any, where: str) -> None:
    if name in WORDS and value not in WORDS[name]:
        allowed = ", ".join(repr(word) for word in WORDS[name])
        raise CatalogueError(f"{where}: {name} is {value!r}, allowed are {allowed}.")


def _check_tests(entry: DataSet, path: Path) -> None:
    for size, cells in entry.tests.items():
        total = sum(cells.values())
        if set(cells) != set(CELLS):
            raise CatalogueError(f"{path.name} line {entry.line}, {entry.name!r}: tests.{size} "
                                 f"needs exactly the cells {', '.join(CELLS)}.")  # fmt: skip
        if size.isdigit() and total != int(size):
            raise CatalogueError(
                f"{path.name} line {entry.line}, {entry.name!r}: the cells of tests.{size} "
                f"add up to {total}."
            )


def _rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a CSV file whose header is exactly `columns`."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader, [])
        for name in header:
            if name not in columns:
                raise CatalogueError(
                    f"{path.name} line 1: unknown column {name!r}.{_near(name, columns)}"
                )
        if tuple(header) != columns:
            missing = [name for name in columns if name not in header]
            what = f"missing {', '.join(missing)}" if missing else "in another order"
            raise CatalogueError(f"{path.name} line 1: columns {what}.")
        for values in reader:
            if len(values) != len(columns):
                raise CatalogueError(
                    f"{path.name} line {reader.line_num}: {len(values)} values for "
                    f"{len(columns)} columns."
                )
            yield reader.line_num, dict(zip(columns, values, strict=True))


def _results(
    path: Path, methods: Mapping[str, Method], datasets: Mapping[str, DataSet]
) -> Iterator[Result]:
    seen: dict[tuple[str, ...], int] = {}
    anchors: dict[tuple[str, ...], int] = {}
    for line, row in _rows(path, RESULT_COLUMNS):
        where = f"{path.name} line {line}"
        for column, known in (("method", methods), ("benchmark", datasets)):
            if row[column] not in known:
                home = "methods.toml" if column == "method" else "datasets.toml"
                raise CatalogueError(f"{where}: {column} {row[column]!r} has no entry in {home}."
                                     f"{_near(row[column], known)}")  # fmt: skip
        result = _result(row, line, where)
        key = tuple(row[name] for name in _KEY)
        if key in seen:
            raise CatalogueError(f"{where}: the same row as line {seen[key]} ({result.name}).")
        seen[key] = line
        if result.anchor:
            place = (result.benchmark, result.method, result.split, result.training)
            if place in anchors:
                raise CatalogueError(f"{where}: {result.method} has an anchor in line "
                                     f"{anchors[place]} already.")  # fmt: skip
            anchors[place] = line
        yield result


def _result(row: Mapping[str, str], line: int, where: str) -> Result:
    for column in ("split", "training", "kind", "anchor"):
        _check_word(column, row[column], where)
    if not row["source"]:
        raise CatalogueError(f"{where}: a row needs its source.")
    flags = tuple(row["flags"].split())
    for flag in flags:
        if flag not in FLAGS:
            raise CatalogueError(f"{where}: unknown flag {flag!r}.{_near(flag, FLAGS)}")
    if row["questions"] and not row["questions"].isdigit():
        raise CatalogueError(
            f"{where}: questions is {row['questions']!r}, expected a whole number."
        )
    scores = _scores(row, where)
    if not scores:
        raise CatalogueError(f"{where}: a row needs at least one score.")
    return Result(
        benchmark=row["benchmark"],
        method=row["method"],
        variant=row["variant"],
        split=row["split"],
        scores=scores,
        decimals=max(len(row[name].partition(".")[2]) for name in scores),
        questions=int(row["questions"]) if row["questions"] else None,
        training=row["training"],
        kind=row["kind"],
        anchor=row["anchor"] == "yes",
        source=row["source"],
        flags=flags,
        note=row["note"],
        line=line,
    )


def _scores(row: Mapping[str, str], where: str) -> dict[str, float]:
    scores = {}
    for name in SCORES:
        if not row[name]:
            continue
        if not _NUMBER.fullmatch(row[name]) or float(row[name]) > 100:
            raise CatalogueError(
                f"{where}: {name} is {row[name]!r}, expected a number from 0 to 100 or nothing."
            )
        scores[name] = float(row[name])
    return scores


def _polygons(path: Path) -> Iterator[Polygon]:
    columns = ("benchmark", "spatial_temporal", *SCORES, "source", "note")
    for line, row in _rows(path, columns):
        where = f"{path.name} line {line}"
        if row["spatial_temporal"] not in ("yes", "no"):
            raise CatalogueError(
                f"{where}: spatial_temporal is {row['spatial_temporal']!r}, expected yes or no."
            )
        marked = row["spatial_temporal"] == "yes"
        yield Polygon(row["benchmark"], marked, _scores(row, where), row["source"], row["note"])


def _near(name: str, names: Any) -> str:
    found = get_close_matches(name, list(names), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(found)}?" if found else ""

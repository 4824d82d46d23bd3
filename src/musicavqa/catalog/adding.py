"""What one more method or row would change: checked as if it stood in the data files already."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicavqa.catalog.bibtex import read_bibtex
from musicavqa.catalog.checks import Finding, check
from musicavqa.catalog.loader import HERE, CatalogueError, load, load_now, parse_toml
from musicavqa.catalog.schema import RESULT_COLUMNS, Catalogue, Method, Result
from musicavqa.catalog.views import best

OF_BIBTEX = {"url": "paper", "booktitle": "venue", "journal": "venue"}
"""Fields of BibTeX -> fields of a method."""
IGNORED = {"author", "editor", "pages", "volume", "number", "publisher", "month", "organization",
           "doi", "eprint", "archiveprefix", "primaryclass", "series", "address", "abstract",
           "keywords", "isbn", "issn"}  # fmt: skip
"""Fields of BibTeX that the catalogue does not keep."""


@dataclass(frozen=True)
class Addition:
    """Methods by name, and rows of results, as they are written in a file."""

    methods: Mapping[str, Mapping[str, Any]]
    results: Sequence[Mapping[str, str]]


@dataclass(frozen=True)
class Change:
    """What an addition does to the catalogue."""

    before: Catalogue
    after: Catalogue
    methods: tuple[Method, ...]
    results: tuple[Result, ...]
    findings: tuple[Finding, ...]
    """What the checks find that they did not find before."""
    ranks: tuple[str, ...]
    """Where each new row that stands for its method comes among those of its benchmark."""
    records: tuple[str, ...]
    """Columns in which a new row would be the best comparable one."""
    toml: str
    """To append to methods.toml."""
    csv: str
    """To append to published_results.csv."""


def add_to_catalog(path: Path, folder: Path = HERE) -> Change:
    """Check the methods and rows of a .toml or .bib file, and say what they would change.

    Nothing is written. CatalogueError for what the schema refuses; FileNotFoundError.
    """
    addition = read_addition(path)
    toml, lines = _as_toml(addition.methods), _as_csv(addition.results)
    before = load(folder)
    with tempfile.TemporaryDirectory() as place:
        merged = Path(place) / "merged"
        merged.mkdir()
        for name in (
            "methods.toml",
            "datasets.toml",
            "published_results.csv",
            "survey_polygons.csv",
        ):
            shutil.copy(folder / name, merged / name)
        _append(merged / "methods.toml", f"\n{toml}" if toml else "")
        _append(merged / "published_results.csv", lines)
        after = load_now(merged)
    return _change(before, after, toml, lines)


def _change(before: Catalogue, after: Catalogue, toml: str, lines: str) -> Change:
    known = {(f.kind, f.row.name, f.row.benchmark, f.text) for f in check(before)}
    new = after.results[len(before.results) :]
    return Change(
        before=before,
        after=after,
        methods=tuple(m for name, m in after.methods.items() if name not in before.methods),
        results=new,
        findings=tuple(
            f for f in check(after) if (f.kind, f.row.name, f.row.benchmark, f.text) not in known
        ),
        ranks=tuple(_rank(after, row) for row in new if row.anchor and "avg" in row.scores),
        records=tuple(
            f"{after.results[number].name}: best comparable {column} on "
            f"{after.results[number].benchmark}"
            for number, column in sorted(best(after, list(after.results)))
            if number >= len(before.results)
        ),
        toml=toml,
        csv=lines,
    )


def _rank(after: Catalogue, row: Result) -> str:
    rows = [other for other in after.anchors(row.benchmark, row.split) if "avg" in other.scores]
    place = 1 + sum(other.scores["avg"] > row.scores["avg"] for other in rows)
    return f"{row.name}: {place} of {len(rows)} on {row.benchmark} by overall accuracy"


def read_addition(path: Path) -> Addition:
    """The file as fields; CatalogueError where it holds nothing that could be added."""
    text = path.read_text(encoding="utf-8-sig")
    kind = path.suffix.lower()
    if kind not in (".toml", ".bib"):
        raise CatalogueError(f"{path} is no .toml and no .bib file.")
    found = _from_bibtex(text) if kind == ".bib" else _from_toml(text, path)
    if not found.methods and not found.results:
        raise CatalogueError(f"{path} adds nothing: write [method.NAME] or [[result]].")
    return found


def _from_toml(text: str, path: Path) -> Addition:
    tables = parse_toml(text, path)
    unknown = set(tables) - {"method", "result"}
    if unknown:
        raise CatalogueError(f"{path}: unknown table {min(unknown)!r}; [method.NAME], [[result]].")
    methods, results = tables.get("method", {}), tables.get("result", [])
    if not isinstance(methods, dict) or not all(isinstance(m, dict) for m in methods.values()):
        raise CatalogueError(f"{path}: write methods as [method.NAME].")
    if not isinstance(results, list) or not all(isinstance(row, dict) for row in results):
        raise CatalogueError(f"{path}: write rows as [[result]].")
    return Addition(methods, [_texts(row, path) for row in results])


def _texts(row: Mapping[str, Any], path: Path) -> dict[str, str]:
    """Values as a table prints them; digits that matter, such as 80.10, are given as text."""
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise CatalogueError(f"{path}: {name} is {value!r}; give a number or a text.")
    return {name: str(value) for name, value in row.items()}


def _from_bibtex(text: str) -> Addition:
    """Entries as methods; a name of its own, other fields and scores may stand among theirs."""
    kinds = {field.name: str(field.type) for field in dataclasses.fields(Method)}
    methods, results = {}, []
    for key, entry in read_bibtex(text).items():
        name = entry.get("name", key)
        fields = {OF_BIBTEX.get(field, field): value for field, value in entry.items()}
        row = {field: value for field, value in fields.items() if field in RESULT_COLUMNS}
        kept = {
            field: _typed(field, value, kinds[field])
            for field, value in fields.items()
            if field in kinds and field not in ("name", "line") and field != "note"
        }
        unknown = set(fields) - set(kinds) - set(RESULT_COLUMNS) - IGNORED
        if unknown:
            raise CatalogueError(f"BibTeX {key!r}: unknown field {min(unknown)!r}.")
        methods[name] = kept
        if "benchmark" in row:
            results.append({**row, "method": name})
    return Addition(methods, results)


def _typed(field: str, value: str, kind: str) -> Any:
    if kind == "int":
        if not value.isdigit():
            raise CatalogueError(f"BibTeX: {field} is {value!r}, expected a whole number.")
        return int(value)
    return {"true": True, "false": False}.get(value, value) if kind.startswith("bool") else value


def _as_toml(methods: Mapping[str, Mapping[str, Any]]) -> str:
    parts = []
    for name, fields in methods.items():
        for field, value in fields.items():
            if not isinstance(value, str | int | bool):
                raise CatalogueError(f"{name!r}: {field} is {value!r}; give a text or a number.")
        lines = [
            f"{field} = {json.dumps(value, ensure_ascii=False)}" for field, value in fields.items()
        ]
        parts.append("\n".join([f"[{json.dumps(name, ensure_ascii=False)}]", *lines]) + "\n")
    return "\n".join(parts)


def _as_csv(results: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, RESULT_COLUMNS, restval="", lineterminator="\n")
    for row in results:
        unknown = set(row) - set(RESULT_COLUMNS)
        if unknown:
            raise CatalogueError(f"A row has the unknown column {min(unknown)!r}.")
        writer.writerow({"split": "overall", **row})
    return text.getvalue()


def _append(path: Path, text: str) -> None:
    if text:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text)

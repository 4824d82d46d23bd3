"""What in the published rows cannot be right: found by code, not by hand.

* an average that does not follow from its cells (micro average with the cells of the test set);
* columns that look swapped (AV-counting and AV-location);
* rows that repeat the numbers of another method or benchmark, or differ from a twin in a value;
* rows of one method on one benchmark that disagree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from musicavqa.catalog.schema import CELLS, GROUPS, Catalogue, Result

TOLERANCE = 0.05
"""Points an average may be off, besides one unit of the last printed digit for the rounding."""
_SMALLEST_FULL_TEST = 9000
_SPLIT_TWINS = ("av_count", "av_loc")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or doubtful with a row."""

    kind: str
    row: Result
    text: str
    other: Result | None = None

    def line(self) -> str:
        """As `musicavqa catalog check` prints it."""
        return f"{self.row.where}: {self.row.name} on {self.row.benchmark}: {self.text}"


def check(catalogue: Catalogue) -> list[Finding]:
    """Every finding, by kind and line."""
    return [
        *averages(catalogue),
        *parts(catalogue),
        *swapped_columns(catalogue),
        *copies(catalogue),
        *conflicts(catalogue),
    ]


def micro(values: Mapping[str, float], counts: Mapping[str, int]) -> float:
    """The average of the cells of `values`, each question counting once."""
    total = sum(counts[name] for name in values)
    return sum(value * counts[name] for name, value in values.items()) / total


def slack(row: Result) -> float:
    """Points by which an average of this row may miss its cells."""
    return TOLERANCE + 10.0**-row.decimals


def sizes_of(catalogue: Catalogue, row: Result) -> dict[str, Mapping[str, int]]:
    """The test sets this row may have been scored on: the one it names, else all full ones."""
    tests = catalogue.datasets[row.benchmark].tests
    if row.split != "overall":
        return {k: v for k, v in tests.items() if k == f"{row.questions}-{row.split}"}
    if row.questions is not None:
        return {k: v for k, v in tests.items() if k == str(row.questions)}
    return {k: v for k, v in tests.items() if k.isdigit() and int(k) >= _SMALLEST_FULL_TEST}


def averages(catalogue: Catalogue) -> list[Finding]:
    """Averages that follow from their cells on none of the test sets the row may stand for."""
    return [
        Finding("average", row, text)
        for row in catalogue.results
        for text in doubted_averages(catalogue, row)
    ]


def doubted_averages(catalogue: Catalogue, row: Result) -> list[str]:
    """For each average of the row that does not follow from its cells, how it misses them."""
    texts = (_missed(catalogue, row, name, cells) for name, cells in _inputs(row).items())
    return [text for text in texts if text]


def _inputs(row: Result) -> dict[str, tuple[str, ...]]:
    """For each printed average the columns that it must follow from, where all were printed."""
    inputs = {name: cells for name, cells in GROUPS.items()}
    inputs["avg"] = CELLS if all(cell in row.scores for cell in CELLS) else tuple(GROUPS)
    return {
        name: columns
        for name, columns in inputs.items()
        if name in row.scores and all(column in row.scores for column in columns)
    }


def _missed(catalogue: Catalogue, row: Result, name: str, columns: Sequence[str]) -> str:
    printed = row.scores[name]
    values = {column: row.scores[column] for column in columns}
    candidates = {
        size: micro(values, _sizes(counts)) for size, counts in sizes_of(catalogue, row).items()
    }
    if not candidates:
        return ""
    size, nearest = min(candidates.items(), key=lambda item: abs(item[1] - printed))
    if abs(nearest - printed) <= slack(row):
        return ""
    text = f"{name} is printed {printed:g}, its cells give {nearest:.2f} (of {int(size):,})"
    for what, plain in _plain_means(row, name, values).items():
        if abs(plain - printed) <= slack(row):
            return f"{text}; it is the unweighted mean of the {what}"
    return text


def _plain_means(row: Result, name: str, values: Mapping[str, float]) -> dict[str, float]:
    what = "groups" if "a_avg" in values else "cells"
    means = {what: sum(values.values()) / len(values)}
    if name == "avg" and all(group in row.scores for group in GROUPS):
        means["groups"] = sum(row.scores[group] for group in GROUPS) / len(GROUPS)
    return means


def _sizes(cells: Mapping[str, int]) -> dict[str, int]:
    """Questions per cell and per group."""
    return {**cells, **{name: sum(cells[c] for c in group) for name, group in GROUPS.items()}}


def parts(catalogue: Catalogue) -> list[Finding]:
    """Overall scores of a benchmark with head and tail that do not follow from the two."""
    by_run: dict[tuple[str, ...], dict[str, Result]] = defaultdict(dict)
    for row in catalogue.results:
        by_run[row.benchmark, row.method, row.variant, row.source][row.split] = row
    found = []
    for rows in by_run.values():
        if set(rows) != {"overall", "head", "tail"} or "avg" not in rows["overall"].scores:
            continue
        total, asked = 0.0, 0
        for split in ("head", "tail"):
            for counts in sizes_of(catalogue, rows[split]).values():
                total += sum(rows[split].scores[cell] * counts[cell] for cell in CELLS)
                asked += sum(counts.values())
        row = rows["overall"]
        if asked and abs(total / asked - row.scores["avg"]) > slack(row):
            text = f"avg is printed {row.scores['avg']:g}, head and tail give {total / asked:.2f}"
            found.append(Finding("average", row, text))
    return found


def swapped_columns(catalogue: Catalogue) -> list[Finding]:
    """Rows whose AV-counting and AV-location look exchanged, by their average or by a twin."""
    found = []
    for row in catalogue.results:
        text = _swapped_by_average(catalogue, row)
        if text:
            found.append(Finding("swapped", row, text))
        elif (twin := origin(catalogue, row)) and (text := _swapped_by_twin(row, twin)):
            found.append(Finding("swapped", row, text, twin))
    return found


def _swapped_by_average(catalogue: Catalogue, row: Result) -> str:
    cells = GROUPS["av_avg"]
    if "av_avg" not in row.scores or not all(cell in row.scores for cell in cells):
        return ""
    printed = row.scores["av_avg"]
    values = {cell: row.scores[cell] for cell in cells}
    turned = {**values, "av_count": values["av_loc"], "av_loc": values["av_count"]}
    sizes = sizes_of(catalogue, row).values()
    misses = min((abs(micro(values, counts) - printed) for counts in sizes), default=0.0)
    fits = min((abs(micro(turned, counts) - printed) for counts in sizes), default=99.0)
    if not misses > slack(row) >= fits:
        return ""
    if abs(sum(values.values()) / len(values) - printed) <= slack(row):
        return "AV-counting and AV-location may be exchanged; an unweighted mean explains it too"
    return "AV-counting and AV-location look exchanged: only the other way round do they fit"


def _swapped_by_twin(row: Result, twin: Result) -> str:
    for own, other in (_SPLIT_TWINS, _SPLIT_TWINS[::-1]):
        value = row.scores.get(own)
        if value is not None and value == twin.scores.get(other) != twin.scores.get(own):
            return f"{own} {value:g} is {other} in {twin.source} (line {twin.line})"
    return ""


def origin(catalogue: Catalogue, row: Result, at_least: int = 3) -> Result | None:
    """The row that a figure of the survey repeats: most equal values, on the same benchmark.

    Only for rows of kind 'figure'; None where fewer than `at_least` values agree.
    """
    if row.kind != "figure":
        return None
    others = [o for o in catalogue.results if o.kind != "figure" and o.benchmark == row.benchmark]
    best = max(others, key=lambda o: (len(equal(row, o)), o.anchor), default=None)
    return best if best and len(equal(row, best)) >= at_least else None


def equal(first: Result, second: Result) -> list[str]:
    """Columns in which two rows print the same value."""
    return [name for name, value in first.scores.items() if second.scores.get(name) == value]


def copies(catalogue: Catalogue) -> list[Finding]:
    """Rows that repeat another one under another name or benchmark, or with a slip."""
    long = [row for row in catalogue.results if len(row.scores) >= 5]
    found = []
    for first, second in combinations(long, 2):
        shared = [name for name in first.scores if name in second.scores]
        same = equal(first, second)
        if len(same) < 5 or first.split != second.split:
            continue
        later, earlier = (first, second) if first.kind == "figure" else (second, first)
        different = [
            name for name in shared if name not in same and name not in _SPLIT_TWINS
        ]  # exchanged columns are reported by swapped_columns
        at = f"{earlier.source} (line {earlier.line})"
        if first.method != second.method:
            text = f"repeats {len(same)} of {len(shared)} numbers of {earlier.name} in {at}"
            found.append(Finding("copy", later, text, earlier))
        elif first.benchmark != second.benchmark and len(same) >= 7:
            text = f"the same numbers stand for {earlier.benchmark} in {at}"
            found.append(Finding("benchmark", later, text, earlier))
        elif first.benchmark == second.benchmark and 1 <= len(different) <= 2:
            values = ", ".join(
                f"{name} {later.scores[name]:g} is {earlier.scores[name]:g}" for name in different
            )
            found.append(Finding("slip", later, f"{values} in {at}", earlier))
    return found


def conflicts(catalogue: Catalogue) -> list[Finding]:
    """Methods whose overall score differs between sources, test sets or re-runs."""
    rows: dict[tuple[str, ...], list[Result]] = defaultdict(list)
    for row in catalogue.results:
        if row.kind in ("own", "rerun", "cited") and "avg" in row.scores:
            rows[row.benchmark, row.method, row.variant, row.split, row.training].append(row)
    return [
        Finding("conflict", group[0], _spread(group))
        for group in rows.values()
        if len({round(row.scores["avg"], 1) for row in group}) > 1
    ]


def _spread(rows: Iterable[Result]) -> str:
    ordered = sorted(rows, key=lambda row: row.scores["avg"])
    span = ordered[-1].scores["avg"] - ordered[0].scores["avg"]
    listed = "; ".join(f"{row.scores['avg']:g} ({row.source}, line {row.line})" for row in ordered)
    return f"{len(ordered)} overall scores within {span:.2f} points: {listed}"

"""What the catalogue answers: methods, data sets, published results, and what cannot be right."""

from __future__ import annotations

from musicavqa.catalog import checks, views
from musicavqa.catalog.loader import load
from musicavqa.catalog.schema import DataSet, Method, Result
from musicavqa.catalog.views import EVERYTHING, Filter


def catalog_methods(chosen: Filter = EVERYTHING) -> list[Method]:
    """Methods of the survey and what came after, by year; ValueError for an unknown name."""
    return views.methods(load(), chosen)


def catalog_datasets() -> list[DataSet]:
    """The benchmarks: size, licence, where to get them."""
    return list(load().datasets.values())


def catalog_results(chosen: Filter = EVERYTHING) -> list[Result]:
    """Published accuracies in percent, best first in each benchmark; each with its source."""
    return views.results(load(), chosen)


def check_catalog() -> list[checks.Finding]:
    """What in the published rows cannot be right: averages, swaps, copies, conflicts."""
    return checks.check(load())

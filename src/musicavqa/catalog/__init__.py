"""The survey as data: methods, benchmarks and published results, each value with its source.

`load()` reads and checks the data files beside this one; `checks` finds what cannot be right. No
numpy, no torch: looking something up must cost nothing. docs/catalog.md explains every column.
"""

from __future__ import annotations

from musicavqa.catalog.loader import load
from musicavqa.catalog.schema import Catalogue, DataSet, Method, Result

__all__ = ["Catalogue", "DataSet", "Method", "Result", "load"]

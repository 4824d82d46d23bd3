"""Language models written here from their descriptions, one file each; the file is the name.

A file holds `CARD`, `Options` (frozen dataclass; its defaults are the published sizes), `TINY`
(sizes for tests and for trying things out), `Model(options)` and `wanted(options)`, which says what
of a clip it reads and which words stand around it.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from musicavqa.llm.models.card import Card

NO_MODELS = ("card",)


def list_models() -> list[str]:
    """Names of all models, sorted."""
    found = (item.name for item in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if name not in NO_MODELS)


def model_file(name: str) -> ModuleType:
    """The file of a model; ValueError with near names where there is none."""
    if name not in list_models():
        near = difflib.get_close_matches(name, list_models(), 3) or list_models()
        raise ValueError(f"There is no language model {name!r} here; near: {', '.join(near)}.")
    return importlib.import_module(f"{__name__}.{name}")


def card_of(name: str) -> Card:
    """Its card."""
    card: Card = model_file(name).CARD
    return card


def make_options(name: str, values: Mapping[str, Any] | None = None) -> Any:
    """Options with `values` put in, such as read from JSON; ValueError for one that it has not."""
    kind = model_file(name).Options
    known = {field.name: field for field in dataclasses.fields(kind)}
    if strange := [key for key in values or {} if key not in known]:
        raise ValueError(f"{name} has no options {', '.join(strange)}; it has {', '.join(known)}.")
    standard = kind()
    made = {
        key: _of_kind(getattr(standard, key), value, f"{name}.{key}")
        for key, value in (values or {}).items()
    }
    return dataclasses.replace(standard, **made)


def build_model(name: str, options: Any = None) -> Any:
    """The network with random weights."""
    return model_file(name).Model(options if options is not None else make_options(name))


def _of_kind(standard: Any, value: Any, where: str) -> Any:
    """A value as the type of what stands there by default; nested dataclasses from mappings."""
    if dataclasses.is_dataclass(standard) and isinstance(value, Mapping):
        names = [field.name for field in dataclasses.fields(standard)]
        if strange := sorted(set(value) - set(names)):
            raise ValueError(f"{where} has no {', '.join(strange)}; it has {', '.join(names)}.")
        inner = {
            key: _of_kind(getattr(standard, key), item, f"{where}.{key}")
            for key, item in value.items()
        }
        return dataclasses.replace(standard, **inner)  # type: ignore[type-var]
    if isinstance(standard, tuple) and isinstance(value, list):
        return tuple(value)
    wrong = not isinstance(value, type(standard)) and standard is not None
    if wrong and not (isinstance(standard, float) and isinstance(value, int)):
        raise ValueError(f"{where} is {value!r}; a {type(standard).__name__} is wanted.")
    return value

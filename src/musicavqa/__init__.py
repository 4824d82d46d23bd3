"""Answer questions about a music performance from its picture and its sound.

`ask(video, question, ...)` is all most people need. Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ask": "musicavqa.ask.asking",
    "evaluate": "musicavqa.workflow",
    "extract_features": "musicavqa.workflow",
    "import_predictions": "musicavqa.scoring.importers",
    "list_datasets": "musicavqa.datasets",
    "list_methods": "musicavqa.methods.registry",
    "load_dataset": "musicavqa.datasets",
    "load_method": "musicavqa.methods.registry",
    "predict": "musicavqa.workflow",
    "render": "musicavqa.workflow",
    "train": "musicavqa.workflow",
}
__all__ = list(_HOMES)

# The room of that name is loaded first: a later import would put it where the function is.
import_module("musicavqa.ask")
del globals()["ask"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'musicavqa' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

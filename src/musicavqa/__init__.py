"""Answer questions about a music performance from its picture and its sound.

`ask(video, question, ...)` is all most people need. Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "ask": "musicavqa.asking",
    "evaluate": "musicavqa.workflow",
    "extract_features": "musicavqa.workflow",
    "import_predictions": "musicavqa.importers",
    "list_datasets": "musicavqa.datasets",
    "list_methods": "musicavqa.registry",
    "load_dataset": "musicavqa.datasets",
    "load_method": "musicavqa.registry",
    "predict": "musicavqa.workflow",
    "render": "musicavqa.workflow",
    "train": "musicavqa.workflow",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'musicavqa' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

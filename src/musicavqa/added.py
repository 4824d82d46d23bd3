"""What installed packages add, by entry point: methods, encoders, data sets, plug-ins, adapters.

Only what somebody installed is found, never a file that merely lies somewhere. Our own names win.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

GROUPS = (
    "musicavqa.methods", "musicavqa.encoders", "musicavqa.datasets", "musicavqa.plugins",
    "musicavqa.llms",
)  # fmt: skip
"""docs/packages.md says what a module of each group holds."""


def added(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point of one of `GROUPS`."""
    return {point.name: point for point in entry_points(group=group)}


def load_added(group: str, name: str, parts: Sequence[str]) -> ModuleType:
    """The module behind an entry point; ValueError where it lacks one of `parts`."""
    point = added(group)[name]
    module = point.load()
    missing = [part for part in parts if not hasattr(module, part)]
    if missing:
        raise ValueError(
            f"{name!r} ({point.value}, entry point of {group}) lacks {', '.join(missing)}."
        )
    return module

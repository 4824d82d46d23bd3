"""Where weights are kept on this machine, and the error of those that are not."""

from __future__ import annotations

from pathlib import Path

from musicavqa.files import cache_folder


class WeightError(OSError):
    """Weights are not in the cache and could not be fetched, or are not the ones they should be."""


def weights_root() -> Path:
    """Folder of all weights."""
    return cache_folder() / "weights"

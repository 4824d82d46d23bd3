"""Where weights are kept on this machine, and the error of those that are not."""

from __future__ import annotations

import os
from pathlib import Path


class WeightError(OSError):
    """Weights are not in the cache and could not be fetched, or are not the ones they should be."""


def weights_root() -> Path:
    """Folder of all weights: below $MUSICAVQA_CACHE, or ~/.cache/musicavqa."""
    cache = os.environ.get("MUSICAVQA_CACHE")
    return (Path(cache) if cache else Path.home() / ".cache" / "musicavqa") / "weights"

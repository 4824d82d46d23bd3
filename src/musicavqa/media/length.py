"""How long a file says it is, without decoding it."""

from __future__ import annotations

from pathlib import Path

from musicavqa.media.clock import Clock
from musicavqa.media.opening import check_file, open_file


def announced_s(path: Path | str) -> float | None:
    """Seconds that the container announces (milliseconds of work), None where it is silent."""
    path = check_file(Path(path))
    with open_file(path) as container:
        return Clock.of(container, None).announced_s

"""Write files so that nobody ever sees half of one, and where this machine keeps a cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """$MUSICAVQA_CACHE, or ~/.cache/musicavqa."""
    given = os.environ.get("MUSICAVQA_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "musicavqa"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; renamed to `path` when all went well."""
    part = path.with_name(path.name + ".part")
    yield part
    os.replace(part, path)


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")

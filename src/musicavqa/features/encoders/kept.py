"""Whether files in the cache are still the ones that were put there.

A file is known by its sha256. Reading it takes long, so size and time of a file that was found
right are noted beside it, and it is read again only when they have changed (or somebody asks).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from musicavqa.files import read_json, write_json

NOTED = "verified.json"


def faults(folder: Path, contents: Mapping[str, str], by_hash: bool = False) -> dict[str, str]:
    """Files of `contents`, name -> sha256, that are 'missing' from the folder or 'changed'.

    `by_hash` reads every file, whatever was noted.
    """
    noted, found, right = _noted(folder), {}, {}
    for name, digest in contents.items():
        path = folder / name
        if not path.is_file():
            found[name] = "missing"
            continue
        now = _stamp(path, digest)
        known = now == noted.get(name) and not by_hash
        if known or sha256_of(path) == digest:
            right[name] = now
        else:
            found[name] = "changed"
    if right and right != noted:
        with suppress(OSError):  # a cache that cannot be written to is read again each time
            write_json(folder / NOTED, right)
    return found


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _stamp(path: Path, digest: str) -> list[object]:
    """Size in bytes, time of the last change in ns, and what it was found to be."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, digest]


def _noted(folder: Path) -> dict[str, object]:
    try:
        noted = read_json(folder / NOTED)
    except (OSError, ValueError):  # none, or damaged: everything is read again
        return {}
    return noted if isinstance(noted, dict) else {}

"""What may be thrown away: features of encoders that have changed, and what killed runs left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musicavqa.features.encoders import list_encoders, load_spec
from musicavqa.features.encoders.weights import WeightError
from musicavqa.features.store import Folder, folder
from musicavqa.features.store.claims import FOLDER as CLAIMS
from musicavqa.features.store.claims import dead_claims

STORE = re.compile(r"(?P<encoder>.+)-(?P<version>[0-9a-f]{8})")
OLD_S = 900.0
"""A file of an unfinished write, or a claim of another machine, that is so old is nobody's."""


@dataclass(frozen=True)
class Rubbish:
    """Files in one folder that may go, and why."""

    folder: Folder
    files: tuple[str, ...]
    why: str
    n_bytes: int
    whole: bool = False
    """The folder itself goes too."""


def tidy_features(root: Folder | Path | str, delete: bool = False) -> list[Rubbish]:
    """What may go under `root`: features of older encoders, rests of killed runs.

    Nothing is deleted without `delete`.
    """
    found = find_rubbish(root, {name: _version(name) for name in list_encoders()})
    for rubbish in found if delete else ():
        remove(rubbish)
    return found


def find_rubbish(root: Folder | Path | str, versions: Mapping[str, str | None]) -> list[Rubbish]:
    """What may go under `root`; `versions` has today's hash8 of every encoder that is known.

    Features of encoders that are not known here, of those whose hash8 cannot be told (None: the
    weights are missing), and imported ones are left alone.
    """
    place, found = folder(root), []
    for set_name in place.folders():
        for name in (place / set_name).folders():
            there = place / set_name / name
            if name == CLAIMS:
                found += _of(there, dead_claims(there, OLD_S), "claims whose owner is gone")
                continue
            found += _of(there, there.unfinished(OLD_S), "left by writes that were killed")
            match = STORE.fullmatch(name)
            today = versions.get(match["encoder"]) if match else None
            if match and today is not None and match["version"] != today:
                why = f"made by an older {match['encoder']} (today's is {today})"
                found += _of(there, there.files(), why, whole=True)
    return found


def remove(rubbish: Rubbish) -> None:
    """Delete it."""
    for file in rubbish.files:
        rubbish.folder.remove(file)
    if rubbish.whole:
        rubbish.folder.remove_if_empty()


def _version(encoder: str) -> str | None:
    """Today's hash8, or None where the weights that it depends on are missing."""
    try:
        return load_spec(encoder).hash8
    except WeightError:
        return None


def _of(place: Folder, files: list[str], why: str, whole: bool = False) -> list[Rubbish]:
    n_bytes = sum(place.size(file) or 0 for file in files)
    return [Rubbish(place, tuple(files), why, n_bytes, whole)] if files or whole else []

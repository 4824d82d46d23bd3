"""Official files: where they come from, where they lie under a root, and whether they are intact.

`root` may be the folder that holds clones of the official repositories, or one clone, or the data
folder inside it; a repository that a set borrows from may also be cloned beside `root`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from musicavqa.media import ENDINGS


@dataclass(frozen=True)
class Repository:
    """A repository with annotation files."""

    name: str
    """owner/name"""
    commit: str
    """The commit whose files were checked."""
    folder: str
    """What its folder may be called besides its own name."""
    data: tuple[str, ...]
    """Folders inside a clone that may hold the files, the first as in the repository."""

    def homes(self, root: Path) -> Iterator[Path]:
        """Folders in which its files may lie, the likeliest first."""
        names = (self.name.split("/")[1], self.folder)
        beside = root.absolute().parent
        for base in (root, *(root / n for n in names), *(beside / n for n in names)):
            for data in (*self.data, ""):
                yield base / data


@dataclass(frozen=True)
class File:
    """One official file; None where size, blob or number of rows was never published."""

    repository: Repository
    path: str
    """Below one of `repository.data`."""
    rows: int | None
    bytes: int | None
    blob: str | None
    """Git blob id: what `git hash-object FILE` prints."""
    variants: Mapping[str, str] = field(default_factory=dict)
    """Blob ids of other known copies -> whose they are."""
    page: str | None = None
    """Where to get it, for a file that is not in its repository."""

    @property
    def address(self) -> str:
        """Where to get it."""
        if self.page is not None:
            return self.page
        place = f"{self.repository.data[0]}/{self.path}"
        return f"https://github.com/{self.repository.name}/raw/{self.repository.commit}/{place}"


@dataclass(frozen=True)
class Defect:
    """A known fault of a data set, counted in its files, and what we do about it."""

    name: str
    what: str
    counts: Mapping[str, int]
    """Split (or file) -> how often."""
    handling: str

    def line(self) -> str:
        """As the documentation and `data check` show it."""
        counts = ", ".join(f"{split} {count:,}" for split, count in self.counts.items())
        return f"{self.what} ({counts}). {self.handling}"


@dataclass(frozen=True)
class Finding:
    """What became of one official file on this machine."""

    file: File
    state: Literal["here", "missing", "differs"]
    path: Path | None = None
    detail: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "file": self.file.path,
            "state": self.state,
            "path": None if self.path is None else str(self.path),
            "detail": self.detail,
            "address": self.file.address,
            "rows": self.file.rows,
            "bytes": self.file.bytes,
            "git_blob": self.file.blob,
        }


def find(root: Path, file: File) -> Path | None:
    """Where `file` lies under `root`, or None."""
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}.")
    places = (home / file.path for home in file.repository.homes(root))
    return next((place for place in places if place.is_file()), None)


def locate(root: Path, files: Mapping[str, File], split: str, set_name: str) -> Path:
    """Where the file of a split lies under `root`; FileNotFoundError says where to get it."""
    if split not in files:
        near = get_close_matches(split, files, n=3, cutoff=0.4) or files
        raise ValueError(
            f"{set_name} has no split {split!r}. Did you mean {' or '.join(near)}? "
            "See: musicavqa data list"
        )
    found = find(root, files[split])
    if found is None:
        file = files[split]
        raise FileNotFoundError(
            f"There is no {file.path} of {file.repository.name} under {root}. Get it from "
            f"{file.address} and see: musicavqa data check {set_name} {root}"
        )
    return found


def present(root: Path, files: Mapping[str, File], set_name: str) -> list[str]:
    """The splits whose file is there; FileNotFoundError when there is none."""
    found = [split for split, file in files.items() if find(root, file) is not None]
    if not found:
        raise FileNotFoundError(
            f"There is no file of {set_name} under {root}. See: musicavqa data check {set_name} "
            f"{root}"
        )
    return found


def check(root: Path, files: Sequence[File]) -> list[Finding]:
    """Compare the files under `root` with what was published: size, then git blob id."""
    return [_check(root, file) for file in files]


def git_blob(content: bytes) -> str:
    """What `git hash-object` prints for a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def media_files(root: Path, repositories: Sequence[Repository]) -> dict[str, Path]:
    """Clip id -> media file, from the folders `video` (and folders in them) of these clones."""
    homes = {home / "video": None for item in repositories for home in item.homes(root)}
    found: dict[str, Path] = {}
    for folder in homes:
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() not in ENDINGS or path.name.startswith("."):
                continue
            other = found.setdefault(path.stem, path)
            if not other.samefile(path):
                raise ValueError(f"Clip {path.stem} has two files: {other} and {path}. Keep one.")
    return found


def _check(root: Path, file: File) -> Finding:
    path = find(root, file)
    if path is None:
        return Finding(file, "missing")
    content = path.read_bytes()
    blob = git_blob(content)
    if file.blob is None:
        return Finding(file, "here", path, "no checksum was published")
    if blob == file.blob:
        return Finding(file, "here", path)
    if blob in file.variants:
        return Finding(file, "differs", path, f"this is the copy of {file.variants[blob]}")
    if file.bytes is not None and len(content) != file.bytes:
        return Finding(file, "differs", path, f"{len(content):,} bytes, not {file.bytes:,}")
    return Finding(file, "differs", path, f"git blob {blob}, not {file.blob}")

"""Where files lie: a folder on disk, or a prefix in an object store, behind the same few verbs.

A file is there whole or not at all: on disk by a temporary name, fsync and rename, in an object
store because an object appears when its upload is complete. `create` is exclusive: of many who
try, one succeeds. Large files are read through `local`, a path that can be mapped into memory.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from musicavqa.files import PART, cache_folder, create, replacing


class Folder(Protocol):
    """What the store asks of a place; names are those of files directly in it."""

    @property
    def name(self) -> str: ...
    @property
    def parent(self) -> Folder: ...
    def __truediv__(self, name: str, /) -> Folder: ...
    def exists(self) -> bool:
        """Whether the folder is there."""
        ...

    def files(self, ending: str = "") -> list[str]:
        """Sorted names of the files that end so; unfinished ones are left out."""
        ...

    def folders(self) -> list[str]:
        """Sorted names of the folders in it."""
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file, None where there is no such file."""
        ...

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        """A file, or its first bytes; FileNotFoundError."""
        ...

    def write(self, name: str, data: Iterable[bytes | memoryview]) -> None:
        """Write or replace a file, whole or not at all, from parts; makes the folder."""
        ...

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that nobody has written yet; False where it exists already."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file; nothing happens where it is gone."""
        ...

    def local(self, name: str) -> Path:
        """A path on this machine that holds the file."""
        ...

    def unfinished(self, older_than_s: float) -> list[str]:
        """Names of what killed writes left, if nobody has touched it for so long."""
        ...

    def remove_if_empty(self) -> None:
        """Delete the folder; nothing happens where something is in it."""
        ...


def folder(address: Folder | Path | str) -> Folder:
    """The folder at a path, or at an address such as s3://bucket/prefix or gs://bucket/prefix."""
    if isinstance(address, DiskFolder | ObjectFolder):
        return address
    text = str(address)
    if "://" in text:
        return ObjectFolder(text.rstrip("/"))
    if isinstance(address, Path) and text.startswith(("s3:", "gs:", "gcs:", "memory:")):
        raise ValueError(f"{text!r} was an address before it became a path. Give it as text.")
    return DiskFolder(Path(text))


@dataclass(frozen=True)
class DiskFolder:
    """A folder on a disk of this machine, or on one that is mounted."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> DiskFolder:
        return DiskFolder(self.path / name)

    @property
    def name(self) -> str:
        return self.path.absolute().name

    @property
    def parent(self) -> DiskFolder:
        return DiskFolder(self.path.parent)

    def exists(self) -> bool:
        return self.path.is_dir()

    def files(self, ending: str = "") -> list[str]:
        if not self.exists():
            return []
        with os.scandir(self.path) as entries:
            names = [entry.name for entry in entries if entry.is_file()]
        return sorted(n for n in names if n.endswith(ending) and not n.endswith(PART))

    def folders(self) -> list[str]:
        if not self.exists():
            return []
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())

    def size(self, name: str) -> int | None:
        try:
            return (self.path / name).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        with (self.path / name).open("rb") as file:
            return file.read() if n_bytes is None else file.read(n_bytes)

    def write(self, name: str, data: Iterable[bytes | memoryview]) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / name) as part, part.open("wb") as file:
            file.writelines(data)

    def create(self, name: str, data: bytes) -> bool:
        self.path.mkdir(parents=True, exist_ok=True)
        return create(self.path / name, data)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def local(self, name: str) -> Path:
        return self.path / name

    def unfinished(self, older_than_s: float) -> list[str]:
        youngest = time.time() - older_than_s
        parts = self.path.glob(f"*{PART}")
        return sorted(part.name for part in parts if part.stat().st_mtime < youngest)

    def remove_if_empty(self) -> None:
        with suppress(OSError):
            self.path.rmdir()


@dataclass(frozen=True)
class ObjectFolder:
    """A prefix in an object store; fsspec reads the credentials and endpoints that it always does.

    Holds the address only, so that it can be sent to other processes and survives a fork.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> ObjectFolder:
        return ObjectFolder(f"{self.address}/{name}")

    @property
    def name(self) -> str:
        return self.address.rsplit("/", 1)[1]

    @property
    def parent(self) -> ObjectFolder:
        return ObjectFolder(self.address.rsplit("/", 1)[0])

    def exists(self) -> bool:
        return bool(self._entries())

    def files(self, ending: str = "") -> list[str]:
        names = [_last(e["name"]) for e in self._entries() if e["type"] == "file"]
        return sorted(name for name in names if name.endswith(ending))

    def folders(self) -> list[str]:
        return sorted(_last(e["name"]) for e in self._entries() if e["type"] == "directory")

    def size(self, name: str) -> int | None:
        system, path = self._opened()
        system.invalidate_cache(path)
        try:
            return system.info(f"{path}/{name}")["size"]
        except FileNotFoundError:
            return None

    def read(self, name: str, n_bytes: int | None = None) -> bytes:
        system, path = self._opened()
        return system.cat_file(f"{path}/{name}", start=None if n_bytes is None else 0, end=n_bytes)

    def write(self, name: str, data: Iterable[bytes | memoryview]) -> None:
        system, path = self._opened()
        system.pipe_file(f"{path}/{name}", b"".join(data))

    def create(self, name: str, data: bytes) -> bool:
        system, path = self._opened()
        try:
            system.pipe_file(f"{path}/{name}", data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            if "PreconditionFailed" in str(error) or "pre-conditions" in str(error):
                return False
            raise
        return True

    def remove(self, name: str) -> None:
        system, path = self._opened()
        if system.exists(f"{path}/{name}"):
            system.rm_file(f"{path}/{name}")

    def local(self, name: str) -> Path:
        """A copy in the cache, fetched once for each state of the object."""
        system, path = self._opened()
        state = f"{self.address}/{name} {system.checksum(f'{path}/{name}')}"
        kept = cache_folder() / "shards" / hashlib.sha256(state.encode()).hexdigest()[:32]
        if not kept.is_file():
            DiskFolder(kept.parent).write(kept.name, [self.read(name)])
        return kept

    def unfinished(self, older_than_s: float) -> list[str]:
        return []  # an upload that was cut off leaves nothing that can be seen

    def remove_if_empty(self) -> None:
        """Without objects there is no prefix."""

    def _entries(self) -> list[dict[str, Any]]:
        system, path = self._opened()
        system.invalidate_cache(path)
        try:
            return [e for e in system.ls(path, detail=True) if e["name"].rstrip("/") != path]
        except FileNotFoundError:
            return []

    def _opened(self) -> tuple[Any, str]:
        """File system and path; fsspec keeps one file system for each process."""
        try:
            from fsspec.core import url_to_fs

            system, path = url_to_fs(self.address)
        except ImportError as error:
            raise ImportError(
                f"{self.address} needs fsspec and the file system of its kind ({error}): "
                "pip install 'musicavqa[cloud]', and gcsfs for gs://"
            ) from None
        return system, path.rstrip("/")


def _last(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]

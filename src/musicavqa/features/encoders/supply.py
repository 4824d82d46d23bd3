"""Official weights in the cache: fetched when a person says so, or added from a file or folder.

A set lies in `<cache>/weights/<name>-official/` with `source.json`, which keeps the sha256 of each
file with its size and time, so that a file is only read again for its digest when it has changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from musicavqa.features.encoders.cache import WeightError, weights_root
from musicavqa.features.encoders.official import OFFICIAL, Official
from musicavqa.files import write_json

SOURCE = "source.json"
WEIGHT_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".onnx", ".txt", ".npy")


def official_folder(name: str) -> Path:
    """Where the files of `name` lie, or would lie."""
    return weights_root() / f"{name}-official"


def find(name: str) -> Path | None:
    """The main file of `name`, or None where nobody has supplied it."""
    folder = official_folder(name)
    if not (folder / SOURCE).is_file():
        return None
    main = folder / _source(folder)["main"]
    if not main.is_file():
        raise WeightError(f"The weights {name!r} have lost {main.name}: {how_to_supply(name)}.")
    return main


def how_to_supply(name: str) -> str:
    """What a person does, in one line."""
    official = OFFICIAL[name]
    if official.by_hand:
        return (
            f"get {official.files[0]} from {official.source} ({official.licence}) and run "
            f"`musicavqa doctor --add {name}=PATH` ({official.layout})"
        )
    return (
        f"run `musicavqa doctor --fetch {name}` (from {official.source}, {official.licence}) or "
        f"`musicavqa doctor --add {name}=PATH` ({official.layout})"
    )


def digests(name: str) -> dict[str, str]:
    """File name -> sha256 of the files that are really there; {} where there are none."""
    if find(name) is None:
        return {}
    folder = official_folder(name)
    source = _source(folder)
    stale = [file for file, known in source["files"].items() if _stamp(folder / file) != known[1:]]
    if stale:
        source["files"] |= {file: _described(folder / file) for file in stale}
        write_json(folder / SOURCE, source)
    return {file: known[0] for file, known in source["files"].items()}


def digest(name: str) -> str:
    """One sha256 for the whole set: of its only file, or of the list of its files and digests."""
    found = digests(name)
    lines = "".join(f"{file} {found[file]}\n" for file in sorted(found))
    return (
        next(iter(found.values()))
        if len(found) == 1
        else hashlib.sha256(lines.encode()).hexdigest()
    )


def unpublished(name: str) -> list[str]:
    """Files whose sha256 is not the published one, where one is published."""
    published = OFFICIAL[name].sha256
    return [
        file
        for file, digest in digests(name).items()
        if file in published and not digest.startswith(published[file])
    ]


def fetch_official(name: str) -> Path:
    """Download `name` from its authors into the cache; the main file."""
    official = OFFICIAL[name]
    if official.by_hand:
        raise WeightError(f"No program can fetch the weights {name!r}: {how_to_supply(name)}.")
    download = _from_hub if official.on_hub else _from_address
    return _keep(name, official.source, lambda folder: download(name, official, folder))


def add_official(name: str, path: Path) -> Path:
    """Copy a file, or what is known of a folder, into the cache; the main file there."""
    official = OFFICIAL[name]
    if not path.exists():
        raise FileNotFoundError(f"There is nothing at {path} to add as weights {name!r}.")
    chosen = _in_folder(name, official, path) if path.is_dir() else [_lone(name, path)]
    return _keep(name, "added by hand", lambda folder: _copy(chosen, folder))


def _lone(name: str, path: Path) -> Path:
    if path.suffix not in WEIGHT_ENDINGS:
        raise ValueError(
            f"{path} does not look like weights {name!r}: expected {OFFICIAL[name].layout}, in a "
            f"file that ends in {', '.join(WEIGHT_ENDINGS)}."
        )
    return path


def _in_folder(name: str, official: Official, folder: Path) -> list[Path]:
    """The weights of a folder first, then the other files that are known by name."""
    names = [*official.files[0].split("|"), *official.sha256]
    main = next((folder / file for file in names if (folder / file).is_file()), None)
    if main is None:
        raise FileNotFoundError(f"{folder} has none of {', '.join(names)} (weights {name!r}).")
    others = (folder / file for entry in official.files[1:] for file in entry.split("|"))
    return [main, *(path for path in others if path.is_file())]


def _copy(paths: Iterable[Path], folder: Path) -> list[str]:
    return [Path(shutil.copy(path, folder / path.name)).name for path in paths]


def _keep(name: str, origin: str, fill: Callable[[Path], list[str]]) -> Path:
    """Let `fill` put files into a new folder, describe them, and rename it into place."""
    folder = official_folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as work:
        new = Path(work) / "new"
        new.mkdir()
        files = fill(new)
        described = {file: _described(new / file) for file in files}
        write_json(new / SOURCE, {"origin": origin, "main": files[0], "files": described})
        if folder.exists():  # what was there is replaced as a whole
            folder.rename(Path(work) / "old")
        new.rename(folder)
    return folder / files[0]


def _from_address(name: str, official: Official, folder: Path) -> list[str]:
    file = official.files[0]
    try:
        with (
            urllib.request.urlopen(official.source, timeout=60) as answer,
            (folder / file).open("wb") as target,
        ):
            shutil.copyfileobj(answer, target, 1 << 20)
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise _not_fetched(name, error) from error
    _check_published(name, official, folder, [file])
    return [file]


def _from_hub(name: str, official: Official, folder: Path) -> list[str]:
    files = [_hub_file(name, official, entry.split("|"), folder) for entry in official.files]
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's notes on its download
    _check_published(name, official, folder, files)
    return files


def _hub_file(name: str, official: Official, alternatives: list[str], folder: Path) -> str:
    """Download the first of `alternatives` that the repository has; its name."""
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
        from huggingface_hub.errors import LocalEntryNotFoundError as Unreachable
    except ImportError as error:
        raise ImportError(
            "This needs huggingface_hub: pip install 'musicavqa[encoders]'"
        ) from error

    for file in alternatives:
        try:
            hf_hub_download(official.source, file, revision=official.revision, local_dir=folder)
        except Unreachable as error:  # an EntryNotFoundError by birth, but of this machine
            raise _not_fetched(name, error) from error
        except EntryNotFoundError:
            continue
        except (HfHubHTTPError, OSError) as error:
            raise _not_fetched(name, error) from error
        return file
    raise WeightError(
        f"The weights {name!r} were not fetched: {official.source} at {official.revision} has no "
        f"{' or '.join(alternatives)}. Add the files by hand: {how_to_supply(name)}."
    )


def _not_fetched(name: str, error: Exception) -> WeightError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return WeightError(
        f"The weights {name!r} could not be fetched from {OFFICIAL[name].source} ({reason}). "
        f"Get them on another machine and run `musicavqa doctor --add {name}=PATH`."
    )


def _check_published(name: str, official: Official, folder: Path, files: list[str]) -> None:
    for file in files:
        digest, expected = sha256_of(folder / file), official.sha256.get(file, "")
        if not digest.startswith(expected):
            raise WeightError(
                f"The weights {name!r} were not kept: {file} has sha256 {digest}, published is "
                f"{expected}. Fetch them again."
            )


def sha256_of(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _described(path: Path) -> list[Any]:
    """Digest, size in bytes, time of the last change in ns."""
    return [sha256_of(path), *_stamp(path)]


def _stamp(path: Path) -> list[int]:
    if not path.is_file():
        raise WeightError(f"{path} is gone; add or fetch these weights again.")
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _source(folder: Path) -> dict[str, Any]:
    return json.loads((folder / SOURCE).read_text(encoding="utf-8"))

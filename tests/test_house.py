"""The import rule of the house, and that looking in costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import musicavqa

PACKAGE = Path(musicavqa.__file__).parent
VOCABULARY = {"records", "questions", "answers", "files"}
HEAVY = {"torch", "av", "cv2", "onnxruntime", "matplotlib", "numpy"}

# Who may import whom inside the package, at any depth; a folder stands for its files.
ALLOWED = {
    "records": set(),
    "questions": set(),
    "answers": set(),
    "media": {"media"},
    "methods": {"layers", "methods"},
    "layers": {"layers"},
    "plugins": {"layers", "methods", "plugins"},
    "metrics": {"metrics"},
    "encoders": {"encoders", "media"},
    "store": {"store"},
    "extraction": {"encoders", "extraction", "media", "store"},
    "exchange": {"encoders", "exchange", "extraction", "store"},
    "segments": set(),
    "grids": {"segments", "store"},
    "tensors": set(),
    "batches": {"store", "bandstand", "tensors"},
    "dubbing": {"batches"},
    "datasets": {"datasets", "bandstand"},
    "bandstand": {"bandstand", "builders", "encoders"},
    "builders": {"builders", "metrics"},
    "reports": {"__version__", "builders", "catalog", "metrics", "reports"},
    "runs": {"metrics"},
    "importers": {"importers", "metrics"},
    "evaluation": {"metrics"},
    "costs": set(),
    "training": {"batches", "costs", "metrics", "methods", "plugins", "registry", "runs"},
    "registry": {"layers", "methods", "own_files", "plugins"},
    "identity": {"datasets", "runs", "store"},
    "own_files": set(),
    "conversion": {"registry"},
    "bias": {"metrics"},
    "comparing": {"metrics", "runs"},
    "disturbances": {"batches"},
    "robustness": {"batches", "disturbances", "metrics", "registry", "runs", "training"},
    "catalog": {"catalog"},
}
FORBIDDEN = {
    "metrics": {"torch", "av", "cv2", "scipy"},
    "segments": {"torch", "av", "cv2", "scipy"},
    "methods": {"av", "cv2", "onnxruntime"},
    "layers": {"av", "cv2", "onnxruntime"},
    "plugins": {"av", "cv2", "onnxruntime"},
    "bandstand": {"torch"},
    "datasets": {"torch", "av", "cv2", "onnxruntime", "numpy"},
    "catalog": {"torch", "numpy", "av", "cv2", "matplotlib"},
    "builders": {"torch", "av", "cv2", "scipy"},
    "reports": {"torch", "av", "cv2", "onnxruntime"},
}


def files(room):
    place = PACKAGE / room
    return sorted(place.rglob("*.py")) if place.is_dir() else [PACKAGE / f"{room}.py"]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            if node.module == "musicavqa":
                yield from (f"musicavqa.{name.name}" for name in node.names)


@pytest.mark.parametrize("room", ALLOWED)
def test_a_room_imports_only_the_rooms_it_may(room):
    allowed = ALLOWED[room] | VOCABULARY
    for path in files(room):
        for name in imports(path):
            if name.startswith("musicavqa."):
                assert name.split(".")[1] in allowed, f"{path.name} imports {name}"


@pytest.mark.parametrize("room", FORBIDDEN)
def test_a_room_keeps_out_the_libraries_it_must(room):
    for path in files(room):
        found = {name.split(".")[0] for name in imports(path)} & FORBIDDEN[room]
        assert not found, f"{path.name} imports {found}"


def test_only_media_and_the_renderer_know_pyav():
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in sorted(PACKAGE.rglob("*.py"))
        if "av" in {name.split(".")[0] for name in imports(path)}
    ]
    assert {user for user in users if not user.startswith("media/")} == {"bandstand/render.py"}


@pytest.mark.parametrize("module", ["musicavqa", "musicavqa.cli"])
def test_looking_in_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_there_is_a_public_verb_for_each_thing_people_do():
    for name in musicavqa.__all__:
        assert callable(getattr(musicavqa, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'sing'"):
        _ = musicavqa.sing

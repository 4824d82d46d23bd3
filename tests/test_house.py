"""The import rule of the house (docs/architecture.md), and that looking in costs nothing."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import musicavqa

PACKAGE = Path(musicavqa.__file__).parent
WORDS = {"records", "questions", "answers", "files", "processes", "tensor_files", "terminal"}
WORDS |= {"workers", "added", "devices"}

# Which rooms a room may import, at any depth, besides the words that everybody speaks. Those stand
# above it in this list, so there is no circle.
ROOMS = {
    "metrics": "",
    "catalog": "",
    "builders": "",
    "rules": "",
    "media": "",
    "backbones": "",
    "methods": "backbones rules",
    "features": "backbones media rules",
    "bandstand": "builders features rules",
    "datasets": "bandstand features media",
    "training": "bandstand features methods metrics",
    "scoring": "bandstand catalog datasets features methods metrics training",
    "llm": "datasets features media methods metrics scoring training",
    "reports": "builders catalog metrics",
    "identity": "datasets features training",
    "workflow": "bandstand datasets features identity llm media methods metrics scoring training",
    "ask": "bandstand features llm media methods rules training",
    "serve": "ask bandstand media methods",
    "many_runs": "scoring training workflow",
}
ROOMS["cli"] = " ".join(ROOMS)
# Which rooms may know a library.
LIBRARIES = {
    "torch": "devices records tensor_files media backbones features methods llm training ask",
    "transformers": "backbones features llm",
    "onnxruntime": "features",
    "av": "media bandstand llm",
    "cv2": "bandstand",
    "numpy": (
        "records tensor_files metrics rules media features methods llm bandstand training datasets"
        " scoring reports workflow ask"
    ),
    "matplotlib": "reports scoring ask",
    "typer": "cli",
    "fastapi": "serve",
    "starlette": "serve",
    "uvicorn": "serve",
    "scipy": "metrics",
    "pandas": "",
}


def imports(path):
    """Files of this package that a file imports, by dotted name, and libraries by first name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [item.name for item in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = [f"{node.module}.{item.name}" for item in node.names]
            names = [name if name in FILES else node.module for name in whole]
        else:
            names = []
        yield from (name if name in FILES else name.split(".")[0] for name in names)


def dotted(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name):
    return name.split(".")[1]


FACE = PACKAGE / "__init__.py"
FILES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != FACE}
IMPORTS = {name: set(imports(path)) for name, path in FILES.items()}


@pytest.mark.parametrize("room", sorted({room_of(name) for name in FILES}))
def test_a_room_imports_only_those_that_it_may(room):
    allowed = WORDS | {room} | set(ROOMS[room].split() if room not in WORDS else ())
    for name in FILES:
        found = {room_of(other) for other in IMPORTS[name] & set(FILES)}
        assert room_of(name) != room or found <= allowed, f"{name} imports {found - allowed}"


def test_there_is_no_circle_of_rooms_and_none_of_files():
    above = set()
    for room, rooms in ROOMS.items():
        assert set(rooms.split()) <= above, f"{room} imports what does not stand above it"
        above.add(room)
    TopologicalSorter(IMPORTS).prepare()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_known_only_to_the_rooms_that_need_it(library):
    users = {room_of(name) for name, found in IMPORTS.items() if library in found}
    assert users <= set(LIBRARIES[library].split())


def test_the_tests_have_a_folder_for_each_room():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms <= {path.name for path in Path(__file__).parent.iterdir()}


@pytest.mark.parametrize("module", ["musicavqa", "musicavqa.cli"])
def test_looking_in_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not (set(LIBRARIES) - {"typer"}) & set(done.stdout.split())

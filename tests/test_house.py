"""The import rule of the house (docs/architecture.md), and that looking in costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import musicavqa

PACKAGE = Path(musicavqa.__file__).parent
WORDS = {
    "__init__",
    "answers",
    "files",
    "processes",
    "questions",
    "records",
    "tensor_files",
    "terminal",
    "workers",
}

# Which rooms a room may import, at any depth, besides the words that everybody speaks. Those stand
# above it in this list, so there is no circle.
ROOMS = {
    "metrics": "",
    "catalog": "",
    "builders": "",
    "rules": "",
    "media": "",
    "methods": "rules",
    "features": "media",
    "bandstand": "builders features rules",
    "training": "bandstand features methods metrics",
    "datasets": "bandstand training",
    "scoring": "methods metrics training",
    "llm": "features media methods metrics scoring training",
    "reports": "builders catalog metrics",
    "stream_list": "features media methods",
    "identity": "datasets features training",
    "workflow": "bandstand datasets features identity llm methods scoring training",
    "ask": "bandstand features llm media methods rules scoring training workflow",
}
ROOMS["cli"] = " ".join(ROOMS)
# Which rooms may know a library.
LIBRARIES = {
    "torch": "records tensor_files media features methods llm training ask",
    "transformers": "features llm",
    "onnxruntime": "features",
    "av": "media bandstand",
    "cv2": "bandstand",
    "numpy": (
        "tensor_files metrics media features methods llm bandstand training datasets scoring"
        " reports workflow ask"
    ),
    "matplotlib": "reports ask",
    "typer": "cli",
    "scipy": "",
    "pandas": "",
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """What a file imports: of this package the room ('musicavqa.media'), else the library."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = node.module == "musicavqa"
            names = [f"musicavqa.{n.name}" for n in node.names] if whole else [node.module]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            yield ".".join([first, *rest[:1]]) if first == "musicavqa" else first


FILES = [(path, set(imports(path))) for path in sorted(PACKAGE.rglob("*.py"))]


def test_a_room_imports_only_rooms_below_it():
    for path, found in FILES:
        room = room_of(path)
        allowed = WORDS | {room} | set(ROOMS.get(room, "").split())
        for name in found:
            if name.startswith("musicavqa.") and name != "musicavqa.__version__":
                assert name.split(".")[1] in allowed, f"{path} imports {name}"


def test_there_is_no_circle():
    below = set()
    for room, rooms in ROOMS.items():
        assert set(rooms.split()) <= below, f"{room} imports a room that it may not know"
        below.add(room)


def test_a_library_is_known_only_to_the_rooms_that_need_it():
    for path, found in FILES:
        for library in found & set(LIBRARIES):
            assert room_of(path) in LIBRARIES[library].split(), f"{path} imports {library}"


def test_the_tests_have_a_folder_for_every_room():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {room_of(path) for path, _ in FILES} <= {*ROOMS, *WORDS}
    assert rooms <= {path.name for path in Path(__file__).parent.iterdir()}


@pytest.mark.parametrize("module", ["musicavqa", "musicavqa.cli"])
def test_looking_in_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = set(LIBRARIES) - {"typer"}
    assert not heavy & set(done.stdout.split())


def test_there_is_a_public_verb_for_each_thing_people_do():
    for name in musicavqa.__all__:
        assert callable(getattr(musicavqa, name)), name
    with pytest.raises(AttributeError, match="has no attribute 'sing'"):
        _ = musicavqa.sing


def test_the_verb_ask_is_not_hidden_by_the_room_of_that_name():
    code = "import musicavqa, musicavqa.ask.timeline; from musicavqa.ask import asking;"
    code += "assert musicavqa.ask is asking.ask"
    subprocess.run([sys.executable, "-c", code], check=True)

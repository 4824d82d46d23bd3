"""The tutorials run from top to bottom, each in a folder of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))


def code_of(path):
    """The code cells of a notebook in order, as one program."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_there_are_two_tutorials_without_outputs():
    assert [path.stem for path in NOTEBOOKS] == ["own_method", "own_videos"]
    for path in NOTEBOOKS:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["nbformat"] == 4
        assert not any(cell.get("outputs") for cell in content["cells"])
        compile(code_of(path), path.name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, tmp_path):
    pytest.importorskip("cv2", reason="renders clips")
    program = tmp_path / "tutorial.py"
    program.write_text(f"if __name__ == '__main__':\n{indented(code_of(path))}\n", encoding="utf-8")
    run = {"cwd": tmp_path, "text": True, "capture_output": True, "timeout": 1800}
    done = subprocess.run([sys.executable, program.name], **run)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()


def indented(code):
    """Below a guard, so that worker processes may import the program; texts stay as they are."""
    return f"    exec({code!r}, globals())"

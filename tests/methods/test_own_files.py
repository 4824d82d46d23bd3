"""The content hash of a method file of one's own, and how such a file is loaded."""

import sys

import pytest

from musicavqa.methods.own_files import load_own_file, method_hash, method_parts

MINE = "from parts_beside import SIZE\nimport json\n\ndef size():\n    return SIZE\n"


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "parts_beside.py").write_text("from deeper_beside import SIZE\n")
    (tmp_path / "deeper_beside.py").write_text("SIZE = 3\n")
    (tmp_path / "stranger.py").write_text("SIZE = 9\n")
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_the_hash_is_of_the_file_and_of_all_that_it_imports_from_beside_it(mine):
    names = [part.name for part in method_parts(mine)]
    assert names == ["mine.py", "deeper_beside.py", "parts_beside.py"]
    before = method_hash(mine)
    (mine.parent / "stranger.py").write_text("SIZE = 10\n")
    assert method_hash(mine) == before
    (mine.parent / "deeper_beside.py").write_text("SIZE = 4\n")
    changed = method_hash(mine)
    assert changed != before
    mine.write_text(MINE + "# more\n")
    assert method_hash(mine) not in (before, changed)


def test_the_hash_does_not_depend_on_place_or_name(mine, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other")
    for part in method_parts(mine)[1:]:
        (elsewhere / part.name).write_bytes(part.read_bytes())
    (elsewhere / "yours.py").write_bytes(mine.read_bytes())
    assert method_hash(elsewhere / "yours.py") == method_hash(mine)


@pytest.mark.parametrize(
    "line",
    [
        "import bundle.inner",
        "from bundle import inner",
        "def f():\n    import bundle",
        "from bundle.inner import SIZE as S",
    ],
)
def test_a_package_beside_the_file_counts_as_a_whole(tmp_path, line):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "__init__.py").touch()
    (tmp_path / "bundle" / "inner.py").write_text("SIZE = 1\n")
    path = tmp_path / "mine.py"
    path.write_text(line + "\n")
    before = method_hash(path)
    (tmp_path / "bundle" / "inner.py").write_text("SIZE = 2\n")
    assert method_hash(path) != before


def test_a_module_that_is_only_named_in_a_text_counts(tmp_path):
    (tmp_path / "late_part.py").write_text("SIZE = 1\n")
    path = tmp_path / "mine.py"
    path.write_text('import importlib\nPART = importlib.import_module("late_part")\n')
    assert [part.name for part in method_parts(path)] == ["mine.py", "late_part.py"]
    assert load_own_file(path).PART.SIZE == 1


def test_what_is_loaded_is_what_the_files_say_now(mine):
    assert load_own_file(mine).size() == 3
    (mine.parent / "deeper_beside.py").write_text("SIZE = 4\n")  # same length, same second
    assert load_own_file(mine).size() == 4
    mine.write_text(MINE.replace("SIZE\n", "7777\n").replace("import 7777", "import SIZE"))
    assert load_own_file(mine).size() == 7777
    assert str(mine.parent) not in sys.path


def test_two_folders_may_have_parts_of_the_same_name(mine, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "parts_beside.py").write_text("SIZE = 5\n")
    (other / "mine.py").write_text(MINE)
    assert load_own_file(mine).size() == 3
    assert load_own_file(other / "mine.py").size() == 5


def test_a_part_named_like_what_is_installed_stays_out_of_the_way(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit\n")
    (tmp_path / "numpy.py").write_text("raise SystemExit\n")
    path = tmp_path / "mine.py"
    path.write_text("import json\nimport numpy\n")
    loaded = load_own_file(path)
    assert loaded.json is sys.modules["json"]
    assert loaded.numpy.zeros(2).shape == (2,)


@pytest.mark.parametrize("text", [b"def f(:\n", b"\x00", b"\xff\xfe", b"(" * 5000])
def test_what_is_no_python_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "mine.py"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"mine\.py cannot be read as Python"):
        method_hash(path)
    with pytest.raises(FileNotFoundError, match="no file"):
        method_hash(tmp_path / "other.py")

"""A missing optional package is one line that says what to install."""

from __future__ import annotations

import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

from musicavqa.cli.extras import EXTRAS, what_to_install


def test_every_extra_is_known():
    named = set(metadata("musicavqa").get_all("Provides-Extra") or ())
    assert set(EXTRAS.values()) == named - {"all", "dev"}


@pytest.mark.parametrize("module", EXTRAS)
def test_a_missing_module_is_named_with_its_extra(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError) as hidden:
        __import__(module)
    absent = ModuleNotFoundError(f"No module named '{module}.part'")  # as a worker sends it
    for error in (hidden.value, absent):
        assert what_to_install(error) == (
            f"This needs {module}: pip install 'musicavqa[{EXTRAS[module]}]'"
        )


def test_other_missing_modules_are_not_taken_for_extras():
    assert what_to_install(ModuleNotFoundError("No module named 'numpy'")) is None
    assert what_to_install(ImportError("cannot import name 'x' from 'cv2'")) is None


def hide(monkeypatch, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("module", "verb"),
    [
        ("cv2", "render data --clips 1 --seconds 3 --workers 1"),
        ("cv2", "render data --clips 2 --seconds 3 --workers 2"),
        ("midirenderer", "render data --clips 1 --seconds 3"),
        ("ray", "features extract clips --engine ray --streams audio_logmel"),
        ("fsspec", "features verify --out s3://nowhere/x"),
        ("matplotlib", "report --out there"),
    ],
)
def test_each_verb_says_what_it_needs(
    monkeypatch, command_line, tmp_path, small_video, module, verb
):
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    Path("clips/a.mp4").write_bytes(small_video.read_bytes())
    hide(monkeypatch, module)
    for name in [name for name in sys.modules if name.startswith("musicavqa.bandstand")]:
        monkeypatch.delitem(sys.modules, name)
    code, out, err = command_line(*verb.split())
    assert (code, out) == (1, "")
    assert f"pip install 'musicavqa[{EXTRAS[module]}]'" in err
    assert len(err.strip().splitlines()) == 1, err

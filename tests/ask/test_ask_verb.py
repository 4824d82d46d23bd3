"""`musicavqa ask`: what it says of a file, and the one line for what is no file or no question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata

import pytest

from conftest import grey_frames, sine, write_media

pytestmark = pytest.mark.usefixtures("small_default")
QUESTION = "How many musical instruments were heard throughout the video?"


def said(err):
    """Lines of stderr but those that tell on a slow machine how far the work is."""
    return [line for line in err.splitlines() if not line.startswith("listening and looking: ")]


@pytest.fixture(scope="module")
def still(tmp_path_factory):
    """Two pictures, six seconds of sound."""
    path = tmp_path_factory.mktemp("clips") / "still.mp4"
    return write_media(path, grey_frames(20)[-2:], fps=25, wave=sine(440, 6.0))


def test_what_was_held_is_said_in_a_line_and_in_json(command_line, still):
    code, out, _ = command_line("ask", still, QUESTION)
    assert code == 0
    assert "\nfile: used 6.0 s; the last picture is held for 5.9 s, as the sound goes on\n" in out
    code, out, err = command_line("ask", still, QUESTION, "--json")
    document = json.loads(out)
    (reply,) = document["replies"]
    assert (code, said(err)) == (0, [])
    assert document["media"]["held_s"] == pytest.approx(5.9, abs=0.1)
    assert len(reply["seconds"]) == 6


def test_seconds_and_memory_are_limited_by_options(command_line, still):
    code, out, _ = command_line("ask", still, QUESTION, "--max-seconds", 3)
    assert code == 0
    assert "file: used 3.0 s; only the first 3.0 s of the 6.0 s announced (--max-seconds)" in out
    code, out, err = command_line("ask", still, QUESTION, "--max-memory", "64K")
    assert (code, out) == (1, "")
    assert "--max-memory" in err


@pytest.mark.parametrize("size", ["", "G", "12X", "-1G", "1.5G", "0"])
def test_a_size_that_is_none_is_named(command_line, still, size):
    code, out, err = command_line("ask", still, QUESTION, f"--max-memory={size}")
    assert (code, out) == (1, "")
    assert f"--max-memory is {size!r}; give a size such as 500M or 2G" in err


def test_the_answer_comes_before_evidence_that_cannot_be_written(command_line, still, tmp_path):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "e.png"
    code, out, err = command_line("ask", still, QUESTION, "--evidence", place)
    assert code == 1
    assert out.startswith(QUESTION)
    (line,) = said(err)
    assert line.startswith(f"musicavqa: The evidence could not be written to {place} (")


@pytest.mark.parametrize(
    ("video", "question", "told"),
    [
        ("https://example.org/clip.mp4", QUESTION, "https://example.org/clip.mp4 is an address"),
        ("rtsp://camera/1", QUESTION, "Download it and give the file"),
        ("-", QUESTION, "Standard input cannot be read twice"),
        ("pipe", QUESTION, "is a pipe or a device"),
        ("a.mp4", "a.mp4", "'a.mp4' is a file, not a question: give one video at a time"),
        ("a.mp4", "other.mkv", "'other.mkv' is a file, not a question"),
        (QUESTION, "a.mp4", "give the video first, then questions"),
        ("a.mp4", " ", "A question is empty"),
        ("a.mp4", "caf\udce9?", "is not text in UTF-8"),
        ("l\udce9.mp4", QUESTION, "does not exist"),
        ("list.m3u8", QUESTION, "is text, not video"),
    ],
)
def test_what_cannot_be_asked_gets_one_line(
    command_line, monkeypatch, tmp_path, small_video, video, question, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.mp4").write_bytes(small_video.read_bytes())
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n" * 9)
    os.mkfifo(tmp_path / "pipe")
    code, out, err = command_line("ask", video, question)
    assert (code, out) == (1, "")
    assert told in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_spelled_either_way(command_line, tmp_path, small_video, forms):
    on_disk, typed = (unicodedata.normalize(form, "Étude/é.mp4") for form in forms)
    path = tmp_path / on_disk
    path.parent.mkdir()
    path.write_bytes(small_video.read_bytes())
    assert command_line("ask", tmp_path / typed, QUESTION)[0] == 0


def test_a_name_that_is_no_text_can_be_asked(command_line, tmp_path, small_video):
    path = tmp_path / "l\udce9.mp4"
    path.write_bytes(small_video.read_bytes())
    assert command_line("ask", path, QUESTION)[0] == 0


def test_the_path_is_checked_before_networks_are_loaded():
    code = (
        "import sys; sys.argv = ['musicavqa', 'ask', 'nowhere.mp4', 'Is there a voiceover?']\n"
        "from musicavqa import cli\n"
        "try: cli.main()\n"
        "except SystemExit: print(*{'torch', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
    assert "nowhere.mp4 does not exist" in done.stderr


def test_torchs_compiler_is_not_loaded_for_an_answer(small_video):
    code = (
        f"import sys; sys.argv = ['musicavqa', 'ask', {str(small_video)!r}, {QUESTION!r}]\n"
        "from musicavqa import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(*{'torch', 'torch._dynamo', 'sympy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "torch"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_short_and_long(command_line, option):
    for verb in ((), ("ask",), ("features", "extract")):
        code, out, _ = command_line(*verb, option)
        assert (code, "Usage" in out) == (0, True)


def test_the_version_is_told(command_line):
    from musicavqa import __version__

    assert command_line("--version")[:2] == (0, f"musicavqa {__version__}\n")

"""Names and texts of others are shown, and command nothing."""

import pytest

from musicavqa.terminal import plain, say

EVIL = "a\x1b[2Jb\x07\r\x9b\u202ec\udcffd"


def test_what_commands_a_terminal_is_spelled_out():
    assert plain(EVIL) == r"a\x1b[2Jb\x07\x0d\x9b\u202ec\udcffd"
    assert plain("Où est l'érhu 二胡?\n\tübrig") == "Où est l'érhu 二胡?\n\tübrig"


def test_a_name_that_is_no_unicode_can_be_said(capsys):
    say("x", EVIL, error=True)
    assert capsys.readouterr().err == "x " + plain(EVIL) + "\n"


def shown(result):
    code, out, err = result
    assert code == 1
    assert plain(out + err) == out + err
    return out + err


@pytest.mark.parametrize("name", ["no\x1b]0;owned\x07.mp4", "no\x1b[1A\x1b[2K.mp4"])
def test_file_names_are_shown_and_not_obeyed(command_line, tmp_path, name):
    assert r"\x1b" in shown(command_line("predict", tmp_path / name))


def test_names_of_a_folder_of_videos_are_shown_and_not_obeyed(command_line, tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a\x1b[2Jb.mp4").write_bytes(b"no video")
    arguments = (tmp_path / "videos", "--streams", "audio_logmel", "--out", tmp_path / "features")
    _, out, err = command_line("features", "extract", *arguments)
    assert plain(out + err) == out + err
    assert r"a\x1b[2Jb" in out + err


def test_a_question_that_holds_escapes_is_shown(command_line, small_video):
    told = shown(command_line("ask", small_video, "Do you like\x1b[2J cheese?"))
    assert r"like\x1b[2J cheese" in told

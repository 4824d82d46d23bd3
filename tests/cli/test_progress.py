"""One progress for all verbs: a line that is rewritten on a terminal, now and then one in a log."""

import io
import sys

from musicavqa.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    """Moves on by `step_s` with every look at it."""

    def __init__(self, step_s):
        self.now_s, self.step_s = 0.0, step_s

    def __call__(self):
        self.now_s += self.step_s
        return self.now_s


def told(monkeypatch, stream, step_s, n=100, total=100, remark=""):
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("encoding", "clips", Clock(step_s)) as tell:
        for done in range(n + 1):
            tell(done, total, remark)
    return stream.getvalue()


def test_a_terminal_has_one_line_that_is_gone_at_the_end(monkeypatch):
    out = told(monkeypatch, Terminal(), 1.0, remark="2 errors")
    assert "\n" not in out
    assert "\rencoding: 50 of 100 clips, 50 s left, 2 errors\x1b[K" in out
    assert out.endswith("\r\x1b[K")


def test_a_remark_cannot_command_the_terminal(monkeypatch):
    lines = told(monkeypatch, io.StringIO(), 1.0, remark="\x1b[2J").splitlines()
    assert lines[4].endswith(r"51 s left, \x1b[2J")


def test_a_log_gets_a_line_every_ten_seconds(monkeypatch):
    lines = told(monkeypatch, io.StringIO(), 1.0).splitlines()
    assert len(lines) == 10
    assert lines[4] == "encoding: 49 of 100 clips, 51 s left"


def test_a_log_gets_nothing_of_what_is_soon_done(monkeypatch):
    assert told(monkeypatch, io.StringIO(), 0.05) == ""


def test_nothing_is_shown_where_all_was_there_before(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("encoding", "clips", Clock(60.0)) as tell:
        tell(5, 5)
    assert stream.getvalue() == ""


def test_what_has_no_known_end_is_counted(monkeypatch):
    out = told(monkeypatch, Terminal(), 1.0, total=None)
    assert "encoding: 50 clips\x1b" in out


def test_what_was_there_before_is_not_counted_as_speed(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("encoding", "clips", Clock(1.0)) as tell:
        tell(90, 100)
        tell(91, 100)
    assert "91 of 100 clips, 9.0 s left" in stream.getvalue()


def test_an_end_that_was_passed_is_no_longer_told(monkeypatch):
    out = told(monkeypatch, io.StringIO(), 5.0, n=30, total=5)
    assert "encoding: 21 clips\n" in out
    assert " of 5 clips, -" not in out

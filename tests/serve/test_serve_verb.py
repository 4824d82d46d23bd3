"""`musicavqa serve`: what cannot be offered is one line; what is offered is gone when it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

pytest.importorskip("uvicorn")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--max-upload", "12X"], "--max-upload is '12X'"),
        (["--checkpoint", "nowhere"], "There is no checkpoint nowhere"),
        (["--host", "203.0.113.7"], "Nothing can be offered at 203.0.113.7, port 8421"),
        (["--max-memory", "x"], "--max-memory is 'x'"),
    ],
)
def test_what_cannot_be_offered_is_one_line(command_line, run_folder, options, told):
    given = options if "--checkpoint" in options else [*options, "--checkpoint", run_folder]
    code, out, err = command_line("serve", *given)
    assert (code, out) == (1, "")
    assert told in err.splitlines()[-1]


def test_a_port_that_is_taken_is_named(command_line, run_folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = command_line("serve", "--port", port, "--checkpoint", run_folder)
    assert code == 1
    assert f"port {port} (Address already in use)" in err


def test_it_answers_until_interrupted_and_leaves_nothing(run_folder, tmp_path):
    command = [sys.executable, "-m", "musicavqa.cli", "serve", "--port", "0"]
    surroundings = {**os.environ, "MUSICAVQA_CACHE": str(tmp_path / "cache")}
    process = subprocess.Popen(
        [*command, "--checkpoint", str(run_folder)],
        env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"<title>musicavqa</title>" in answer.read()
        (folder,) = (tmp_path / "cache").glob("uploads*")
        assert folder.stat().st_mode & 0o077 == 0
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert "Traceback" not in err
    assert list((tmp_path / "cache").glob("uploads*")) == []

"""The verbs in a network namespace of their own: no name is looked up, no foreign file appears.

A name server on the loopback device writes down what is asked of it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from musicavqa.files import cache_folder

WATCH = r"""
import fcntl, glob, json, shlex, struct, socket, subprocess, sys, threading

VERBS = '''
render data --split train --clips 2 --seconds 3
render data --split val --clips 1 --seconds 3
features extract bandstand --data data --workers 2
features extract data/val --out alone
train question_gru --data data --epochs 1
predict RUN --data data --split val
evaluate RUN/predictions.val.jsonl --data data --split val
ask CLIP 'How many instruments are sounding in the video?' --evidence e.png
doctor
'''

def serve(server, asked):
    while True:
        question, sender = server.recvfrom(512)
        asked.append(question[12:-5].decode("latin-1"))
        server.sendto(question[:2] + b"\x81\x83" + question[4:], sender)  # no such name

if __name__ == "__main__":
    device = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    fcntl.ioctl(device, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # the loopback device is up
    with open("resolv.conf", "w") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", "resolv.conf", "/etc/resolv.conf"], check=True)
    server, asked, codes = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), [], {}
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=serve, args=(server, asked), daemon=True).start()
    from musicavqa import cli
    for verb in VERBS.strip().splitlines():
        run, clip = glob.glob("runs/*/*/*"), glob.glob("data/val/**/*.mp4", recursive=True)
        verb = verb.replace("RUN", *run or ["RUN"]).replace("CLIP", *clip or ["CLIP"])
        sys.argv = ["musicavqa", *shlex.split(verb)]
        try:
            cli.main()
        except SystemExit as done:
            codes[verb] = done.code or 0
    with open("told.json", "w") as file:
        json.dump({"asked": asked, "codes": codes}, file)
"""


def _may_unshare() -> bool:
    tool = shutil.which("unshare")
    mount = ["mount", "--bind", "/etc/resolv.conf", "/etc/resolv.conf"]
    command = [tool or "unshare", "--net", "--mount", *mount]
    return tool is not None and not subprocess.run(command, capture_output=True).returncode


@pytest.mark.skipif(not _may_unshare(), reason="no namespaces here")
def test_no_verb_looks_anything_up_or_leaves_a_file_elsewhere(tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    (work / "watch.py").write_text(WATCH)
    kept = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    surroundings = {**kept, "HOME": str(home), "MUSICAVQA_CACHE": str(cache_folder())}
    command = ["unshare", "--net", "--mount", sys.executable, "watch.py"]
    done = subprocess.run(command, cwd=work, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    told = json.loads((work / "told.json").read_text())
    assert set(told["codes"].values()) == {0}, f"{told['codes']}\n{done.stderr}"
    assert told["asked"] == []
    assert list(home.rglob("*")) == []
    made = {path.name for path in work.iterdir()}
    assert made == {
        "alone", "data", "e.png", "features", "resolv.conf", "runs", "told.json", "watch.py",
    }  # fmt: skip


SWITCHES = {"CI", "MPLCONFIGDIR", "ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY"}
"""Left out of the surroundings: what keeps libraries still must be set by this package."""

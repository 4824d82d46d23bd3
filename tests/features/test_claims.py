"""Of all who want a claim, one has it; the dead lose theirs."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time

import pytest

from musicavqa.features.store import claims, folder
from musicavqa.features.store.claims import (
    Busy,
    Claim,
    ClaimLostError,
    dead_claims,
    held,
    waited_for,
)

SETTLE = claims.SETTLE_S


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "SETTLE_S", 0.01)
    return folder(tmp_path / "claims")


def write(place, name, **facts):
    """A claim of a process that is not this one."""
    owner = {"token": "other", "count": 1, "time": time.time(), **claims.this_process(), **facts}
    place.write(name + claims.ENDING, [json.dumps(owner).encode()])


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_claim_is_held_once_and_given_back(place):
    with held(place, "ab") as first:
        assert isinstance(first, Claim)
        with held(place, "ab") as second:
            assert isinstance(second, Busy)
        with held(place, "cd") as other:
            assert isinstance(other, Claim)
        first.check()
    assert place.files() == []


def test_a_claim_of_a_process_that_ended_is_taken_over(place):
    write(place, "ab", pid=ended_process())
    with held(place, "ab") as claim:
        assert isinstance(claim, Claim)
        claim.check()


def test_a_process_number_that_is_used_again_does_not_keep_a_claim_alive(place):
    write(place, "ab", start="1")
    with held(place, "ab") as claim:
        assert isinstance(claim, Claim)


def test_a_claim_of_another_machine_is_kept_until_it_stands_still(place):
    write(place, "ab", machine="elsewhere", pid=ended_process())
    with held(place, "ab") as busy:
        assert isinstance(busy, Busy)
    write(place, "ab", machine="elsewhere", count=2)
    with held(place, "ab", stale=busy.seen) as still_busy:
        assert isinstance(still_busy, Busy)
    with held(place, "ab", stale=still_busy.seen) as claim:
        assert isinstance(claim, Claim)


def test_an_owner_who_wakes_up_finds_that_it_lost_its_claim(place):
    with held(place, "ab") as claim:
        write(place, "ab")
        with pytest.raises(ClaimLostError):
            claim.check()
    assert place.files() == ["ab.claim"]  # the new owner's is left alone


def test_the_count_rises_while_a_claim_is_held(place):
    with held(place, "ab", beat_s=0.01) as claim:
        deadline = time.monotonic() + 30
        while claim.count < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        with held(place, "ab") as busy:
            assert isinstance(busy, Busy)
    assert claim.count >= 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"token": null}'])
def test_a_claim_that_names_nobody_is_taken_over_soon(place, monkeypatch, content):
    place.write("ab.claim", [content])
    with held(place, "ab") as busy:  # it may just be written, where a file system has no links
        assert isinstance(busy, Busy)
    monkeypatch.setattr(claims, "NAMELESS_S", 0.1)
    with waited_for(place, "ab") as claim:
        claim.check()


def test_a_claim_is_whole_from_its_first_moment(place):
    seen = set()

    def look():
        while not done.is_set():
            seen.add(claims._said(place, "ab"))

    done = threading.Event()
    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(200):
        with held(place, "ab"):
            pass
    done.set()
    thread.join()
    assert all(said is None or claims._fact(said, "token") for said in seen)


def test_waiting_ends_when_the_claim_is_given_back_or_stands_still(place, monkeypatch):
    monkeypatch.setattr(claims, "EXPIRY_S", 0.1)
    write(place, "ab", machine="elsewhere")
    with waited_for(place, "ab") as claim:
        claim.check()


def test_dead_claims_are_those_of_ended_processes_and_of_machines_long_silent(place):
    write(place, "ended", pid=ended_process())
    write(place, "silent", machine="elsewhere", time=time.time() - 1000)
    write(place, "alive")
    write(place, "elsewhere", machine="elsewhere")
    assert dead_claims(place, older_than_s=900) == ["ended.claim", "silent.claim"]

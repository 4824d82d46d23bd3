"""Claims: of all workers on all machines, one writes the clips of a group.

A claim is a file that can be created only once. It names its owner and a count that the owner
raises every few seconds. A claim is dead when its owner is a process of this machine that no
longer runs, or when its count has stood still for `EXPIRY_S` on the clock of the one who waits
(clocks of two machines are never compared). Who takes over a dead claim writes its own name in it
and looks again a moment later: of several, the last has it. An owner who was suspended and wakes
finds another name before it writes a shard, and drops its work.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from musicavqa.features.store.places import Folder
from musicavqa.processes import has_ended, machine, start_of, this_process

FOLDER = "claims"
ENDING = ".claim"
BEAT_S = 10.0
EXPIRY_S = 60.0
NAMELESS_S = 2.0
"""Claims are whole from their first moment where there are links; elsewhere a moment later."""
SETTLE_S = 0.5


class ClaimLostError(OSError):
    """Another worker took this claim over, because it had not been heard of for too long."""


@dataclass(frozen=True)
class Busy:
    """Somebody else holds the claim; `seen` is what it said, to compare with later."""

    name: str
    seen: str


@dataclass
class Claim:
    """A claim that is held; see `held`."""

    folder: Folder
    name: str
    token: str
    count: int = 0
    clip: str | None = None
    """What the owner is at, where it was asked to say so."""
    lost: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Raise ClaimLostError unless the claim is still ours."""
        said = _said(self.folder, self.name)
        if self.lost or said is None or _fact(said, "token") != self.token:
            self.lost = True
            raise ClaimLostError(f"{self.folder}/{self.name}{ENDING} was taken over.")

    def say(self, clip: str) -> None:
        """Tell those who find the claim of a dead process which clip it died of."""
        self.clip = clip
        self.folder.write(self.name + ENDING, [self.text()])

    def beat_until_stopped(self, every_s: float) -> None:
        """Raise the count now and then (a thread does this)."""
        while not self.stopped.wait(every_s):
            try:
                self.check()
                self.count += 1
                self.folder.write(self.name + ENDING, [self.text()])
            except ClaimLostError:
                return
            except OSError:
                continue  # a file system that is away for a moment; others wait EXPIRY_S

    def text(self) -> bytes:
        """What the file says."""
        now = {"token": self.token, "count": self.count, "time": time.time()}
        owner = {**now, "clip": self.clip, **this_process()}
        return (json.dumps(owner, sort_keys=True) + "\n").encode()


@contextmanager
def held(
    folder: Folder, name: str, stale: str | None = None, beat_s: float = BEAT_S
) -> Iterator[Claim | Busy]:
    """Hold the claim `name` while the block runs, or tell that it is busy.

    `stale` is what the claim said when it was first seen, over `EXPIRY_S` ago: if it still says
    so, it is taken over.
    """
    claim = Claim(folder, name, secrets.token_hex(8))
    busy = _take(claim, stale)
    if busy is not None:
        yield busy
        return
    thread = threading.Thread(target=claim.beat_until_stopped, args=(beat_s,), daemon=True)
    thread.start()
    try:
        yield claim
    finally:
        claim.stopped.set()
        thread.join()
        _give_back(claim)


def last_clip(folder: Folder, name: str) -> str | None:
    """The clip that the owner of a claim said it was at."""
    clip = _fact(_said(folder, name) or "", "clip")
    return clip if isinstance(clip, str) else None


@contextmanager
def waited_for(
    folder: Folder, name: str, told: Callable[[str], None] = lambda owner: None
) -> Iterator[Claim]:
    """Hold the claim `name`, however long others hold it; `told` hears once who that is."""
    seen, since = None, time.monotonic()
    while True:
        stands_still = seen is not None and time.monotonic() - since >= expiry_s(seen)
        with held(folder, name, seen if stands_still else None) as claim:
            if isinstance(claim, Claim):
                yield claim
                return
            if seen is None:
                told(_owner(claim.seen))
            if claim.seen != seen:
                seen, since = claim.seen, time.monotonic()
        time.sleep(SETTLE_S)


def _owner(said: str) -> str:
    return f"process {_fact(said, 'pid')} on {_fact(said, 'host')}"


def dead_claims(folder: Folder, older_than_s: float = float("inf")) -> list[str]:
    """File names of claims whose owner is surely gone: a process of this machine that has ended.

    Claims of other machines count as dead when they say a time that long ago (by our clock, so
    give clocks that differ their due).
    """
    found = []
    for file in folder.files(ENDING):
        said = _said(folder, file.removesuffix(ENDING))
        if said is not None and (is_dead(said) or _age_s(said) > older_than_s):
            found.append(file)
    return found


def remove_dead(folder: Folder) -> None:
    """Remove the claims of processes of this machine that have ended."""
    for file in dead_claims(folder):
        folder.remove(file)


def is_dead(said: str) -> bool:
    """Whether the owner was a process of this machine and no longer runs."""
    pid = _fact(said, "pid")
    if _fact(said, "machine") != machine() or not isinstance(pid, int):
        return False
    return has_ended(pid) or start_of(pid) != _fact(said, "start")


def expiry_s(said: str) -> float:
    """How long a claim must stand still to be dead: one that names nobody, not long at all."""
    return EXPIRY_S if _fact(said, "token") is not None else NAMELESS_S


def _take(claim: Claim, stale: str | None) -> Busy | None:
    """Create the claim, or take over a dead one; Busy where that is not possible."""
    if claim.folder.create(claim.name + ENDING, claim.text()):
        return None
    said = _said(claim.folder, claim.name)
    if said is None:  # given back just now
        return _take(claim, stale)
    if said != stale and not is_dead(said):
        return Busy(claim.name, said)
    claim.folder.write(claim.name + ENDING, [claim.text()])
    time.sleep(SETTLE_S)
    said = _said(claim.folder, claim.name)
    if said is None or _fact(said, "token") != claim.token:
        return Busy(claim.name, said or "")
    return None


def _give_back(claim: Claim) -> None:
    try:
        claim.check()
    except ClaimLostError:
        return  # it is another's now
    claim.folder.remove(claim.name + ENDING)


def _said(folder: Folder, name: str) -> str | None:
    """Text of the claim, None where there is none."""
    try:
        return folder.read(name + ENDING).decode("utf-8", "replace")
    except FileNotFoundError:
        return None


def _fact(said: str, name: str) -> object:
    try:
        return json.loads(said)[name]
    except (ValueError, KeyError, TypeError):
        return None


def _age_s(said: str) -> float:
    beat = _fact(said, "time")
    return time.time() - beat if isinstance(beat, float) else 0.0

"""An adapter whose answers follow from what it is given, and sets of clips to ask it about."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from conftest import grey_frames, sine, write_media
from fixtures import make_questions
from musicavqa.llm.contract import Ability, ModelError, Receipt, Reply, Request
from musicavqa.records import Clip, Question


@dataclass
class Listener:
    """Says what a hash of the words, pictures and sound draws; fails on what `fails` names."""

    ability: Ability = field(default_factory=lambda: Ability("AV", ("generate", "score", "choose")))
    parallel: int = 1
    model: str = "listener"
    fails: tuple[str, ...] = ()
    says: str | None = None
    pause_s: float = 0.0
    asked: list[str] = field(default_factory=list)

    def identity(self) -> dict[str, Any]:
        return {"model": self.model, "revision": "1"}

    def _draw(self, request: Request) -> np.random.Generator:
        time.sleep(self.pause_s)
        self.asked.append(request.text)
        if any(word in request.text for word in self.fails):
            raise ModelError("server", f"500 for {request.text!r}")
        return np.random.default_rng(_number(request))

    def _receipt(self, request: Request) -> Receipt:
        sound, pictures = request.material.sound, request.material.pictures
        heard = 0.0 if sound is None else len(sound) / 16000
        if self.ability.longest_sound_s is not None:
            heard = min(heard, self.ability.longest_sound_s)
        return Receipt(
            frames=0 if pictures is None else len(pictures),
            seconds_heard=heard,
            seconds_of_sound=0.0 if sound is None else len(sound) / 16000,
            prompt_tokens=len(request.text.split()),
        )

    def score(self, request: Request) -> Reply:
        scores = self._draw(request).standard_normal(len(request.candidates))
        return Reply(self._receipt(request), scores=scores)

    def generate(self, request: Request) -> Reply:
        text = str(self._draw(request).choice(request.candidates))
        text = self.says if self.says is not None else f"It is {text}."
        return Reply(self._receipt(request), text=text)

    choose = generate


def _number(request: Request) -> int:
    """Of the words, pictures and sound."""
    digest = hashlib.sha256(request.text.encode())
    for array in (request.material.pictures, request.material.sound):
        digest.update(b"-" if array is None else array.tobytes())
    return int.from_bytes(digest.digest()[:8], "big")


def make_set(
    folder: Path, n_clips: int = 2, per_clip: int = 5
) -> tuple[list[Clip], list[Question]]:
    """Clips of 2 s with pictures and sound, and questions about them."""
    clips = []
    for number in range(n_clips):
        path = folder / f"clip-{number}.mp4"
        write_media(path, grey_frames(20)[number:], wave=sine(220 * (number + 1), 2.0))
        clips.append(Clip(f"clip-{number}", path, 2.0))
    return clips, make_questions(clips, per_clip)


@dataclass(frozen=True)
class Hire:
    """Opens a `Listener` in a worker; each question that it is asked is a line of `log`."""

    log: Path
    model: str = "listener"
    deadly: str | None = None
    """A question with these words kills the process."""
    pause_s: float = 0.0
    fails: tuple[str, ...] = ()

    def __call__(self) -> Listener:
        return Counted(model=self.model, pause_s=self.pause_s, fails=self.fails, hire=self)


@dataclass
class Counted(Listener):
    """A listener that writes down what it has answered, and dies of one question."""

    hire: Hire | None = None

    def generate(self, request: Request) -> Reply:
        assert self.hire is not None
        if self.hire.deadly is not None and self.hire.deadly in request.text:
            os.kill(os.getpid(), signal.SIGKILL)
        reply = super().generate(request)
        with self.hire.log.open("a") as log:
            log.write(f"{_number(request)}\n")
        return reply

    score = choose = generate

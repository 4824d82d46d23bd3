"""What the worker process does: render, read, answer; readings stay there while somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicavqa.serve.settings import Settings
from musicavqa.terminal import plain
from musicavqa.workers import Tick

if TYPE_CHECKING:
    from musicavqa.ask.asking import Performance, Reply

EXAMPLES = 1000
"""Of the split `test` of bandstand, far behind those that are scored."""
FIRST_EXAMPLE = 800_000


class Gone(ValueError):
    """The reading that was asked is not held any more."""


@dataclass(frozen=True)
class Errand:
    """One request for the worker."""

    key: str
    path: Path | None = None
    """The file to read; None for a reading that is held."""
    name: str = ""
    """What its owner calls the file; it is told and never opened."""
    questions: tuple[str, ...] = ()
    example: int | None = None
    """Number of the scene that is rendered to `path` first."""
    kept: frozenset[str] = frozenset()
    """Readings that somebody may still ask; all others are dropped."""


@dataclass(frozen=True)
class Held:
    """A reading, and the scene behind it where it was rendered here."""

    performance: Performance
    scene: dict[str, Any] | None


class Reader:
    """The work of one process; called with errand after errand."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.held: dict[str, Held] = {}

    def __call__(self, errand: Errand, tick: Tick) -> dict[str, Any]:
        """What the page is told, or under 'document' an error; errors of the file never raise."""
        from musicavqa.ask.documents import failure

        for key in self.held.keys() - errand.kept:
            del self.held[key]
        try:
            return self._read(errand, tick) if errand.path else self._answer(errand)
        except (ValueError, OSError, MemoryError, ImportError) as error:
            document = failure(errand.path or Path(), error)
            return {"document": called(document, errand.path, errand.name)}

    def _read(self, errand: Errand, tick: Tick) -> dict[str, Any]:
        from musicavqa.ask.asking import listen_and_look
        from musicavqa.ask.documents import answers
        from musicavqa.media import Limits

        assert errand.path is not None
        scene = None if errand.example is None else _render(errand.example, errand.path, tick)
        limits = Limits(self.settings.most_s, self.settings.memory_bytes)
        tick("reading", 0.0, None)
        performance = listen_and_look(
            errand.path,
            self.settings.checkpoint,
            limits=limits,
            tell=lambda done, total: tick("reading", done, total),
        )
        replies = performance.ask(errand.questions) if errand.questions else []
        tick("music", 0.0, None)
        document = answers(errand.path, performance, replies, music=True)
        told = {"document": called(document, errand.path, errand.name)}
        if errand.key not in errand.kept:
            return told
        self.held[errand.key] = Held(performance, scene)
        return {**told, **_more(performance)}

    def _answer(self, errand: Errand) -> dict[str, Any]:
        held = self.held.get(errand.key)
        if held is None:
            raise Gone("The reading of this file is not held any more. Send the file again.")
        replies = held.performance.ask(errand.questions)
        truths = [_truth(held.scene, reply) for reply in replies]
        return {"replies": [reply.as_dict() for reply in replies], "truths": truths}


def called(document: dict[str, Any], path: Path | None, name: str) -> dict[str, Any]:
    """The document with the name that its owner gave the file in place of ours."""
    shown = plain(name) or "the file"
    named = {**document, "file": name}
    if "error" in document and path is not None:
        message = document["error"]["message"].replace(str(path), shown)
        named["error"] = {**document["error"], "message": message}
    return named


def _render(number: int, path: Path, tick: Tick) -> dict[str, Any]:
    from musicavqa.bandstand.render import render
    from musicavqa.bandstand.scene import sample_scene

    tick("rendering", 0.0, None)
    scene = sample_scene("test", FIRST_EXAMPLE + number % EXAMPLES)
    render(scene, path)
    return scene


def _more(performance: Performance) -> dict[str, Any]:
    """Loudness, and what to ask; the file is not needed after this."""
    from musicavqa.ask.suggesting import suggest

    score = performance.score
    offered = [] if score is None else [list(pair) for pair in suggest(score)]
    loudness = performance.shown.sound.astype(float).round(3).tolist()
    return {
        "loudness": loudness,
        "suggestions": offered,
        "aspect": performance.account.aspect,
    }


def _truth(scene: dict[str, Any] | None, reply: Reply) -> str | None:
    """The exact answer where the file was rendered here; None where nobody knows it."""
    from musicavqa.bandstand.asked import answer
    from musicavqa.questions import parse

    meant: tuple[int, Sequence[str]] | None = None
    if scene is not None and reply.understood is not None:
        meant = parse(reply.understood)
    return None if scene is None or meant is None else answer(scene, *meant)

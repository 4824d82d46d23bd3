"""Ask a model every question of a set, keep what came of it, and read predictions from that.

What is done is found by its mark and not asked again, so the same command goes on where it was
killed. Errors are tried again; a run in which nothing but errors comes stops. `Setting` is all that
decides the answers besides questions and clips.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musicavqa.llm import sampling
from musicavqa.llm.contract import (
    Adapter,
    Generation,
    ModelError,
    Reply,
    Request,
    Way,
    put,
    unreached,
)
from musicavqa.llm.prompts import Preset, Prompt, build
from musicavqa.llm.store import Records, Source, bytes_of, hash_of
from musicavqa.media import MediaError
from musicavqa.records import Clip, Question

MOST_ERRORS_IN_A_ROW = 20
Tell = Callable[[float, float | None, str], None]


@dataclass(frozen=True)
class Setting:
    """How questions are put."""

    way: Way
    preset: Preset
    policy: sampling.Policy
    generation: Generation = field(default_factory=Generation)

    def as_dict(self) -> dict[str, Any]:
        """For run.json."""
        return {
            "way": self.way,
            "preset": self.preset.label,
            "preset_hash": hash_of(vars(self.preset)),
            "policy": str(self.policy),
            "policy_hash": self.policy.mark(),
            "generation": self.generation.as_dict(),
        }


@dataclass(frozen=True)
class Task:
    """One question, ready to be put."""

    question: Question
    prompt: Prompt
    clip: Path | None
    sound_from: Path | None
    source: Source
    lacking: str | None
    """The sense that it needs and the model lacks."""

    @property
    def mark(self) -> str:
        """Of its answer."""
        return self.source.mark()

    def head(self) -> dict[str, Any]:
        """What every record of it begins with, whatever came."""
        return {
            "mark": self.mark,
            "key": self.question.key,
            "source": vars(self.source),
            "lacking": self.lacking,
        }

    def failed(self, kind: str, message: str) -> dict[str, Any]:
        """The record of an error of one of `contract.ERROR_KINDS`."""
        told = {"kind": kind, "message": " ".join(message.split())[:500]}
        return {**self.head(), "status": "error", "error": told}


def plan(
    questions: Sequence[Question], clips: Sequence[Clip], adapter: Adapter, setting: Setting
) -> list[Task]:
    """What there is to ask, grouped by clip; every clip is read once, for the hash of its bytes."""
    paths = {clip.id: clip.path for clip in clips}
    model = hash_of(adapter.identity())
    tasks = []
    for question in sorted(questions, key=lambda q: (q.clip, q.sound_from or "")):
        prompt = build(question, setting.preset)
        clip = paths.get(question.clip)
        sound = paths.get(question.sound_from) if question.sound_from is not None else None
        if question.sound_from is not None and sound is None:
            clip = None  # what should be heard is not there
        asked = [question.key, question.clip, question.text, question.sound_from]
        source = Source(
            data=hash_of(asked),
            media=_media(clip, sound, setting.policy),
            policy=setting.policy.mark(),
            prompt=prompt.mark(),
            model=model,
            way=setting.way,
            generation=hash_of(setting.generation.as_dict()),
        )
        lacking = unreached(adapter.ability, question.cell)
        tasks.append(Task(question, prompt, clip, sound, source, lacking))
    return tasks


def _media(clip: Path | None, sound: Path | None, policy: sampling.Policy) -> str:
    if replace(policy, side=sampling.NO_MEDIA.side) == sampling.NO_MEDIA:
        return ""
    if clip is None or not clip.is_file():
        return "missing"
    return "+".join(bytes_of(path) for path in (clip, sound) if path is not None)


def check_senses(adapter: Adapter, questions: Sequence[Question], allowed: bool) -> list[Question]:
    """The questions that the model's senses do not reach; ValueError unless that is allowed."""
    lost = [q for q in questions if unreached(adapter.ability, q.cell)]
    if lost and not allowed:
        name, senses = adapter.identity()["model"], adapter.ability.senses
        has = {"V": "sees but does not hear", "A": "hears but does not see"}
        raise ValueError(
            f"{name} {has.get(senses, 'neither sees nor hears')}: it cannot answer {len(lost)} of "
            f"{len(questions)} questions but by guessing. Say --beyond-senses leave (they are left "
            "out) or --beyond-senses label (they are asked and labelled)."
        )
    return lost


def ask_all(
    tasks: Sequence[Task],
    adapter: Adapter,
    setting: Setting,
    records: Records,
    tell: Tell = lambda done, total, remark: None,
) -> None:
    """Put every question that has no answer yet; errors become records.

    ChildProcessError where `MOST_ERRORS_IN_A_ROW` came one after another.
    """
    todo = [task for task in tasks if not records.is_done(task.mark)]
    done, row = len(tasks) - len(todo), ErrorsInARow()
    tell(done, len(tasks), "")
    for record in answers(todo, adapter, setting):
        records.add(record)
        done += 1
        tell(done, len(tasks), "")
        row.count(record)


@dataclass
class ErrorsInARow:
    """Errors that came one after another, with no answer in between."""

    n: int = 0

    def count(self, record: Mapping[str, Any]) -> None:
        """One more record; ChildProcessError where `MOST_ERRORS_IN_A_ROW` are reached."""
        self.n = self.n + 1 if record["status"] == "error" else 0
        if self.n >= MOST_ERRORS_IN_A_ROW:
            raise ChildProcessError(
                f"{self.n} errors in a row (the last: {record['error']['message']}). "
                "What was answered is kept; the same command goes on."
            )


def answers(todo: Sequence[Task], adapter: Adapter, setting: Setting) -> Iterator[dict[str, Any]]:
    """A record for each task, when it is there: clips one after another, requests in parallel."""
    if adapter.parallel <= 1:
        kept = _Kept(setting.policy)
        for task in todo:
            yield _record(task, adapter, setting, kept)
        return
    with ThreadPoolExecutor(adapter.parallel) as pool:
        kept, waiting = _Kept(setting.policy), iter(todo)
        running: set[Future[dict[str, Any]]] = set()
        try:
            while True:
                for task in waiting:
                    running.add(pool.submit(_record, task, adapter, setting, kept))
                    if len(running) >= 2 * adapter.parallel:
                        break
                if not running:
                    return
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                for future in ready:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


class _Kept:
    """The material of the last clips, as all questions about a clip follow each other."""

    def __init__(self, policy: sampling.Policy, most: int = 2) -> None:
        import threading

        self.policy, self.most = policy, most
        self.lock = threading.Lock()
        self.kept: dict[tuple[Path, Path | None], sampling.Material] = {}

    def of(self, task: Task) -> sampling.Material:
        """Of a task's clip; MediaError where it cannot be read."""
        if task.source.media == "":
            return sampling.NOTHING
        if task.clip is None or not task.clip.is_file():
            raise MediaError(f"{task.question.clip} has no file.")
        place = (task.clip, task.sound_from)
        with self.lock:
            if place not in self.kept:
                while len(self.kept) >= self.most:
                    self.kept.pop(next(iter(self.kept)))
                self.kept[place] = sampling.sample(task.clip, self.policy, task.sound_from)
            return self.kept[place]


def _record(task: Task, adapter: Adapter, setting: Setting, kept: _Kept) -> dict[str, Any]:
    """What came of one question."""
    head = task.head()
    try:
        material = kept.of(task)
    except MediaError as error:
        return {**head, "status": "no media", "error": {"kind": "media", "message": str(error)}}
    prompt = task.prompt
    request = Request(prompt.text, prompt.system, material, prompt.candidates, setting.generation)
    started = time.monotonic()
    try:
        reply = put(adapter, setting.way, request)
    except ModelError as error:
        return task.failed(error.kind, str(error))
    return head | _told(reply, material) | {"took_s": round(time.monotonic() - started, 3)}


def _told(reply: Reply, material: sampling.Material) -> dict[str, Any]:
    return {
        "status": "refused" if reply.refused is not None else "answered",
        "text": reply.text,
        "refused": reply.refused,
        "scores": None if reply.scores is None else [round(float(s), 6) for s in reply.scores],
        "receipt": reply.receipt.as_dict(),
        "coverage": material.coverage.as_dict(),
        "usage": dict(reply.usage),
    }


def found(tasks: Sequence[Task], records: Records) -> Mapping[str, dict[str, Any]]:
    """Key of each question that was put -> what came of it."""
    return {t.question.key: r for t in tasks if (r := records[t.mark]) is not None}

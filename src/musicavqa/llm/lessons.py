"""Questions of a data set as lessons: prompt and clip as a run would put them, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from musicavqa.llm.contract import Request
from musicavqa.llm.prompts import Preset, build, spoken
from musicavqa.llm.sampling import Policy, sample
from musicavqa.llm.store import hash_of
from musicavqa.records import Clip, Question


@dataclass(frozen=True)
class SetLessons:
    """Lessons of one split; a clip is decoded when its question is taken."""

    name: str
    """Of set and split, such as 'music_avqa train'."""
    questions: tuple[Question, ...]
    paths: dict[str, Path]
    preset: Preset
    policy: Policy
    n_left_out: int = 0
    """Questions whose clip, or whose sound, is not there."""

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, place: int) -> tuple[Request, str]:
        question = self.questions[place]
        prompt = build(question, self.preset)
        other = question.sound_from
        sound = self.paths[other] if other is not None else None
        material = sample(self.paths[question.clip], self.policy, sound)
        assert question.answer is not None  # `lessons_of` left out what has none
        return Request(prompt.text, prompt.system, material), spoken(question.answer)

    def mark(self) -> str:
        """Name, number of questions and a hash of all that is taught."""
        asked = [(q.key, q.text, q.answer, q.sound_from) for q in self.questions]
        digest = hash_of([asked, vars(self.preset), self.policy.mark()])
        return f"{self.name}, {len(self)} questions ({digest[:8]})"


def lessons_of(
    name: str, questions: Sequence[Question], clips: Sequence[Clip], preset: Preset, policy: Policy
) -> SetLessons:
    """Lessons of all questions that have an answer and a clip on disk; ValueError for none."""
    if preset.lists == "options":
        raise ValueError(f"Answers are taught in words, not as letters: {preset.name} has options.")
    paths = {clip.id: clip.path for clip in clips if clip.path is not None and clip.path.is_file()}
    kept = tuple(
        q
        for q in questions
        if q.answer is not None and {q.clip, q.sound_from or q.clip} <= paths.keys()
    )
    if not kept:
        raise ValueError(f"None of the {len(questions)} questions of {name} has answer and clip.")
    return SetLessons(name, kept, paths, preset, policy, len(questions) - len(kept))

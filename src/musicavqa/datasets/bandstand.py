"""Bandstand: rendered performances with exact truth, read from a folder that `render` wrote.

    <root>/<split>/scenes.jsonl         one scene per line (docs/scene.md)
    <root>/<split>/questions.jsonl      one question per line (bandstand/exports.py)
    <root>/<split>/clips/<id>.mp4       one performance per scene

Scores on these clips say nothing about real footage and are never quoted as MUSIC-AVQA scores.
"""

from __future__ import annotations

from pathlib import Path

from musicavqa.bandstand.exports import read_questions
from musicavqa.datasets import tables
from musicavqa.datasets.sources import Defect, File
from musicavqa.files import file_name
from musicavqa.records import Clip, Question

CITATION = (
    "The musicavqa developers: bandstand, rendered music performances with exact answers. "
    "The questions follow the 33 templates of Li et al., Learning to Answer Questions in Dynamic "
    "Audio-Visual Scenarios, CVPR 2022."
)
LICENCE = (
    "Apache-2.0, as the package: scenes, pictures, questions and answers are made by its code. "
    "The sound is played with the General MIDI font TimGM6mb (GPL-2), which is not shipped here."
)
FILES: tuple[File, ...] = ()
"""None: `render` makes them."""
DEFECTS: tuple[Defect, ...] = ()


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split.

    Raises FileNotFoundError for a missing file, ValueError where files do not fit together.
    """
    folder = root / split
    for name in ("scenes.jsonl", "questions.jsonl"):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"There is no {folder / name}. {_advice(split)}")
    clips = _clips(folder, split)
    questions = read_questions(folder / "questions.jsonl")
    _check(clips, questions, folder)
    return clips, questions


def splits(root: Path) -> list[str]:
    """The rendered splits; FileNotFoundError when there is none."""
    found = sorted(path.parent.name for path in root.glob("*/scenes.jsonl"))
    if not found:
        raise FileNotFoundError(f"There is no rendered split in {root}. Run: musicavqa render")
    return found


def _clips(folder: Path, split: str) -> list[Clip]:
    scenes = tables.read_json_lines(folder / "scenes.jsonl")
    for number, scene in enumerate(scenes, start=1):
        length = scene.get("duration_s")
        if not isinstance(scene.get("id"), str) or type(length) not in (int, float):
            raise ValueError(
                f"{folder / 'scenes.jsonl'} line {number} is no scene: it lacks id or duration_s."
            )
    paths = [folder / "clips" / f"{file_name(scene['id'])}.mp4" for scene in scenes]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(paths)} clips are missing (first: {missing[0]}). "
            f"{_advice(split)}"
        )
    return [
        Clip(id=scene["id"], path=path, duration_s=float(scene["duration_s"]), scene=scene)
        for scene, path in zip(scenes, paths, strict=True)
    ]


def _check(clips: list[Clip], questions: list[Question], folder: Path) -> None:
    known, keys = {clip.id for clip in clips}, {question.key for question in questions}
    stray = [question for question in questions if question.clip not in known]
    if len(known) < len(clips) or len(keys) < len(questions):
        raise ValueError(f"{folder} repeats a clip id or a question key. Render it anew.")
    if stray:
        raise ValueError(
            f"{len(stray)} of {len(questions)} questions in {folder} ask about clips that are not "
            f"in scenes.jsonl (first: {stray[0].key} about {stray[0].clip}). Render it anew."
        )


def _advice(split: str) -> str:
    return f"Run: musicavqa render --split {split}"

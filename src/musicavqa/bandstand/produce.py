"""Make a split of bandstand on disk: scenes, questions, and one mp4 per scene; resumable.

identity.json says what each clip was rendered from: the hash of its scene and of the renderer's
version. A clip whose scene or renderer has changed since is rendered anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from musicavqa.workers import do_all

Job = tuple[dict[str, Any], Path]
"""A scene, and where its clip goes."""


def produce(
    root: Path,
    split: str,
    n_clips: int,
    *,
    per_template: int | None = None,
    workers: int = 1,
    duration_s: float = 10.0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write `n_clips` scenes of `split`, their questions and their clips under root/split.

    Clips that exist and still fit are kept, so a killed run goes on where it stopped. Equal
    arguments give equal scenes and questions. `per_template` caps the questions of each template.
    Returns the folder.
    """
    from musicavqa.bandstand.exports import make_questions, write_questions
    from musicavqa.bandstand.scene import sample_scene
    from musicavqa.files import file_name, write_text

    scenes = [sample_scene(split, index, duration_s=duration_s) for index in range(n_clips)]
    folder = Path(root) / split
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    questions = make_questions(scenes, split, per_template=per_template)
    asked = {question.clip for question in questions}
    scenes = [scene for scene in scenes if scene["id"] in asked]
    lines = "".join(json.dumps(scene, sort_keys=True) + "\n" for scene in scenes)
    write_text(folder / "scenes.jsonl", lines)
    write_questions(folder / "questions.jsonl", questions)
    jobs = [(scene, folder / "clips" / f"{file_name(scene['id'])}.mp4") for scene in scenes]
    _drop_stale(jobs, folder / "identity.json")
    for n_done, _ in enumerate(_render_all(jobs, workers), start=1):
        if progress is not None:
            progress(n_done, len(jobs))
    return folder


def _drop_stale(jobs: list[Job], identity: Path) -> None:
    """Delete clips made from anything but today's scene and renderer, then write `identity`."""
    from musicavqa.bandstand.render import RENDERER_VERSION, scene_hash
    from musicavqa.files import write_json

    known = _known(identity)
    hashes = {scene["id"]: scene_hash(scene) for scene, _ in jobs}
    for scene, path in jobs:
        if known.get(scene["id"]) != hashes[scene["id"]]:
            path.unlink(missing_ok=True)
    write_json(identity, {"renderer_version": RENDERER_VERSION, "clips": hashes})


def _known(identity: Path) -> dict[str, Any]:
    """Hashes by clip of what was rendered before."""
    from musicavqa.files import read_json

    known = read_json(identity) if identity.exists() else {"clips": {}}
    if not isinstance(known, dict) or not isinstance(known.get("clips"), dict):
        raise ValueError(f"{identity} is damaged. Delete it; the clips are then rendered anew.")
    return known["clips"]


def _render_all(jobs: list[Job], workers: int) -> Iterator[Path]:
    missing = [job for job in jobs if not job[1].exists()]
    yield from (path for _, path in jobs if path.exists())
    yield from do_all(_render_one, missing, workers, lambda job: str(job[1]))


def _render_one(job: Job, tick: Callable[..., None]) -> Path:
    from musicavqa.bandstand.render import render

    scene, path = job
    render(scene, path)
    return path

"""A task folder for lmms-eval: the questions of a data set, asked there and scored here.

    <out>/<task>.yaml       what lmms-eval reads
    <out>/questions.jsonl   key, prompt, options, clip (relative to the data) and right answer
    <out>/asked.py          what it calls: hands out the clip, keeps the response as it is

lmms-eval cannot tell a number that is worth believing from one that is not, so the task gives none:
its sample log (`--log_samples`) is read by `musicavqa predictions import`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from musicavqa.files import write_text
from musicavqa.llm.prompts import Preset, build, preset
from musicavqa.records import Clip, Question

Give = Literal["video", "sound", "nothing"]
"""What of a clip is handed to the model: its file, its sound alone, or the question alone."""
N_TOKENS = 64


@dataclass(frozen=True)
class ExportedTask:
    """What was written."""

    name: str
    """For `--tasks`."""
    folder: Path
    n_questions: int
    n_left_out: int
    """Questions whose clip is not here."""


def export_lmms_eval(
    set_name: str,
    data: Path | str,
    out: Path | str,
    split: str = "test",
    prompt: str = "short",
    give: Give = "video",
    partly: bool = False,
) -> ExportedTask:
    """Write the task folder of one split, to be asked with the prompt preset `prompt`.

    ValueError for a folder with other files in it, for clips that are not here (with `partly` their
    questions are left out) and where the sound is that of another clip, which a video cannot have.
    """
    from musicavqa.datasets import load_dataset

    if give not in get_args(Give):
        raise ValueError(f"give is {give!r}; choose {', '.join(get_args(Give))}.")
    root, folder, how = Path(data), Path(out), preset(prompt)
    clips, questions = load_dataset(set_name, root, split)
    rows, n_left_out = _rows(questions, clips, root, how, give, partly)
    name = "_".join(["musicavqa", *(_word(part) for part in (set_name, split, prompt, give))])
    content = {
        f"{name}.yaml": _yaml(name, how),
        "questions.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        "asked.py": Path(__file__).with_name("asked.py").read_text(encoding="utf-8"),
    }
    _check_folder(folder, set(content))
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in reversed(content.items()):  # the task itself comes last
        write_text(folder / file, text)
    return ExportedTask(name, folder, len(rows), n_left_out)


def _rows(
    questions: Sequence[Question],
    clips: Sequence[Clip],
    root: Path,
    how: Preset,
    give: Give,
    partly: bool,
) -> tuple[list[dict[str, Any]], int]:
    """A line for each question whose clip is here, and how many were left out."""
    paths = {clip.id: clip.path for clip in clips}
    rows, lost, mixed = [], [], []
    for question in questions:
        path = paths.get(question.clip)
        if question.sound_from is not None:
            mixed.append(question)
            path = paths.get(question.sound_from) if give == "sound" else path
        if give != "nothing" and (path is None or not path.is_file()):
            lost.append(question)
            continue
        asked = build(question, how)
        rows.append({
            "key": question.key,
            "prompt": "\n".join(part for part in (asked.system, asked.text) if part),
            "options": list(asked.options),
            "answer": question.answer or "", "give": give,
            "clip": "" if path is None else Path(os.path.relpath(path, root)).as_posix(),
        })  # fmt: skip
    if mixed and give == "video":
        raise ValueError(
            f"{len(mixed)} of {len(questions)} questions (first: {mixed[0].key}) take the sound of "
            "another clip, which a video file cannot have. Give sound, or ask with `llm run`."
        )
    if lost and not partly:
        raise ValueError(
            f"The clips of {len(lost)} of {len(questions)} questions are not under {root} (first: "
            f"{lost[0].clip}). Bring them, or say --partly to leave those questions out."
        )
    if not rows:
        raise ValueError(f"No clip of this split is under {root}: there is nothing to ask.")
    return rows, len(lost)


def _yaml(name: str, how: Preset) -> str:
    """The task; every text in it is quoted as JSON does, which YAML reads."""
    return f"""\
# Written by `musicavqa llm export-task`. Set MUSICAVQA_DATA to the folder of the data set.
task: {json.dumps(name)}
dataset_path: json
dataset_kwargs:
  data_files:
    test: questions.jsonl
test_split: test
output_type: generate_until
doc_to_text: prompt
doc_to_target: answer
doc_to_visual: !function asked.clip
process_results: !function asked.keep
generation_kwargs:
  max_new_tokens: {N_TOKENS}
  temperature: 0
  do_sample: false
  until: []
metric_list:
  - metric: answered
    aggregation: !function asked.answered
    higher_is_better: true
metadata:
  version: {how.version}
  prompt: {json.dumps(how.label)}
"""


def _check_folder(folder: Path, files: set[str]) -> None:
    """A folder may hold the same task, to be written again, and nothing else."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file. Name a folder for the task.")
    others = sorted({path.name for path in folder.glob("*")} - files - {"__pycache__"})
    if others:
        raise ValueError(f"{folder} holds {others[0]} already. Name an empty folder for the task.")


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")

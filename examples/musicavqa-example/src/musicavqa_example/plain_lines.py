"""Questions in a text file: <root>/<split>.txt, a line `clip | question | answer` each.

<root>/clips/<clip>.mp4      the videos, where they are
"""

from __future__ import annotations

from pathlib import Path

from musicavqa import answers
from musicavqa.datasets.sources import Defect, File
from musicavqa.questions import parse, template
from musicavqa.records import Clip, Question

CITATION = "An example; there is nothing to cite."
LICENCE = "Yours."
FILES: tuple[File, ...] = ()
"""Published files with size and checksum, for `musicavqa data check`; none here."""
DEFECTS: tuple[Defect, ...] = ()


def splits(root: Path) -> list[str]:
    """The splits there are."""
    return sorted(path.stem for path in root.glob("*.txt"))


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line."""
    path = root / f"{split}.txt"
    if not path.is_file():
        raise FileNotFoundError(f"There is no {path}.")
    lines = path.read_text(encoding="utf-8").splitlines()
    questions = [_question(line, f"plain_lines/{split}/{n}", path) for n, line in enumerate(lines)]
    files = {name: root / "clips" / f"{name}.mp4" for name in {q.clip for q in questions}}
    clips = [Clip(name, file if file.is_file() else None, None) for name, file in files.items()]
    return clips, questions


def _question(line: str, key: str, path: Path) -> Question:
    """One line; every join is by `key`, which is set/split/position."""
    try:
        clip, text, answer = (part.strip() for part in line.split("|"))
        answers.index(answer)
    except ValueError as error:
        raise ValueError(f"{path}: {line!r} is not `clip | question | answer` ({error}).") from None
    found = parse(text)
    if found is None:
        raise ValueError(f"{path}: {text!r} is none of the 33 templates.")
    number, slots = found
    return Question(key, clip, text, number, slots, template(number).cell, answer)

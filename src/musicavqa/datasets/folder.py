"""Your own clips and questions.

    <root>/<split>.csv, .tsv, .jsonl, .json one question per row
    <root>/clips/**                         the media; without this folder, questions stand alone

| column | |
|---|---|
| `clip` | file under clips/, with or without its ending |
| `question` | a filled template; any wording where `template` and `slots` say what it means |
| `answer` | one of the 42, or empty where it is not known |
| `template`, `slots` | optional: 1 to 33, and a JSON list of its values |
| `origin`, `part`, `rephrases`, `sound_from` | optional, as in `records.Question` |

Lines that `bandstand.exports.write_questions` wrote are read too (`text` is the question; `key` is
given anew, by position).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from musicavqa import answers
from musicavqa.datasets import official, tables
from musicavqa.datasets.sources import Defect, File
from musicavqa.files import composed
from musicavqa.media import ENDINGS
from musicavqa.questions import TEMPLATES, fill, parse, template
from musicavqa.records import Clip, Question

CITATION = "Your own."
LICENCE = "Your own."
FILES: tuple[File, ...] = ()
DEFECTS: tuple[Defect, ...] = ()

KINDS = ("csv", "tsv", "jsonl", "json")
_OPTIONAL = (
    "answer", "template", "slots", "origin", "part", "rephrases", "sound_from", "key", "cell",
    "question_id",
)  # fmt: skip


def load(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of a split; FileNotFoundError or ValueError in one line."""
    path = _question_file(root, split)
    table = path.suffix in (".csv", ".tsv")
    rows = tables.read_csv(path) if table else tables.read_json_lines(path)
    if not rows:
        raise ValueError(f"{path} holds no questions.")
    questions = []
    for index, row in enumerate(rows):
        try:
            questions.append(_question(row, f"folder/{split}/{index}"))
        except ValueError as error:
            raise ValueError(f"{path} row {index}: {error}") from None
    return _clips(root, questions), questions


def splits(root: Path) -> list[str]:
    """The splits there are; FileNotFoundError when there is none."""
    kinds = [kind for kind in KINDS if kind != "json"]  # others keep other things in such files
    found = sorted({path.stem for kind in kinds for path in root.glob(f"[!.]*.{kind}")})
    if not found:
        raise FileNotFoundError(
            f"There is no question file (<split>.{', .'.join(KINDS)}) in {root}."
        )
    return found


def _question_file(root: Path, split: str) -> Path:
    found = [path for kind in KINDS if (path := root / f"{split}.{kind}").is_file()]
    if not found:
        near = get_close_matches(split, splits(root), n=3, cutoff=0.4) or splits(root)
        raise FileNotFoundError(
            f"There is no {split}.{', .'.join(KINDS)} in {root}. Did you mean {' or '.join(near)}?"
        )
    if len(found) > 1:
        raise ValueError(f"{found[0]} and {found[1]} are both there. Keep one.")
    return found[0]


def _question(row: Mapping[str, Any], key: str) -> Question:
    wording = "text" if "text" in row else "question"
    official.check_columns(row, ("clip", wording), _OPTIONAL)
    text = _word(row, wording)
    clip, answer, part = _word(row, "clip"), _word(row, "answer"), _word(row, "part")
    if clip is None or text is None:
        raise ValueError(f"{'clip' if clip is None else wording} is empty.")
    if answer is not None:
        answers.index(answer)
    if part not in (None, "head", "tail"):
        raise ValueError(f"part is {official.show(part)}, not 'head' or 'tail'.")
    number, slots = _meaning(row, text)
    cell = template(number).cell
    if _word(row, "cell") not in (None, cell):
        raise ValueError(f"cell is {official.show(row['cell'])}, but template {number} is {cell}.")
    origin = _word(row, "origin") or "real"
    number_in_file = None if row.get("question_id") in (None, "") else row["question_id"]
    if isinstance(number_in_file, str) and number_in_file.isascii() and number_in_file.isdigit():
        number_in_file = int(number_in_file)
    number_in_file = official.whole_number(number_in_file, "question_id")
    others = (part, _word(row, "rephrases"), _word(row, "sound_from"), number_in_file)
    return Question(key, clip, text, number, slots, cell, answer, origin, *others)  # type: ignore[arg-type]


def _word(row: Mapping[str, Any], column: str) -> str | None:
    """A text, or None for an empty or absent one."""
    value = row.get(column)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{column} is {official.show(value)}, not a text.")
    return value or None


def _meaning(row: Mapping[str, Any], text: str) -> tuple[int, tuple[str, ...]]:
    """Template and slots, from their columns or from the text."""
    number = row.get("template")
    if number in (None, ""):
        if (found := parse(text)) is None:
            near = get_close_matches(text, [item.text for item in TEMPLATES], n=1, cutoff=0.3)
            hint = f" The nearest is {near[0]!r}." if near else ""
            raise ValueError(
                f"{official.show(text)} is none of the 33 templates.{hint} "
                "Fill in `template` and `slots` for another wording."
            )
        return found
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 3:
        number = int(number)
    if type(number) is not int:
        raise ValueError(f"template is {official.show(number)}, not a number from 1 to 33.")
    slots = tuple(official.decode_list(row.get("slots") or "[]", "slots"))
    fill(number, slots)
    return number, slots


def _clips(root: Path, questions: Sequence[Question]) -> list[Clip]:
    named = {q.clip: None for q in questions}
    named |= {q.sound_from: None for q in questions if q.sound_from is not None}
    folder = root / "clips"
    if not folder.is_dir():
        return [Clip(name, None, None) for name in named]
    media = _media(folder)
    files = {name: media.get(composed(name), []) for name in named}
    missing = [name for name, paths in files.items() if not paths]
    if missing:
        raise FileNotFoundError(
            f"{len(missing)} of {len(named)} clips are not in {folder} (first: {missing[0]!r})."
        )
    twice = [name for name, paths in files.items() if len(paths) > 1]
    if twice:
        raise ValueError(f"{twice[0]!r} is more than one file in {folder}. Write its ending too.")
    return [Clip(name, paths[0], None) for name, paths in files.items()]


def _media(folder: Path) -> dict[str, list[Path]]:
    """Composed name under `folder`, of media also without ending -> files; hidden ones are none."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if not path.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        aliases = [name, name.with_suffix("")] if path.suffix.lower() in ENDINGS else [name]
        for alias in dict.fromkeys(composed(alias.as_posix()) for alias in aliases):
            found.setdefault(alias, []).append(path)
    return found

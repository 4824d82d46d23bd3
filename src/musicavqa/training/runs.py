"""Run folders, runs/<set>/<method>/<hash8>-s<seed>/, and the files in them.

run.json, log.jsonl, checkpoint.safetensors, state.safetensors (to go on after a kill), and
predictions.<split>.jsonl, one line per question, joined by key. Beside predictions that a run made,
predictions.<split>.sources.json tells by hashes what they were made from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from musicavqa.answers import ANSWERS
from musicavqa.files import replacing, write_json, write_text
from musicavqa.metrics.accuracy import check_keys
from musicavqa.metrics.calibration import probabilities
from musicavqa.records import Prediction, Question, Status

if TYPE_CHECKING:
    import torch


ABOUT = "run.json"
CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Progress:
    """Counters of a training run after its last whole epoch."""

    stage: str = ""
    """Of the method's STAGES; empty while it learns to answer."""
    epoch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    finished: bool = False
    log: list[dict[str, Any]] = field(default_factory=list)


def run_folder(root: Path, data_set: str, method: str, settings: Mapping[str, Any]) -> Path:
    """The folder of a run. `settings` is all that decides its result and holds its 'seed'."""
    text = json.dumps({**settings, "method": method}, sort_keys=True)
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    return root / data_set / Path(method).stem / f"{mark}-s{settings['seed']}"


@dataclass(frozen=True)
class Answered:
    """A prediction file, and of which data set and split it answers the questions."""

    path: Path
    set_name: str
    split: str


def about(folder: Path) -> dict[str, Any]:
    """What run.json tells of the run in this folder."""
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run folder: it has no {ABOUT}.")
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told


def predictions_path(folder: Path, split: str, set_name: str | None = None) -> Path:
    """Where a run keeps its predictions of a split; None is the set that it was trained on."""
    is_own = set_name is None or set_name == about(folder)["data"]["name"]
    return folder / f"predictions.{split if is_own else f'{set_name}.{split}'}.jsonl"


def answered(place: Path, set_name: str | None = None, split: str | None = None) -> Answered:
    """The predictions at `place`, a run folder or a prediction file.

    Names that are None are read off it: of a run, the set that it was trained on and its test
    split; of a file, what its keys begin with.
    """
    if place.is_dir():
        asked, part = set_name or about(place)["data"]["name"], split or "test"
        return Answered(predictions_path(place, part, asked), asked, part)
    if set_name is None or split is None:
        first = next(iter(load_predictions(place)), None)
        name, _, rest = (first.key if first else "").partition("/")
        part, _, _ = rest.rpartition("/")
        if not (name and part):
            raise ValueError(f"{place} does not tell what it answers. Say --set and --split.")
        set_name, split = set_name or name, split or part
    return Answered(place, set_name, split)


def append_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Add lines to a prediction file; flushed line by line, so that a killed run loses little."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _drop_cut_line(path)
    with path.open("a", encoding="utf-8") as handle:
        for prediction in predictions:
            handle.write(_line(prediction))
            handle.flush()


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write a whole prediction file, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sources_path(path).unlink(missing_ok=True)
    write_text(path, "".join(_line(prediction) for prediction in predictions))


def load_predictions(path: Path) -> list[Prediction]:
    """All lines of a prediction file; the first that is none raises ValueError."""
    if not path.is_file():
        raise FileNotFoundError(f"There are no predictions at {path}.")
    found = []
    try:
        with path.open(encoding="utf-8") as handle:
            for number, line in enumerate(handle, start=1):
                found.append(_prediction(line, f"{path}:{number}"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text. {_ELSEWHERE}") from error
    return found


def read_predictions(
    path: Path, questions: Sequence[Question], ignored: Set[str] = frozenset()
) -> list[Prediction]:
    """One prediction for each question, in their order; anything else raises, with counts.

    Predictions for the keys in `ignored` are passed over. ValueError where the file answers other
    questions under the same keys.
    """
    _check_sources(path, {question.key: _asked(question) for question in questions})
    found = [prediction for prediction in load_predictions(path) if prediction.key not in ignored]
    check_keys([question.key for question in questions], [p.key for p in found])
    by_key = {prediction.key: prediction for prediction in found}
    return [by_key[question.key] for question in questions]


def pending(
    path: Path, questions: Sequence[Question], sources: Mapping[str, str] | None = None
) -> list[Question]:
    """The questions that have no prediction yet; double or unknown keys in the file raise.

    `sources`, name -> hash, is what answers are made from; it is noted with the questions beside
    the file. ValueError where the predictions in it were made from anything that has changed.
    """
    now = {**(sources or {}), **{question.key: _asked(question) for question in questions}}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(_sources_path(path), now)
        return list(questions)
    if noted := _check_sources(path, now):
        write_json(_sources_path(path), {**noted, **now})
    _drop_cut_line(path)
    done = [prediction.key for prediction in load_predictions(path)]
    check_keys([question.key for question in questions], done, partly=True)
    known = set(done)
    return [question for question in questions if question.key not in known]


def _sources_path(path: Path) -> Path:
    return path.with_suffix(".sources.json")


def _check_sources(path: Path, now: Mapping[str, str]) -> dict[str, str]:
    """What the predictions were made from, {} where nobody noted it; ValueError if it changed."""
    noted_at = _sources_path(path)
    noted = json.loads(noted_at.read_text(encoding="utf-8")) if noted_at.is_file() else {}
    changed = [name for name, mark in now.items() if noted.get(name, mark) != mark]
    if changed:
        raise ValueError(
            f"{path} was made from what has changed since: {', '.join(changed[:3])}"
            f"{f' and {len(changed) - 3} more' if len(changed) > 3 else ''}. Delete it and "
            f"predict again."
        )
    return noted


def _asked(question: Question) -> str:
    """Short hash of what is asked, without the answer."""
    text = f"{question.text}\0{question.sound_from or ''}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def to_predictions(
    keys: Sequence[str], logits: np.ndarray, temperature: float = 1.0
) -> list[Prediction]:
    """Logits (N, 42) as predictions: the best answer and its runner-up, with confidences."""
    confidences = probabilities(logits, temperature)
    best = np.argsort(-confidences, axis=1, kind="stable")[:, :2]
    return [
        Prediction(
            key=key,
            answer=ANSWERS[first],
            confidence=float(row[first]),
            runner_up=ANSWERS[second],
            runner_up_confidence=float(row[second]),
        )
        for key, row, (first, second) in zip(keys, confidences, best, strict=True)
    ]


def save_state(
    path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write all that training needs to go on, in one file and without pickle."""
    from safetensors.torch import save_file

    tensors = {f"model/{k}": v.detach().contiguous() for k, v in model.state_dict().items()}
    for row, values in optimizer.state_dict()["state"].items():
        tensors.update({f"optimizer/{row}/{k}": v.contiguous() for k, v in values.items()})
    with replacing(path) as part:
        save_file(tensors, part, {"progress": json.dumps(asdict(progress))})


def load_progress(path: Path) -> Progress:
    """How far a saved state had come."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return Progress(**json.loads(file.metadata()["progress"]))


def load_state(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state into model and optimizer; the optimizer keeps its own settings."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    weights = {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")}
    model.load_state_dict(weights)
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer/"):
            _, row, name = key.split("/")
            state.setdefault(int(row), {})[name] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _line(prediction: Prediction) -> str:
    """One line; what is unknown is left out, but for the answer."""
    row = {name: value for name, value in vars(prediction).items() if value is not None}
    return json.dumps({**row, "answer": prediction.answer}) + "\n"


def _prediction(line: str, where: str) -> Prediction:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where} is no line of JSON. {_ELSEWHERE}") from error
    if not (isinstance(row, dict) and _NEEDED <= row.keys() <= _FIELDS):
        raise ValueError(
            f"{where} is no prediction with {', '.join(sorted(_NEEDED))}. {_ELSEWHERE}"
        )
    if problem := _problem(row):
        raise ValueError(f"{where}: {problem} {_ELSEWHERE}")
    return Prediction(**row)


def _problem(row: dict[str, Any]) -> str | None:
    """What is wrong with the values of a line."""
    answer, status = row["answer"], row.get("status", "answered")
    if not isinstance(row["key"], str) or status not in _STATUSES:
        return f"the key {row['key']!r} or the status {status!r} is not valid."
    if (status == "answered") != (answer is not None):
        return f"the answer {answer!r} does not go with the status {status!r}."
    for name in ("answer", "runner_up"):
        if row.get(name) is not None and row[name] not in ANSWERS:
            return f"the {name} {row[name]!r} is none of the 42."
    for name in ("confidence", "runner_up_confidence"):
        if not _is_share(row.get(name)):
            return f"the {name} {row[name]!r} is not between 0 and 1."
    if any(not isinstance(row.get(name, ""), str | None) for name in ("text", "outcome", "rule")):
        return "text, outcome and rule are text."
    return None


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= 1)


_STATUSES = get_args(Status)
_FIELDS = {item.name for item in fields(Prediction)}
_NEEDED = {"key", "answer"}
_ELSEWHERE = "Predictions from elsewhere: musicavqa predictions import FILE"


def _drop_cut_line(path: Path) -> None:
    """Cut off a last line without its end, which a killed run may leave."""
    if not path.exists():
        return
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])

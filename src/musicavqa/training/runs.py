"""Run folders, runs/<set>/<method>/<hash8>-s<seed>/, and the files in them.

run.json, log.jsonl, checkpoint.safetensors, state.safetensors (to go on after a kill), and
predictions.<split>.jsonl, one line per question, joined by key. Beside predictions that a run made,
predictions.<split>.sources.json tells by hashes what they were made from.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from musicavqa.answers import ANSWERS
from musicavqa.features.store import folder as place
from musicavqa.features.store.claims import waited_for
from musicavqa.files import (
    drop_cut_line,
    file_name,
    parse_json,
    read_json,
    replacing,
    whole_lines,
    write_json,
    write_text,
)
from musicavqa.metrics.accuracy import check_keys
from musicavqa.metrics.calibration import probabilities
from musicavqa.records import BusyWarning, Prediction, Question, Status

if TYPE_CHECKING:
    import torch


ABOUT = "run.json"
"""Ends a run, and says all that decided its result."""
CHECKPOINT = "checkpoint.safetensors"


@dataclass
class Progress:
    """Counters of a training run after its last whole epoch."""

    stage: str = ""
    """Of the method's STAGES; empty while it learns to answer."""
    epoch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    ended: str = ""
    """Which field of the recipe ended the stage: epochs, patience or cpu_minutes; else empty."""
    log: list[dict[str, Any]] = field(default_factory=list)
    scaler: dict[str, Any] | None = None
    """Of losses in half precision, see `schedule.make_scaler`."""


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
    """What run.json tells of the run in this folder; ValueError where it is damaged."""
    path = folder / ABOUT
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no run folder: it has no {ABOUT}.")
    told: dict[str, Any] = read_json(path)
    if not _is_about(told):
        raise ValueError(f"{path} is damaged: it lacks method, data or mute. Train this run again.")
    return told


def _is_about(told: Any) -> bool:
    """Whether this has the parts of run.json that are read of any run."""
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get("mute"), list):
        return False
    identity = data.get("identity", {})
    streams = identity.get("streams", {}) if isinstance(identity, dict) else None
    if not isinstance(streams, dict) or not isinstance(told.get("recipe", {}), dict):
        return False
    texts = [told.get("method"), data.get("name"), *data["mute"], *streams.values()]
    return all(isinstance(text, str) for text in texts)


def predictions_path(folder: Path, split: str, set_name: str | None = None) -> Path:
    """Where a run keeps its predictions of a split; None is the set that it was trained on."""
    is_own = set_name is None or set_name == about(folder)["data"]["name"]
    return folder / f"predictions.{file_name(split if is_own else f'{set_name}.{split}')}.jsonl"


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


Append = Callable[[Iterable[Prediction]], None]
"""Adds lines to a prediction file; flushed line by line, so that a killed run loses little."""


@contextmanager
def appending(path: Path) -> Iterator[Append]:
    """Hold the right to add to a prediction file, which one process has at a time, and say how.

    Whoever comes meanwhile waits (BusyWarning tells for whom) and so finds what is left to do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)

    def wait_for(owner: str) -> None:
        warnings.warn(BusyWarning(f"{path} is being written by {owner}; waiting."), stacklevel=4)

    with waited_for(place(path.parent), path.name, wait_for) as claim:
        drop_cut_line(path)

        def append(predictions: Iterable[Prediction]) -> None:
            claim.check()
            with path.open("a", encoding="utf-8") as handle:
                for prediction in predictions:
                    handle.write(_line(prediction))
                    handle.flush()

        yield append


def append_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Add lines to a prediction file, when nobody else does."""
    with appending(path) as append:
        append(predictions)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write a whole prediction file, or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sources_path(path).unlink(missing_ok=True)
    write_text(path, "".join(_line(prediction) for prediction in predictions))


def load_predictions(path: Path) -> list[Prediction]:
    """All lines of a prediction file; the first that is none raises ValueError."""
    if not path.is_file():
        raise FileNotFoundError(f"There are no predictions at {path}.")
    return _parsed(path, path.read_bytes())


def _parsed(path: Path, content: bytes) -> list[Prediction]:
    try:
        lines = content.decode("utf-8").removesuffix("\n").split("\n") if content else []
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text. {_ELSEWHERE}") from error
    return [_prediction(line, f"{path}:{n}") for n, line in enumerate(lines, start=1)]


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
    A last line that was cut short is none. What is left is sure while `appending` is held.
    """
    now = {**(sources or {}), **{question.key: _asked(question) for question in questions}}
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(_sources_path(path), now)
        return list(questions)
    if noted := _check_sources(path, now):
        write_json(_sources_path(path), {**noted, **now})
    done = [prediction.key for prediction in _parsed(path, whole_lines(path.read_bytes()))]
    check_keys([question.key for question in questions], done, partly=True)
    known = set(done)
    return [question for question in questions if question.key not in known]


def _sources_path(path: Path) -> Path:
    return path.with_suffix(".sources.json")


def _check_sources(path: Path, now: Mapping[str, str]) -> dict[str, str]:
    """What the predictions were made from, {} where nobody noted it; ValueError if it changed."""
    noted_at = _sources_path(path)
    noted = read_json(noted_at) if noted_at.is_file() else {}
    if not isinstance(noted, dict):
        raise ValueError(f"{noted_at} is damaged. Delete it and {path.name}, and predict again.")
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
    finite = np.isfinite(logits).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"{(~finite).sum()} of {len(keys)} answers (first: {keys[finite.argmin()]}) are no "
            "numbers: features or weights are damaged. Run: musicavqa features verify"
        )
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
    from musicavqa.tensor_files import read_safetensors

    try:
        found = Progress(**parse_json(read_safetensors(path)[1]["progress"]))
        if type(found.epoch) is not int or not isinstance(found.log, list):
            raise ValueError(f"epoch is {found.epoch!r:.20}")
        if not _is_scaler(found.scaler):
            raise ValueError(f"scaler is {found.scaler!r:.40}")
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    return found


def _is_scaler(state: Any) -> bool:
    """Whether this is what torch's GradScaler tells of itself, or None."""
    if state is None:
        return True
    names = {"scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker"}
    return (
        isinstance(state, dict)
        and state.keys() == names
        and all(type(value) in (int, float) for value in state.values())
    )


def _damaged(path: Path, error: Exception) -> ValueError:
    reason = " ".join(str(error).split())[:160]
    return ValueError(f"{path} is damaged ({reason}). Delete it: training begins anew without it.")


def load_state(path: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put a saved state into model and optimizer; the optimizer keeps its own settings."""
    from musicavqa.tensor_files import read_safetensors

    tensors = read_safetensors(path)[0]
    weights = {k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")}
    try:
        model.load_state_dict(weights)
        optimizer.load_state_dict(_optimizer_state(optimizer, tensors))
    except (ValueError, KeyError, RuntimeError) as error:
        raise _damaged(path, error) from error


def _optimizer_state(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]
) -> dict[str, Any]:
    """Its own settings with saved moments; ValueError where these are not of its parameters."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer/"):
            _, row, name = key.split("/")
            state.setdefault(int(row), {})[name] = tensor
    parameters: list[torch.Tensor] = [p for g in optimizer.param_groups for p in g["params"]]
    for number, moments in state.items():
        if not 0 <= number < len(parameters):
            raise ValueError(f"it has moments of parameter {number} of {len(parameters)}")
        for name, tensor in moments.items():
            if tensor.ndim and tensor.shape != parameters[number].shape:
                raise ValueError(f"{name} of parameter {number} is {tuple(tensor.shape)}")
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}


def _line(prediction: Prediction) -> str:
    """One line; what is unknown is left out, but for the answer."""
    row = {name: value for name, value in vars(prediction).items() if value is not None}
    return json.dumps({**row, "answer": prediction.answer}) + "\n"


def _prediction(line: str, where: str) -> Prediction:
    try:
        row = parse_json(line)
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

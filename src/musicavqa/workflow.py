"""The verbs behind the command line, folder in and folder out."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicavqa.records import Clip, Question

if TYPE_CHECKING:
    from musicavqa.evaluation import Evaluation
    from musicavqa.extraction import Report as ExtractionReport
    from musicavqa.store import Store

SET = "bandstand"
DEFAULT_ENCODERS = ("audio_logmel", "audio_yamnet", "visual_effnet", "visual_motion")

Progress = Callable[[int, int], None]


def load_dataset(root: Path, split: str) -> tuple[list[Clip], list[Question]]:
    """Clips and questions of one split of a rendered data folder."""
    from musicavqa.datasets.bandstand import load

    return load(Path(root), split)


def render(root: Path, split: str, n_clips: int, **options: Any) -> Path:
    """Render a split; see `bandstand.produce.produce` for the options."""
    from musicavqa.bandstand.produce import produce

    return produce(Path(root), split, n_clips, **options)


def extract_features(
    data: Path,
    out: Path,
    splits: Sequence[str] | None = None,
    encoders: Sequence[str] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> ExtractionReport:
    """Encode the clips of these splits (None: all there are) into the store under `out`."""
    from musicavqa.extraction import extract

    found = sorted(path.parent.name for path in Path(data).glob("*/scenes.jsonl"))
    if not found:
        raise FileNotFoundError(f"There is no rendered split in {data}. Run: musicavqa render")
    clips = [clip for split in splits or found for clip in load_dataset(data, split)[0]]
    return extract(clips, list(encoders or DEFAULT_ENCODERS), Path(out), SET, workers, progress)


def open_streams(features: Path, encoders: Sequence[str]) -> dict[str, Store]:
    """The stores of these encoders, as made by `extract_features` with today's weights."""
    from musicavqa.encoders import load_spec
    from musicavqa.store import Store

    folders = {name: Path(features) / SET / f"{name}-{load_spec(name).hash8}" for name in encoders}
    missing = [name for name, folder in folders.items() if not folder.is_dir()]
    if missing:
        flags = " ".join(f"--encoder {name}" for name in missing)
        raise FileNotFoundError(
            f"{features} has no rows of {', '.join(missing)}. Run: musicavqa features {flags}"
        )
    return {name: Store.open(folder) for name, folder in folders.items()}


def embed_texts(
    names: Sequence[str], questions: Sequence[Question]
) -> dict[str, dict[str, np.ndarray]]:
    """Text stream -> question text -> its rows, each distinct text encoded once."""
    from musicavqa.encoders import load_encoder

    distinct = sorted({question.text for question in questions}) if names else []
    return {
        name: dict(zip(distinct, load_encoder(name).embed(distinct), strict=True)) for name in names
    }


def train(
    method: str,
    data: Path,
    features: Path,
    out: Path,
    *,
    seed: int = 0,
    mute: tuple[str, ...] = (),
    epochs: int | None = None,
    device: str = "cpu",
) -> Path:
    """Train `method` on the splits train and val with its recipe; returns the run folder."""
    from musicavqa import training
    from musicavqa.registry import load_method

    found = load_method(method)
    recipe = found.recipe(SET)
    if epochs is not None:
        recipe = dataclasses.replace(recipe, epochs=epochs)
    clips, questions = load_dataset(data, "train")
    validation_clips, validation = load_dataset(data, "val")
    streams = open_streams(features, found.streams())
    facts = training.Data(
        name=SET,
        clips=[*clips, *validation_clips],
        train=questions,
        validation=validation,
        streams=streams,
        identity={
            "questions": _identity(questions + validation),
            "streams": {name: store.folder.name for name, store in streams.items()},
        },
        mute=mute,
        texts=embed_texts(found.texts(), questions + validation),
    )
    return training.train(method, None, recipe, facts, Path(out), seed, device)


def predict(run: Path, data: Path, features: Path, split: str = "test") -> Path:
    """Answer every question of `split`; returns the prediction file in the run folder."""
    import json

    from musicavqa import runs, training
    from musicavqa.batches import Collation, make_batches
    from musicavqa.registry import load_checkpoint

    checkpoint = load_checkpoint(run)
    about = json.loads((Path(run) / "run.json").read_text(encoding="utf-8"))
    clips, questions = load_dataset(data, split)
    path = runs.predictions_path(Path(run), split)
    todo = runs.pending(path, questions)
    streams = open_streams(features, checkpoint.streams)
    texts = embed_texts(checkpoint.method.texts(checkpoint.model.options), todo)
    collation = Collation(mute=tuple(about["data"]["mute"]), texts=texts)
    for batch in make_batches(clips, todo, streams, collation=collation):
        answered = training.predict(checkpoint.model, [batch], checkpoint.temperature)
        runs.append_predictions(path, answered)
    return path


def evaluate(
    predictions: Path, data: Path, split: str = "test", scorer: str | None = None
) -> Evaluation:
    """Score a prediction file against the questions of `split`; joins by key only.

    `scorer` reads texts that the predictions keep anew, see `evaluation.evaluate`.
    """
    from musicavqa import evaluation, runs

    _, questions = load_dataset(data, split)
    found = runs.read_predictions(Path(predictions), questions)
    return evaluation.evaluate(questions, found, scorer)


def _identity(questions: Sequence[Question]) -> str:
    """Short hash of what is asked and answered."""
    text = "\n".join(f"{q.key}\t{q.clip}\t{q.text}\t{q.answer}" for q in questions)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

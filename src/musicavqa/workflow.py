"""The verbs behind the command line, folder in and folder out."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicavqa.datasets import leaks, load_dataset
from musicavqa.records import Clip, NoMediaWarning, Prediction, Question

if TYPE_CHECKING:
    from musicavqa.bandstand.fonts import Fonts
    from musicavqa.features.extraction import Engine
    from musicavqa.features.extraction import Progress as ExtractionProgress
    from musicavqa.features.extraction import Report as ExtractionReport
    from musicavqa.features.store import Store
    from musicavqa.features.streams import Stream
    from musicavqa.media import Limits
    from musicavqa.methods.card import Recipe
    from musicavqa.methods.recipes import Plan
    from musicavqa.methods.registry import Method
    from musicavqa.scoring.bias import BiasReport
    from musicavqa.scoring.evaluation import Evaluation
    from musicavqa.scoring.robustness import StressReport
    from musicavqa.training.lessons import Lessons

DEFAULT_METHOD = "bandleader"
"""Its streams are extracted where none are named."""


@dataclass(frozen=True)
class Part:
    """One split of a data set on this machine."""

    name: str
    root: Path
    split: str

    def __str__(self) -> str:
        return f"{self.name}/{self.split}"

    def questions(self) -> list[Question]:
        """Its questions."""
        return load_dataset(self.name, self.root, self.split)[1]


def render(
    root: Path,
    split: str,
    n_clips: int,
    *,
    per_template: int | None = None,
    workers: int = 1,
    duration_s: float = 10.0,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render performances with exact truth, and questions about them; returns root/split.

    Clips that are there and still fit are kept. `per_template` caps the questions of each template;
    `progress` is called with clips done and in all. Equal arguments, equal scenes.
    """
    from musicavqa.bandstand.produce import produce

    return produce(
        Path(root), split, n_clips, per_template=per_template, workers=workers,
        duration_s=duration_s, progress=progress,
    )  # fmt: skip


def extract_features(
    data: Path,
    out: Path | str,
    splits: Sequence[str] | None = None,
    encoders: Sequence[str] | None = None,
    engine: Engine | int = 1,
    progress: Callable[[ExtractionProgress], None] | None = None,
    set_name: str = "bandstand",
    limits: Limits | None = None,
) -> ExtractionReport:
    """Encode the clips of these splits (None: all there are) into the store under `out`.

    `out` is a folder, or an address such as s3://bucket/prefix. `encoders` None takes the streams
    that bandleader reads, `limits` None those of `media`.
    """
    from musicavqa.datasets.footage import clips_of
    from musicavqa.features.extraction import extract
    from musicavqa.media import LIMITS
    from musicavqa.methods.registry import load_method

    clips = clips_of(set_name, data, splits)
    names = list(encoders or load_method(DEFAULT_METHOD).streams())
    return extract(clips, names, out, set_name, engine, progress, limits or LIMITS)


def list_streams() -> list[Stream]:
    """Every stream, by name: rate, shape, weights, licence, and which methods read it."""
    from musicavqa.features import streams
    from musicavqa.methods.readers import readers

    return streams.list_streams(readers())


def train(
    method: str,
    data: Path,
    features: Path | str,
    out: Path,
    *,
    recipe: str | Recipe = "default",
    options: Mapping[str, Any] | Path | None = None,
    stages: Mapping[str, Recipe] | None = None,
    seed: int | None = None,
    mute: tuple[str, ...] = (),
    epochs: int | None = None,
    device: str = "cpu",
    set_name: str = "bandstand",
    splits: tuple[str, str] = ("train", "val"),
    unseen: Sequence[Part] = (),
    drop_leaks: bool = False,
    plugins: Sequence[str] = (),
    add_streams: Sequence[str] = (),
    writers: Sequence[str] = (),
    tell: Callable[[float, float | None, str], None] | None = None,
) -> Path:
    """Train `method` on `splits` (training, validation); returns the run folder.

    `recipe` is 'default', 'published' (inputs, sizes and schedule of those who published it),
    'quick', or a Recipe. `options` changes it: `{"width": 256, "recipe.learning_rate": 1e-4,
    "stages.grounding.epochs": 5}`, the same in nested tables, or a TOML file of them; a name or
    value that does not exist is a ValueError with near matches. `stages={}` goes straight to
    answering; `seed` and `epochs` stand in the place of the recipe's.

    What it shares with `unseen` (what will be tested on) is told by LeakWarning, and with
    `drop_leaks` left out of training and validation. `plugins` are names or paths of
    plug-ins, which take their default options; `add_streams` are `music_*` streams that the method
    reads beside its sound; `writers` are 'tensorboard' and 'wandb'. `tell` is told steps done, of
    how many, a remark.
    """
    from musicavqa import identity
    from musicavqa.datasets.dubbing import dub
    from musicavqa.features.encoders import load_spec
    from musicavqa.features.grids import laid_out
    from musicavqa.features.joined import with_streams
    from musicavqa.features.streams import PROMPT, embed_texts, open_streams
    from musicavqa.methods.recipes import check_widths
    from musicavqa.methods.registry import load_method
    from musicavqa.training import loop

    found = load_method(method)
    chosen = _plan(found, set_name, recipe, options, epochs)
    if add_streams:
        read = dataclasses.replace(chosen.options, **with_streams(chosen.options, add_streams))
        chosen = dataclasses.replace(chosen, options=read)
    clips, questions = load_dataset(set_name, data, splits[0])
    validation_clips, validation = load_dataset(set_name, data, splits[1])
    names = (f"{set_name}/{splits[0]}", f"{set_name}/{splits[1]}")
    questions, validation = _without_leaks(questions, validation, names, unseen, drop_leaks)
    streams = open_streams(features, found.streams(chosen.options), set_name, data)
    texts = found.texts(chosen.options)
    shapes = {name: store.description.shape for name, store in streams.items()}
    shapes |= {name: load_spec(name.removesuffix(PROMPT)).shape for name in texts}
    check_widths(chosen.options, shapes)
    questions, _ = split_by_media(questions, clips, streams, names[0])
    validation, _ = split_by_media(validation, validation_clips, streams, names[1])
    known = {clip.id: clip for clip in [*clips, *validation_clips]}
    both = [*questions, *validation]
    dubbed, asked, rows = dub(list(known.values()), both, laid_out(streams, found.own_grids))
    facts = loop.Data(
        name=set_name,
        clips=dubbed,
        train=asked[: len(questions)],
        validation=asked[len(questions) :],
        streams=rows,
        identity={
            "questions": identity.of_questions(both),
            "streams": identity.of_streams(streams, both),
            "texts": {name: load_spec(name.removesuffix(PROMPT)).hash8 for name in texts},
            "scenes": identity.of_scenes(known.values()) if found.card.truth else None,
        },
        mute=mute,
        texts=embed_texts(texts, both),
    )
    folder = loop.train(
        method,
        chosen.options,
        chosen.recipe,
        facts,
        Path(out),
        seed,
        device,
        stages=chosen.stages if stages is None else stages,
        plugins=dict.fromkeys(plugins),
        tell=tell,
        writers=writers,
    )
    leaks.write_seen(folder / leaks.SEEN, leaks.seen_in(both))
    return folder


def _plan(
    method: Method,
    set_name: str,
    recipe: str | Recipe,
    options: Mapping[str, Any] | Path | None,
    epochs: int | None = None,
) -> Plan:
    """What `train` trains with, from what it was given."""
    from musicavqa.methods import recipes

    changes = recipes.read_options(options) if isinstance(options, Path | str) else options
    more = {} if epochs is None else {"recipe.epochs": epochs}
    return recipes.plan(method, set_name, recipe, {**recipes.flat(changes or {}), **more})


def streams_read(
    method: str, recipe: str = "default", options: Mapping[str, Any] | Path | None = None
) -> tuple[str, ...]:
    """Streams that a method reads with this recipe, as `train` takes them."""
    from musicavqa.methods.registry import load_method

    found = load_method(method)
    return found.streams(_plan(found, "default", recipe, options).options)


def teach(
    out: Path,
    lessons: Lessons | None = None,
    *,
    fonts: Path | None = None,
    workers: int = 1,
    tell: Callable[[float, float | None, str], None] | None = None,
) -> Path:
    """Teach bandleader from renderings to a checkpoint; returns `out`, a run folder.

    `lessons` says how much of what (None: some two hours on two cores). `fonts` is a folder of
    soundfonts beside the system's. A killed run goes on where it stopped; ValueError where `out`
    was begun with other lessons. `tell` is told what is done, of how much, and of what.
    """
    from musicavqa.training.lessons import Course, Rehearsal, check_course
    from musicavqa.training.lessons import Lessons as AllLessons
    from musicavqa.training.lessons import teach as teach_all

    lessons = lessons or AllLessons()
    course = Course(
        Path(out), soundfonts(fonts), workers, tell or (lambda done, total, remark: None)
    )
    check_course(course, lessons)
    if (course.folder / "run.json").exists():
        return course.folder
    clips, questions, rows = _rehearse(course.desk, lessons.clips, workers, course.tell)
    leaks.write_seen(course.folder / leaks.SEEN, leaks.seen_in(questions))
    return teach_all(course, lessons, Rehearsal(clips, questions, rows))


def soundfonts(folder: Path | None = None) -> Fonts:
    """The soundfonts that `teach` finds: in this folder and where the system keeps them."""
    from musicavqa.bandstand.fonts import SYSTEM, find_fonts

    given = [Path(folder)] if folder is not None else []
    return find_fonts([*given, *([SYSTEM] if SYSTEM.is_dir() else [])])


def _rehearse(
    folder: Path, n_clips: int, workers: int, tell: Callable[[float, float | None, str], None]
) -> tuple[list[Clip], list[Question], Mapping[str, Any]]:
    """Clips of split train rendered and encoded: clips, questions, streams."""
    from musicavqa.features.grids import on_one_grid
    from musicavqa.features.streams import open_streams
    from musicavqa.methods.registry import load_method

    data, features = folder / "data", folder / "features"
    render(
        data, "train", n_clips, workers=workers,
        progress=lambda done, total: tell(done, total, "clips"),
    )  # fmt: skip
    names = load_method("bandleader").streams()
    extract_features(data, features, ["train"], names, workers)
    clips, questions = load_dataset("bandstand", data, "train")
    return clips, questions, on_one_grid(open_streams(features, names, "bandstand", data))


def _without_leaks(
    questions: list[Question],
    validation: list[Question],
    names: tuple[str, str],
    unseen: Sequence[Part],
    drop: bool,
) -> tuple[list[Question], list[Question]]:
    """Training and validation questions, guarded against `unseen` and against each other.

    LeakWarning tells what they share; with `drop` it is left out.
    """
    for part in unseen:
        tested = leaks.seen_in(part.questions())
        questions, validation = (
            leaks.guard(rows, tested, (name, str(part)), drop)
            for rows, name in zip((questions, validation), names, strict=True)
        )
    guarded = leaks.guard(questions, leaks.seen_in(validation), names, drop, clips=False)
    return guarded, validation


def predict(
    run: Path,
    data: Path,
    features: Path | str,
    split: str = "test",
    set_name: str | None = None,
    drop_leaks: bool = False,
    method_file: Path | None = None,
    device: str = "cpu",
    tell: Callable[[float, float | None, str], None] | None = None,
) -> Path:
    """Answer every question of `split` on `device`; returns the prediction file in the run folder.

    A run of a method file of one's own needs that file as `method_file`.

    `set_name` None is the set that the run was trained on. With `drop_leaks`, questions it was
    trained on are not answered; LeakWarning says how many there are. Questions about a clip that
    has no file, or one that could not be read, get the status 'no media'; a clip that was merely
    not encoded yet is a FeatureError. ValueError where features, questions or weights are no longer
    those that the run was trained on, or that earlier answers were made from.
    """
    from musicavqa import identity
    from musicavqa.datasets.dubbing import dub
    from musicavqa.devices import check_device
    from musicavqa.features.grids import laid_out
    from musicavqa.features.streams import embed_texts, open_streams
    from musicavqa.methods.registry import load_checkpoint
    from musicavqa.training import loop, runs
    from musicavqa.training.batches import Collation, make_batches

    run = Path(run)
    checkpoint = load_checkpoint(run, method_file)
    checkpoint.model.to(check_device(device))
    about = runs.about(run)["data"]
    asked_set = set_name or about["name"]
    clips, questions = load_dataset(asked_set, data, split)
    path = runs.predictions_path(run, split, asked_set)
    kept = {q.key for q in leaks.guard_run(questions, run, f"{asked_set}/{split}", drop_leaks)}
    streams = open_streams(features, checkpoint.streams, asked_set, data)
    sources = identity.made_from(run, asked_set, questions, streams)
    with runs.appending(path) as append:
        todo = [q for q in runs.pending(path, questions, sources) if q.key in kept]
        todo, lost = split_by_media(todo, clips, streams, f"{asked_set}/{split}")
        append([Prediction(q.key, None, status="no media") for q in lost])
        texts = embed_texts(checkpoint.method.texts(checkpoint.model.options), todo)
        own = checkpoint.method.own_grids
        collation = Collation(mute=tuple(about["mute"]), texts=texts, own_grids=own)
        dubbed, asked, rows = dub(clips, todo, laid_out(streams, own))
        batches = make_batches(dubbed, asked, rows, collation=collation)
        loop.write_answers(append, checkpoint, batches, len(asked), tell)
    return path


def split_by_media(
    questions: Sequence[Question], clips: Sequence[Clip], stores: Mapping[str, Store], name: str
) -> tuple[list[Question], list[Question]]:
    """(questions that can be answered, those whose clip has no media that can be read).

    NoMediaWarning says how many of `name` those are.
    """
    lost = {
        clip.id
        for clip in clips
        for store in stores.values()
        if clip.id not in store and (clip.path is None or clip.id in store.manifest["skipped"])
    }
    kept = [question for question in questions if question.clip not in lost]
    without = [question for question in questions if question.clip in lost]
    if without:
        warnings.warn(
            NoMediaWarning(
                f"{len(without)} of {len(questions)} questions of {name} are set aside: their "
                f"{len(lost)} clips have no media that can be read (first: {min(lost)})."
            ),
            stacklevel=3,
        )
    return kept, without


def evaluate(
    predictions: Path,
    data: Path,
    split: str | None = None,
    set_name: str | None = None,
    drop_leaks: bool = False,
    scorer: str | None = None,
    only: Path | None = None,
) -> Evaluation:
    """Score predictions, a file or those of a run folder, against the questions; joins by key only.

    `split` and `set_name` None are what the run or the keys say, see `runs.answered`. In a run
    folder, questions that the run was trained on are told by LeakWarning, and with
    `drop_leaks` left out of the score. `scorer` reads texts that the predictions keep anew, see
    `evaluation.evaluate`. `only` is a file with the keys that count, one a line.
    """
    from musicavqa.scoring import evaluation
    from musicavqa.scoring.hard import only_these
    from musicavqa.training import runs

    found = runs.answered(Path(predictions), set_name, split)
    asked = Part(found.set_name, data, found.split)
    loaded = asked.questions()
    chosen = loaded if only is None else only_these(loaded, only)[0]
    questions = leaks.guard_run(chosen, found.path.parent, str(asked), drop_leaks)
    ignored = {question.key for question in loaded} - {question.key for question in questions}
    answers = runs.read_predictions(found.path, questions, ignored)
    return evaluation.evaluate(questions, answers, scorer)


@dataclass(frozen=True)
class Robustness:
    """What an accuracy hides, and what the answers depend on."""

    bias: BiasReport
    stress: StressReport | None
    """None for a prediction file alone: disturbed senses need the model."""
    prior_note: str
    """What the accuracy of the prior was taken from, or why there is none."""


def robustness(
    run: Path,
    data: Path,
    features: Path | str = "features",
    split: str | None = None,
    train_split: str = "train",
    question_only: Path | None = None,
    seed: int = 0,
    set_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    method_file: Path | None = None,
    device: str = "cpu",
) -> Robustness:
    """Bias and calibration of the answers in `run`, a run folder or a prediction file.

    `split` and `set_name` None are what the run or the keys say, see `runs.answered`. Of a run
    folder the same questions are also answered with muted, swapped and shuffled streams (`seed`
    draws them). The prior counts the answers of `train_split`; `question_only` are the predictions
    of a model that saw no clip. Values are percent, with 95 % intervals over clips.
    """
    from musicavqa.scoring.bias import bias_report
    from musicavqa.training.runs import answered, read_predictions

    run = Path(run)
    found = answered(run, set_name, split)
    asked = Part(found.set_name, Path(data), found.split)
    questions = asked.questions()
    stressed = None
    if run.is_dir():
        stressed = _stress(run, asked, features, seed, progress, method_file, device)
    prior, note = _prior(Part(asked.name, Path(data), train_split), questions)
    blind = None
    if question_only is not None:
        blind = read_predictions(
            answered(Path(question_only), asked.name, asked.split).path, questions
        )
    report = bias_report(questions, read_predictions(found.path, questions), prior, blind)
    return Robustness(report, stressed, note)


def _stress(
    run: Path,
    asked: Part,
    features: Path | str,
    seed: int,
    progress: Callable[[int, int], None] | None,
    method_file: Path | None,
    device: str,
) -> StressReport:
    """Answer the questions of `asked` undisturbed and with disturbed senses, as `predict` would."""
    from musicavqa import identity
    from musicavqa.datasets.dubbing import dub
    from musicavqa.features.grids import laid_out
    from musicavqa.features.streams import embed_texts, open_streams
    from musicavqa.methods.registry import load_checkpoint
    from musicavqa.scoring.robustness import Examination, stress
    from musicavqa.training import runs

    checkpoint = load_checkpoint(run, method_file)
    clips, questions = load_dataset(asked.name, asked.root, asked.split)
    streams = open_streams(features, checkpoint.streams, asked.name, asked.root)
    sources = identity.made_from(run, asked.name, questions, streams)
    _, lost = split_by_media(questions, clips, streams, str(asked))
    texts = embed_texts(checkpoint.method.texts(checkpoint.model.options), questions)
    own = checkpoint.method.own_grids
    dubbed, rows, by_clip = dub(clips, questions, laid_out(streams, own))
    examination = Examination(
        run=run,
        clips=dubbed,
        questions=rows,
        path=runs.predictions_path(run, asked.split, asked.name),
        streams=by_clip,
        texts=texts,
        seed=seed,
        sources=sources,
        without_media={question.key for question in lost},
        method_file=method_file,
        device=device,
    )
    return stress(examination, progress)


def _prior(known: Part, questions: Sequence[Question]) -> tuple[list[str] | None, str]:
    """Majority answers per template, or None and why they are not there."""
    from musicavqa.metrics.priors import fit

    try:
        rows = known.questions()
    except FileNotFoundError as error:
        return None, f"not measured: {error}"
    answers = [str(prediction.answer) for prediction in fit("template", rows)(questions)]
    return answers, f"majority per template of {known.split}"

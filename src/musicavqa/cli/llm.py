"""`llm`: language models that look and listen, run and reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicavqa.cli.progress import progress
from musicavqa.cli.shared import (
    Address,
    Data,
    EngineName,
    Json,
    SetName,
    Workers,
    app,
    told_counts,
)
from musicavqa.terminal import say

if TYPE_CHECKING:
    from musicavqa.features.extraction import Engine
    from musicavqa.llm.contract import Opening
    from musicavqa.llm.crew import Crew

llm_app = typer.Typer(
    help="Language models that look and listen: run and report (docs/llm.md).",
    no_args_is_help=True,
)
app.add_typer(llm_app, name="llm")

Model = Annotated[str, typer.Argument(help="A model's folder, or SERVER:MODEL[@URL].")]


@llm_app.command()
def run(
    model: Model,
    data: Data = Path("bandstand-data"),
    set_name: SetName = "bandstand",
    split: Annotated[str, typer.Option(help="The split to ask.")] = "test",
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs"),
    way: Annotated[
        str | None,
        typer.Option("--by", help="score, generate or choose; default: the first it can."),
    ] = None,
    prompt: Annotated[str, typer.Option(help="bare, short, vocab, typed or mcq4.")] = "short",
    sampling: Annotated[
        str, typer.Option(help="What is taken of a clip, such as 'frames=16 side=448 sound=whole'.")
    ] = "fps=1",
    scorer: Annotated[str, typer.Option(help="How free text is read: span or exact.")] = "span",
    beyond: Annotated[
        str,
        typer.Option(
            "--beyond-senses", help="Questions it cannot see or hear: refuse, leave, label."
        ),
    ] = "refuse",
    baselines: Annotated[
        bool, typer.Option(help="Ask without the music and of one picture too.")
    ] = True,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many clips, drawn by --limit-seed.")
    ] = None,
    limit_seed: Annotated[int, typer.Option(help="Of that draw.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Of an answer.")] = 64,
    length: Annotated[str, typer.Option(help="Of scoring: sum, or mean per token.")] = "sum",
    prior: Annotated[
        bool, typer.Option("--prior", help="Of scoring: minus what it says without the clip.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto (spread over devices).")] = "cpu",
    bits: Annotated[int | None, typer.Option(help="4 or 8: load weights in so many bits.")] = None,
    budget: Annotated[
        float | None, typer.Option(help="Stop before this much money is spent.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(help="IN,OUT: price of a million tokens, for --budget, --dry-run.")
    ] = None,
    per_minute: Annotated[float | None, typer.Option(help="Most requests in a minute.")] = None,
    parallel: Annotated[int, typer.Option(min=1, help="Requests at once, to a server.")] = 4,
    workers: Workers = 1,
    engine: EngineName = "local",
    address: Address = None,
    probe: Annotated[
        bool, typer.Option(help="First see that every kind of media raises the prompt's tokens.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take; ask nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a model every question of a split; a killed run goes on, errors are asked again."""
    from musicavqa.features.extraction import Engine
    from musicavqa.llm import runs
    from musicavqa.llm.contract import Generation, Opening
    from musicavqa.llm.opening import open_model
    from musicavqa.llm.prompts import preset
    from musicavqa.llm.running import Setting
    from musicavqa.llm.sampling import parse_policy

    _one_of("--beyond-senses", beyond, ("refuse", "leave", "label"))
    _one_of("--scorer", scorer, ("span", "exact"))
    policy = parse_policy(sampling)
    opening = Opening(device, bits, _price(price), budget, per_minute, parallel)
    crew = _crew(model, opening, Engine(engine, workers, address))
    adapter = open_model(model, opening)
    found: Any = way or adapter.ability.ways[0]
    _one_of("--by", found, adapter.ability.ways)
    generation = Generation(max_tokens, length=length, prior=prior)  # type: ignore[arg-type]
    clips, questions, prior_from = _questions(set_name, data, split, limit, limit_seed)
    errand = runs.Errand(
        set_name, split, clips, questions, Setting(found, preset(prompt), policy, generation),
        scorer, beyond, baselines, prior_from,  # type: ignore[arg-type]
    )  # fmt: skip
    if dry_run:
        from musicavqa.llm.costs import estimate

        say(json.dumps(estimate(errand, adapter), indent=1))
        return
    if probe and hasattr(adapter, "probe"):
        for line in adapter.probe(policy):
            say(line, error=True)
    with told_counts(), progress(f"asking {model}", "questions") as tell:
        folder = runs.run_llm(
            errand, adapter, out, lambda done, total, note: tell(done, total, note), crew
        )
    _print(runs.llm_report(folder, split), as_json)
    if not as_json:
        say(f"in {folder}")


@llm_app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A run folder made by `llm run`.")],
    split: Annotated[str, typer.Option(help="Of the data set.")] = "test",
    as_json: Json = False,
) -> None:
    """Print all that is needed to believe the number of a run."""
    from musicavqa.llm import runs

    _print(runs.llm_report(folder, split), as_json)


@llm_app.command("export-task")
def export_task(
    out: Annotated[Path, typer.Argument(help="Folder of the task.")],
    data: Data = Path("bandstand-data"),
    set_name: SetName = "bandstand",
    split: Annotated[str, typer.Option(help="The split that is to be asked.")] = "test",
    prompt: Annotated[str, typer.Option(help="bare, short, vocab, typed or mcq4.")] = "short",
    give: Annotated[str, typer.Option(help="Of a clip: video, sound or nothing.")] = "video",
    partly: Annotated[
        bool, typer.Option("--partly", help="Leave out questions whose clip is not here.")
    ] = False,
) -> None:
    """Write a task for lmms-eval, whose sample log `predictions import` reads."""
    from musicavqa.llm.lmms_eval import export_lmms_eval

    _one_of("--give", give, ("video", "sound", "nothing"))
    done = export_lmms_eval(set_name, data, out, split, prompt, give, partly)  # type: ignore[arg-type]
    if done.n_left_out:
        say(f"{done.n_left_out} questions are left out: their clip is not here.", error=True)
    say(f"{done.n_questions} questions, in {done.folder}. Next:")
    say(
        f"MUSICAVQA_DATA={data.resolve()} lmms-eval --tasks {done.name} --include_path {out} "
        "--log_samples --output_path LOGS --model ..."
    )
    partly_too = " --partly" if done.n_left_out else ""
    say(f"musicavqa predictions import LOGS/... --set {set_name} --root {data}{partly_too}")


def _crew(model: str, opening: Opening, engine: Engine) -> Crew | None:
    """Workers that open the model themselves; None where this process asks."""
    from musicavqa.llm.crew import Crew
    from musicavqa.llm.opening import Opener

    if engine.name == "local" and engine.workers == 1 and engine.address is None:
        return None
    if opening.budget is not None or opening.per_minute is not None:
        raise ValueError(
            "--budget and --per-minute are counted in one process: leave out --workers and "
            "--engine. --parallel asks a server many questions at once."
        )
    return Crew(engine, Opener(model, opening))


def _print(told: dict[str, Any], as_json: bool) -> None:
    from musicavqa.llm.reporting import lines

    say(json.dumps(told, indent=1) if as_json else lines(told))


def _one_of(option: str, value: str, choices: Any) -> None:
    if value not in choices:
        raise ValueError(f"{option} is {value!r}; choose {' or '.join(choices)}.")


def _price(text: str | None) -> tuple[float, float] | None:
    """Of a million tokens in and out."""
    if text is None:
        return None
    try:
        into, out = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--price takes IN,OUT such as 2.5,10, got {text!r}.") from None
    return into, out


def _questions(set_name: str, data: Path, split: str, limit: int | None, seed: int) -> Any:
    """Clips, questions, and training questions to count a prior from, if there are any."""
    import random

    from musicavqa.datasets import dataset, load_dataset

    clips, questions = load_dataset(set_name, data, split)
    if limit is not None:
        named = sorted({question.clip for question in questions})
        kept = set(random.Random(seed).sample(named, min(limit, len(named))))
        questions = [question for question in questions if question.clip in kept]
    try:
        has_training = split != "train" and "train" in dataset(set_name).splits(data)
        training = load_dataset(set_name, data, "train")[1] if has_training else []
    except FileNotFoundError:
        training = []
    return clips, questions, training
